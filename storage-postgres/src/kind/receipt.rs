//! Receipts of requests that bear an idempotency key.

use roster_core::home::Record;
use roster_core::model::{Receipt, ReceiptId};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{exact, from_hex, from_hex_some};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    #[serde(deserialize_with = "from_hex")]
    id: Vec<u8>,
    #[serde(deserialize_with = "from_hex")]
    digest: Vec<u8>,
    #[serde(deserialize_with = "from_hex")]
    seed: Vec<u8>,
    seed_millis: i64,
    #[serde(deserialize_with = "from_hex_some")]
    answer: Option<Vec<u8>>,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Receipt(Receipt {
            id: ReceiptId(exact("id", self.id)?),
            digest: exact("digest", self.digest)?,
            seed: exact("seed", self.seed)?,
            seed_millis: self.seed_millis.cast_unsigned(),
            answer: self.answer,
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Vec<u8>],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, digest, seed, seed_millis, answer, created_at, version
           FROM receipts WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Vec<u8>>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM receipts WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Receipt,
) -> Result<(), Fault> {
    let (id, digest, seed) = (it.id.0.as_slice(), it.digest.as_slice(), it.seed.as_slice());
    let (seed_millis, created_at) = (it.seed_millis.cast_signed(), it.created_at.micros());
    query!(
        "INSERT INTO receipts (home, id, digest, seed, seed_millis, answer, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (home, id) DO UPDATE SET digest = excluded.digest, seed = excluded.seed, seed_millis = excluded.seed_millis, answer = excluded.answer, created_at = excluded.created_at, version = excluded.version",
        home, id, digest, seed, seed_millis, it.answer, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: ReceiptId) -> Result<(), Fault> {
    let id = id.0.as_slice();
    query!("DELETE FROM receipts WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
