//! Which account of an organization bears an external id, byte for byte.

use roster_core::home::Record;
use roster_core::id::AccountId;
use roster_core::store::Stored;
use roster_core::text::ExternalId;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::parse;

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT external_id, account_id AS "account_id: Uuid", version AS "version: Uuid"
           FROM account_external_ids WHERE home = ?1 AND external_id IN (SELECT value FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let external_id = parse("external_id", &row.external_id)?;
        let record = Record::AccountExternalId(external_id, AccountId::from_uuid(row.account_id));
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(external_id) AS "names!: String" FROM account_external_ids WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: &ExternalId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.as_str();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM account_external_ids WHERE home = ? AND external_id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    id: &ExternalId,
    account: AccountId,
) -> Result<(), Fault> {
    let (id, account) = (id.as_str(), account.uuid());
    query!(
        "INSERT INTO account_external_ids (home, external_id, account_id, version)
         VALUES (?, ?, ?, ?)
         ON CONFLICT (home, external_id) DO UPDATE SET account_id = excluded.account_id, version = excluded.version",
        home, id, account, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: &ExternalId,
) -> Result<(), Fault> {
    let id = id.as_str();
    query!("DELETE FROM account_external_ids WHERE home = ? AND external_id = ?", home, id)
        .execute(connection)
        .await?;
    Ok(())
}
