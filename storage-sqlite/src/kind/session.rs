//! Sessions of a user.

use roster_core::home::Record;
use roster_core::id::SessionId;
use roster_core::model::Session;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, exact};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", secret_hash, generation, created_at, last_used_at, expires_at,
           version AS "version: Uuid"
           FROM sessions WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Session(Session {
            id: SessionId::from_uuid(row.id),
            secret_hash: exact("secret_hash", row.secret_hash)?,
            generation: row.generation.try_into().map_err(|error| bad("generation", error))?,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: Timestamp::from_micros(row.last_used_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM sessions WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: SessionId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM sessions WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Session,
) -> Result<(), Fault> {
    let (id, secret_hash) = (it.id.uuid(), it.secret_hash.as_slice());
    let generation: i64 = it.generation.try_into().map_err(|error| bad("generation", error))?;
    let (created_at, last_used_at) = (it.created_at.micros(), it.last_used_at.micros());
    let expires_at = it.expires_at.micros();
    query!(
        "INSERT INTO sessions (home, id, secret_hash, generation, created_at, last_used_at, expires_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, id) DO UPDATE SET secret_hash = excluded.secret_hash, generation = excluded.generation, created_at = excluded.created_at, last_used_at = excluded.last_used_at, expires_at = excluded.expires_at, version = excluded.version",
        home, id, secret_hash, generation, created_at, last_used_at, expires_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, id: SessionId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM sessions WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
