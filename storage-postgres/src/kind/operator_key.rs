//! Operator keys of the deployment.

use roster_core::home::Record;
use roster_core::id::OperatorKeyId;
use roster_core::model::OperatorKey;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{exact, from_hex, parse};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    name: String,
    #[serde(deserialize_with = "from_hex")]
    secret_hash: Vec<u8>,
    prefix: String,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::OperatorKey(OperatorKey {
            id: OperatorKeyId::from_uuid(self.id),
            name: parse("name", &self.name)?,
            secret_hash: exact("secret_hash", self.secret_hash)?,
            prefix: self.prefix,
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, name, secret_hash, prefix, created_at, version
           FROM operator_keys WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
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

pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    names: &[Uuid],
) -> Result<(), Fault> {
    query!(
        "DELETE FROM operator_keys kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
