//! Lines of the deployment's feed.

use roster_core::home::Record;
use roster_core::model::{FeedKey, FeedLine};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, from_json, parse, to_json};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_scalar!(
        r#"SELECT json_group_array(json_array(name, reached, at, spans, hex(version))) AS "rows!: String"
           FROM feed_lines WHERE home = ?1 AND name IN (SELECT value FROM json_each(?2))"#,
        home,
        names
    );
    let rows = from_json::<Vec<Row>>("rows", &rows.fetch_one(connection).await?)?.into_iter();
    rows.map(|Row(name, reached, at, spans, version)| {
        let record = Record::Feed(FeedLine {
            key: parse("name", &name)?,
            reached: u64::try_from(reached).map_err(|error| bad("reached", error))?,
            at: Timestamp::from_micros(at),
            spans: from_json("spans", &spans)?,
        });
        Ok(Stored { record, version: crate::row::version(version) })
    })
    .collect()
}

/// A line as it is packed.
#[derive(Deserialize)]
struct Row(String, i64, i64, String, Uuid);

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(name) AS "names!: String" FROM feed_lines WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    key: &FeedKey,
) -> Result<Option<Uuid>, Fault> {
    let name = key.as_str();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM feed_lines WHERE home = ? AND name = ?"#,
        home,
        name
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put_all(
    connection: &mut SqliteConnection,
    puts: &[Put<'_, FeedLine>],
) -> Result<(), Fault> {
    let mut rows = Vec::with_capacity(puts.len());
    for put in puts {
        let (name, at) = (put.it.key.as_str(), put.it.at.micros());
        let reached = i64::try_from(put.it.reached).map_err(|error| bad("reached", error))?;
        rows.push((put.home, name, reached, at, to_json("spans", &put.it.spans)?, put.version()));
    }
    let rows = to_json("feed_lines", &rows)?;
    query!(
        "INSERT INTO feed_lines (home, name, reached, at, spans, version)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5) FROM jsonb_each(?)
         WHERE true
         ON CONFLICT (home, name) DO UPDATE SET reached = excluded.reached, at = excluded.at, spans = excluded.spans, version = excluded.version",
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, key: &FeedKey) -> Result<(), Fault> {
    let name = key.as_str();
    query!("DELETE FROM feed_lines WHERE home = ? AND name = ?", home, name).execute(connection).await?;
    Ok(())
}
