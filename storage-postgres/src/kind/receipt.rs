//! Receipts of requests that bear an idempotency key.

use roster_core::home::Record;
use roster_core::model::{Receipt, ReceiptId};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::exact;

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Vec<u8>],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id, digest, seed, seed_millis, answer, created_at, version
           FROM receipts WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Receipt(Receipt {
            id: ReceiptId(exact("id", row.id)?),
            digest: exact("digest", row.digest)?,
            seed: exact("seed", row.seed)?,
            seed_millis: row.seed_millis.cast_unsigned(),
            answer: row.answer,
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
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
