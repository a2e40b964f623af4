//! Receipts of requests that bear an idempotency key.

use roster_core::home::Record;
use roster_core::model::{Receipt, ReceiptId};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
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

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Receipt>]) -> Result<(), Fault> {
    let bytes = |of: fn(&Receipt) -> &[u8]| puts.iter().map(|put| of(put.it).to_vec()).collect::<Vec<_>>();
    let numbers = |of: fn(&Receipt) -> i64| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let answers: Vec<Option<Vec<u8>>> = puts.iter().map(|put| put.it.answer.clone()).collect();
    query!(
        "INSERT INTO receipts (home, id, digest, seed, seed_millis, answer, created_at, version)
         SELECT * FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[],
             $7::bigint[], $8::uuid[])
         ON CONFLICT (home, id) DO UPDATE SET digest = excluded.digest, seed = excluded.seed,
             seed_millis = excluded.seed_millis, answer = excluded.answer, created_at = excluded.created_at,
             version = excluded.version",
        &puts.iter().map(|put| put.home).collect::<Vec<_>>(),
        &bytes(|it| &it.id.0),
        &bytes(|it| &it.digest),
        &bytes(|it| &it.seed),
        &numbers(|it| it.seed_millis.cast_signed()),
        &answers as &[Option<Vec<u8>>],
        &numbers(|it| it.created_at.micros()),
        &puts.iter().map(|put| put.commit.uuid()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    names: &[Vec<u8>],
) -> Result<(), Fault> {
    query!(
        "DELETE FROM receipts kept USING UNNEST($1::bigint[], $2::bytea[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
