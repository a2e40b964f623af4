//! The last password reset of a user.

use roster_core::home::Record;
use roster_core::id::PasswordResetId;
use roster_core::model::PasswordReset;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{instant, micros};

pub(super) async fn load(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", created_at, expires_at, used_at, version AS "version: Uuid"
           FROM password_resets WHERE home = ?"#,
        home
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::PasswordReset(PasswordReset {
            id: PasswordResetId::from_uuid(row.id),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            used_at: instant(row.used_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn version(connection: &mut SqliteConnection, home: i64) -> Result<Option<Uuid>, Fault> {
    let version =
        query_scalar!(r#"SELECT version AS "version: Uuid" FROM password_resets WHERE home = ?"#, home);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &PasswordReset,
) -> Result<(), Fault> {
    let (id, created_at, expires_at) = (it.id.uuid(), it.created_at.micros(), it.expires_at.micros());
    let used_at = micros(it.used_at);
    query!(
        "INSERT INTO password_resets (home, id, created_at, expires_at, used_at, version)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = excluded.used_at, version = excluded.version",
        home, id, created_at, expires_at, used_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM password_resets WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
