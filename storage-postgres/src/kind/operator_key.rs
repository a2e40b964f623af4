//! Operator keys of the deployment.

use roster_core::home::Record;
use roster_core::id::OperatorKeyId;
use roster_core::model::OperatorKey;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{exact, parse};

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id, name, secret_hash, prefix, created_at, version
           FROM operator_keys WHERE home = $1 AND id = ANY($2)"#,
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

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM operator_keys WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &OperatorKey,
) -> Result<(), Fault> {
    let (id, name, created_at) = (it.id.uuid(), it.name.as_str(), it.created_at.micros());
    let (secret_hash, prefix) = (it.secret_hash.as_slice(), it.prefix.as_str());
    query!(
        "INSERT INTO operator_keys (home, id, name, secret_hash, prefix, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash, prefix = excluded.prefix, created_at = excluded.created_at, version = excluded.version",
        home, id, name, secret_hash, prefix, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: OperatorKeyId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM operator_keys WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
