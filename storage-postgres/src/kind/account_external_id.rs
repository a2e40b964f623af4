//! Which account of an organization bears an external id, byte for byte.

use roster_core::home::Record;
use roster_core::id::AccountId;
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::parse;

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    external_id: String,
    account_id: Uuid,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let external_id = parse("external_id", &self.external_id)?;
        let record = Record::AccountExternalId(external_id, AccountId::from_uuid(self.account_id));
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[String],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT external_id, account_id, version
           FROM account_external_ids WHERE home = $1 AND external_id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<String>, Fault> {
    let names = query_scalar!(r#"SELECT external_id FROM account_external_ids WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Record>]) -> Result<(), Fault> {
    let (mut homes, mut names) = (Vec::new(), Vec::new());
    let (mut accounts, mut versions) = (Vec::new(), Vec::new());
    for Put { home, commit, it } in puts {
        if let Record::AccountExternalId(id, account) = it {
            homes.push(*home);
            names.push(id.to_string());
            accounts.push(account.uuid());
            versions.push(commit.uuid());
        }
    }
    query!(
        "INSERT INTO account_external_ids (home, external_id, account_id, version)
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::uuid[])
         ON CONFLICT (home, external_id) DO UPDATE SET account_id = excluded.account_id, version = excluded.version",
        &homes,
        &names,
        &accounts,
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
        "DELETE FROM account_external_ids kept USING UNNEST($1::bigint[], $2::text[]) AS gone (home, external_id)
         WHERE kept.home = gone.home AND kept.external_id = gone.external_id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
