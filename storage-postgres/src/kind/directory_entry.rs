//! Entries of one part of a directory, with the words that find them.

use roster_core::home::Record;
use roster_core::model::{DirectoryEntry, DirectoryId, DirectoryKind};
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, from_json, to_json};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    kind: String,
    id: Uuid,
    search: String,
    active: bool,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let kind: DirectoryKind = self.kind.parse().map_err(|()| bad("kind", &self.kind))?;
        let record = Record::DirectoryEntry(DirectoryEntry {
            id: DirectoryId::from_uuid(kind, self.id),
            search: from_json("search", &self.search)?,
            active: self.active,
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
        r#"SELECT kind, id, search, active, version
           FROM directory_entries WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

/// The same from all homes of a directory: an id is in one of them only.
pub(super) async fn load_across(
    connection: &mut PgConnection,
    kind: DirectoryKind,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let kind = kind.to_string();
    let rows = query_as!(
        Row,
        r#"SELECT kind, id, search, active, version
           FROM directory_entries WHERE kind = $1 AND id = ANY($2)"#,
        kind,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM directory_entries WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(
    connection: &mut PgConnection,
    puts: &[Put<'_, DirectoryEntry>],
) -> Result<(), Fault> {
    let searches = puts.iter().map(|put| to_json("search", &put.it.search)).collect::<Result<Vec<_>, _>>()?;
    let (mut places, mut words) = (Vec::new(), Vec::new());
    for (place, put) in (1_i64..).zip(puts) {
        for word in &put.it.search {
            places.push(place);
            words.push(word.clone().into_bytes());
        }
    }
    query!(
        "WITH given AS MATERIALIZED (
             SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::uuid[])
                 WITH ORDINALITY AS given (home, id, kind, search, active, version, place)
         ), known AS MATERIALIZED (
             SELECT DISTINCT g.home, g.kind, g.id, w.word
             FROM UNNEST($7::bigint[], $8::bytea[]) AS w (place, word) JOIN given g ON g.place = w.place
         ), entry AS (
             INSERT INTO directory_entries (home, id, kind, search, active, version)
             SELECT home, id, kind, search, active, version FROM given
             ON CONFLICT (home, id) DO UPDATE SET kind = excluded.kind, search = excluded.search,
                 active = excluded.active, version = excluded.version
         ), forgotten AS (
             DELETE FROM directory_words o USING given g WHERE o.home = g.home AND o.id = g.id
                 AND NOT EXISTS (SELECT 1 FROM known k WHERE k.home = o.home AND k.id = o.id AND k.word = o.word)
         )
         INSERT INTO directory_words (home, kind, id, word) SELECT home, kind, id, word FROM known
         ON CONFLICT DO NOTHING",
        &puts.iter().map(|put| put.home).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.id.uuid()).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.id.kind().to_string()).collect::<Vec<_>>(),
        &searches,
        &puts.iter().map(|put| put.it.active).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.commit.uuid()).collect::<Vec<_>>(),
        &places,
        &words
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
        "WITH gone AS MATERIALIZED (
             SELECT * FROM UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         ), forgotten AS (
             DELETE FROM directory_words o USING gone WHERE o.home = gone.home AND o.id = gone.id
         )
         DELETE FROM directory_entries kept USING gone WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
