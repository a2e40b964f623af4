//! What a user signs in by.

use roster_core::home::Record;
use roster_core::id::InvitationId;
use roster_core::model::Credential;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

pub(super) async fn load(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT password_hash, generation, set_by AS "set_by: Uuid", changed_at, version AS "version: Uuid"
           FROM credentials WHERE home = ?"#,
        home
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Credential(Credential {
            password_hash: row.password_hash,
            generation: row.generation.try_into().map_err(|error| bad("generation", error))?,
            set_by: row.set_by.map(InvitationId::from_uuid),
            changed_at: Timestamp::from_micros(row.changed_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn version(connection: &mut SqliteConnection, home: i64) -> Result<Option<Uuid>, Fault> {
    let version = query_scalar!(r#"SELECT version AS "version: Uuid" FROM credentials WHERE home = ?"#, home);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Credential,
) -> Result<(), Fault> {
    let (hash, changed_at) = (it.password_hash.as_str(), it.changed_at.micros());
    let generation: i64 = it.generation.try_into().map_err(|error| bad("generation", error))?;
    let set_by = it.set_by.map(InvitationId::uuid);
    query!(
        "INSERT INTO credentials (home, password_hash, generation, set_by, changed_at, version)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (home) DO UPDATE SET password_hash = excluded.password_hash, generation = excluded.generation, set_by = excluded.set_by, changed_at = excluded.changed_at, version = excluded.version",
        home, hash, generation, set_by, changed_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM credentials WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
