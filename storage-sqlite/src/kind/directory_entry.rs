//! Entries of one part of a directory, with the words that find them.

use roster_core::home::Record;
use roster_core::log::hex;
use roster_core::model::{DirectoryEntry, DirectoryId, DirectoryKind};
use roster_core::store::Stored;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, from_json, to_json};

/// One row.
struct Entry {
    kind: String,
    id: Uuid,
    search: String,
    active: bool,
    version: Uuid,
}

impl Entry {
    fn stored(self) -> Result<Stored, Fault> {
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
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Entry,
        r#"SELECT kind, id AS "id: Uuid", search, active AS "active: bool", version AS "version: Uuid"
           FROM directory_entries WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Entry::stored).collect()
}

/// The same from all homes of a directory: an id is in one of them only.
pub(super) async fn load_across(
    connection: &mut SqliteConnection,
    kind: DirectoryKind,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let kind = kind.to_string();
    let rows = query_as!(
        Entry,
        r#"SELECT kind, id AS "id: Uuid", search, active AS "active: bool", version AS "version: Uuid"
           FROM directory_entries WHERE kind = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        kind,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Entry::stored).collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM directory_entries WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: DirectoryId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM directory_entries WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put_all(
    connection: &mut SqliteConnection,
    puts: &[Put<'_, DirectoryEntry>],
) -> Result<(), Fault> {
    let mut rows = Vec::with_capacity(puts.len());
    for put in puts {
        let (kind, id) = (put.it.id.kind().to_string(), put.it.id.uuid().simple().to_string());
        let words: Vec<String> = put.it.search.iter().map(|word| hex(word.as_bytes())).collect();
        let search = to_json("search", &put.it.search)?;
        rows.push((put.home, id, kind, search, i64::from(put.it.active), put.version(), words));
    }
    let rows = to_json("directory_entries", &rows)?;
    query!(
        "INSERT INTO directory_entries (home, id, kind, search, active, version)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5)
         FROM jsonb_each(?) WHERE true
         ON CONFLICT (home, id) DO UPDATE SET kind = excluded.kind, search = excluded.search, active = excluded.active, version = excluded.version;
         DELETE FROM directory_words
         WHERE (home, id) IN (SELECT value ->> 0, unhex(value ->> 1) FROM jsonb_each(?));
         INSERT OR IGNORE INTO directory_words (home, kind, id, word)
         SELECT e.value ->> 0, e.value ->> 2, unhex(e.value ->> 1), unhex(w.value)
         FROM jsonb_each(?) e CROSS JOIN jsonb_each(e.value, '$[6]') w",
        rows,
        rows,
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: DirectoryId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM directory_entries WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
