//! Lines of the deployment's feed.

use roster_core::home::Record;
use roster_core::model::FeedLine;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, from_json, parse, to_json};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    name: String,
    reached: i64,
    at: i64,
    spans: String,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Feed(FeedLine {
            key: parse("name", &self.name)?,
            reached: u64::try_from(self.reached).map_err(|error| bad("reached", error))?,
            at: Timestamp::from_micros(self.at),
            spans: from_json("spans", &self.spans)?,
        });
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
        r#"SELECT name, reached, at, spans, version
           FROM feed_lines WHERE home = $1 AND name = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<String>, Fault> {
    let names = query_scalar!(r#"SELECT name FROM feed_lines WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, FeedLine>]) -> Result<(), Fault> {
    let (mut homes, mut names, mut reached, mut ats) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut spans, mut versions) = (Vec::new(), Vec::new());
    for Put { home, commit, it } in puts {
        homes.push(*home);
        names.push(it.key.to_string());
        reached.push(i64::try_from(it.reached).map_err(|error| bad("reached", error))?);
        ats.push(it.at.micros());
        spans.push(to_json("spans", &it.spans)?);
        versions.push(commit.uuid());
    }
    query!(
        "INSERT INTO feed_lines (home, name, reached, at, spans, version)
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::uuid[])
         ON CONFLICT (home, name) DO UPDATE SET reached = excluded.reached, at = excluded.at, spans = excluded.spans, version = excluded.version",
        &homes, &names, &reached, &ats, &spans, &versions
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
        "DELETE FROM feed_lines kept USING UNNEST($1::bigint[], $2::text[]) AS gone (home, name)
         WHERE kept.home = gone.home AND kept.name = gone.name",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
