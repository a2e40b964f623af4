//! Entries of one part of a directory, with the words that find them.

use roster_core::home::Record;
use roster_core::model::{DirectoryEntry, DirectoryId, DirectoryKind};
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

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

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &DirectoryEntry,
) -> Result<(), Fault> {
    let (kind, id) = (it.id.kind().to_string(), it.id.uuid());
    let search = to_json("search", &it.search)?;
    let words: Vec<Vec<u8>> = it.search.iter().map(|word| word.clone().into_bytes()).collect();
    query!(
        "WITH entry AS (
             INSERT INTO directory_entries (home, id, kind, search, active, version)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (home, id) DO UPDATE SET kind = excluded.kind, search = excluded.search,
                 active = excluded.active, version = excluded.version
         ), forgotten AS (
             DELETE FROM directory_words WHERE home = $1 AND id = $2 AND word <> ALL ($7)
         )
         INSERT INTO directory_words (home, kind, id, word) SELECT $1, $3, $2, word FROM UNNEST($7::bytea[]) AS word
         ON CONFLICT DO NOTHING",
        home,
        id,
        kind,
        search,
        it.active,
        version,
        &words
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: DirectoryId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM directory_entries WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
