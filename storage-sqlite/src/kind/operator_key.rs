//! Operator keys of the deployment.

use roster_core::home::Record;
use roster_core::id::OperatorKeyId;
use roster_core::model::OperatorKey;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{exact, parse};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", name, secret_hash, prefix, created_at, version AS "version: Uuid"
           FROM operator_keys WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::OperatorKey(OperatorKey {
            id: OperatorKeyId::from_uuid(row.id),
            name: parse("name", &row.name)?,
            secret_hash: exact("secret_hash", row.secret_hash)?,
            prefix: row.prefix,
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM operator_keys WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: OperatorKeyId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM operator_keys WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &OperatorKey,
) -> Result<(), Fault> {
    let (id, name, created_at) = (it.id.uuid(), it.name.as_str(), it.created_at.micros());
    let (secret_hash, prefix) = (it.secret_hash.as_slice(), it.prefix.as_str());
    query!(
        "INSERT INTO operator_keys (home, id, name, secret_hash, prefix, created_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash, prefix = excluded.prefix, created_at = excluded.created_at, version = excluded.version",
        home, id, name, secret_hash, prefix, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: OperatorKeyId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM operator_keys WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
