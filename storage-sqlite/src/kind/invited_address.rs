//! Which pending invitation an address has, by its normalised key.

use roster_core::home::Record;
use roster_core::id::InvitationId;
use roster_core::store::Stored;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT address, invitation_id AS "invitation_id: Uuid", version AS "version: Uuid"
           FROM invited_addresses WHERE home = ?1 AND address IN (SELECT value FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::InvitedAddress(row.address, InvitationId::from_uuid(row.invitation_id));
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(address) AS "names!: String" FROM invited_addresses WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    address: &str,
) -> Result<Option<Uuid>, Fault> {
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM invited_addresses WHERE home = ? AND address = ?"#,
        home,
        address
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    address: &str,
    invitation: InvitationId,
) -> Result<(), Fault> {
    let invitation = invitation.uuid();
    query!(
        "INSERT INTO invited_addresses (home, address, invitation_id, version)
         VALUES (?, ?, ?, ?)
         ON CONFLICT (home, address) DO UPDATE SET invitation_id = excluded.invitation_id, version = excluded.version",
        home, address, invitation, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, address: &str) -> Result<(), Fault> {
    query!("DELETE FROM invited_addresses WHERE home = ? AND address = ?", home, address)
        .execute(connection)
        .await?;
    Ok(())
}
