//! Records that no query looks into, by name.

use roster_core::home::Record;
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, from_hex};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    #[serde(deserialize_with = "from_hex")]
    content: Vec<u8>,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record: Record = rmp_serde::from_slice(&self.content).map_err(|error| bad("content", error))?;
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
        "SELECT content, version FROM documents WHERE home = $1 AND name = ANY($2)",
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<String>, Fault> {
    let names = query_scalar!("SELECT name FROM documents WHERE home = $1", home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Record>]) -> Result<(), Fault> {
    let homes: Vec<i64> = puts.iter().map(|put| put.home).collect();
    let names: Vec<String> = puts.iter().map(|put| put.it.key().document().unwrap_or_default()).collect();
    let contents =
        puts.iter().map(|put| rmp_serde::to_vec_named(put.it).map_err(|error| bad("content", error)));
    let versions: Vec<Uuid> = puts.iter().map(|put| put.commit.uuid()).collect();
    query!(
        "INSERT INTO documents (home, name, content, version)
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::bytea[], $4::uuid[])
         ON CONFLICT (home, name) DO UPDATE SET content = excluded.content, version = excluded.version",
        &homes,
        &names,
        &contents.collect::<Result<Vec<_>, _>>()?,
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
        "DELETE FROM documents kept USING UNNEST($1::bigint[], $2::text[]) AS gone (home, name)
         WHERE kept.home = gone.home AND kept.name = gone.name",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
