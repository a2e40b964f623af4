//! Records that no query looks into, by name.

use roster_core::home::{Key, Record};
use roster_core::store::Stored;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT content, version AS "version: Uuid"
           FROM documents WHERE home = ?1 AND name IN (SELECT value FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record: Record = rmp_serde::from_slice(&row.content).map_err(|error| bad("content", error))?;
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(name) AS "names!: String" FROM documents WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    key: &Key,
) -> Result<Option<Uuid>, Fault> {
    let name = key.document();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM documents WHERE home = ? AND name = ?"#,
        home,
        name
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    record: &Record,
) -> Result<(), Fault> {
    let name = record.key().document();
    let content = rmp_serde::to_vec_named(record).map_err(|error| bad("content", error))?;
    query!(
        "INSERT INTO documents (home, name, content, version) VALUES (?, ?, ?, ?)
         ON CONFLICT (home, name) DO UPDATE SET content = excluded.content, version = excluded.version",
        home,
        name,
        content,
        version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, key: &Key) -> Result<(), Fault> {
    let name = key.document();
    query!("DELETE FROM documents WHERE home = ? AND name = ?", home, name).execute(connection).await?;
    Ok(())
}
