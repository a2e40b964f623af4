//! Which account of an organization bears an external id, byte for byte.

use roster_core::home::Record;
use roster_core::id::AccountId;
use roster_core::store::Stored;
use roster_core::text::ExternalId;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

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

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    id: &ExternalId,
    account: AccountId,
) -> Result<(), Fault> {
    let (id, account) = (id.as_str(), account.uuid());
    query!(
        "INSERT INTO account_external_ids (home, external_id, account_id, version)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (home, external_id) DO UPDATE SET account_id = excluded.account_id, version = excluded.version",
        home, id, account, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: &ExternalId) -> Result<(), Fault> {
    let id = id.as_str();
    query!("DELETE FROM account_external_ids WHERE home = $1 AND external_id = $2", home, id)
        .execute(connection)
        .await?;
    Ok(())
}
