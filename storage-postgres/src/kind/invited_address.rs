//! Which pending invitation an address has, by its normalised key.

use roster_core::home::Record;
use roster_core::id::InvitationId;
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    address: String,
    invitation_id: Uuid,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Stored {
        let record = Record::InvitedAddress(self.address, InvitationId::from_uuid(self.invitation_id));
        Stored { record, version: crate::row::version(self.version) }
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[String],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT address, invitation_id, version
           FROM invited_addresses WHERE home = $1 AND address = ANY($2)"#,
        home,
        names
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect())
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<String>, Fault> {
    let names = query_scalar!(r#"SELECT address FROM invited_addresses WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Record>]) -> Result<(), Fault> {
    let (mut homes, mut addresses) = (Vec::new(), Vec::new());
    let (mut invitations, mut versions) = (Vec::new(), Vec::new());
    for Put { home, commit, it } in puts {
        if let Record::InvitedAddress(address, invitation) = it {
            homes.push(*home);
            addresses.push(address.clone());
            invitations.push(invitation.uuid());
            versions.push(commit.uuid());
        }
    }
    query!(
        "INSERT INTO invited_addresses (home, address, invitation_id, version)
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::uuid[])
         ON CONFLICT (home, address) DO UPDATE SET invitation_id = excluded.invitation_id, version = excluded.version",
        &homes,
        &addresses,
        &invitations,
        &versions
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    names: &[String],
) -> Result<(), Fault> {
    query!(
        "DELETE FROM invited_addresses kept USING UNNEST($1::bigint[], $2::text[]) AS gone (home, address)
         WHERE kept.home = gone.home AND kept.address = gone.address",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
