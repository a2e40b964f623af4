//! The last password reset of a user.

use roster_core::home::Record;
use roster_core::id::PasswordResetId;
use roster_core::model::PasswordReset;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{instant, micros};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    version: Uuid,
}

impl Row {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "every kind's row may be one that core could not have written"
    )]
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::PasswordReset(PasswordReset {
            id: PasswordResetId::from_uuid(self.id),
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: Timestamp::from_micros(self.expires_at),
            used_at: instant(self.used_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, created_at, expires_at, used_at, version
           FROM password_resets WHERE home = $1"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &PasswordReset,
) -> Result<(), Fault> {
    let (id, created_at, expires_at) = (it.id.uuid(), it.created_at.micros(), it.expires_at.micros());
    let used_at = micros(it.used_at);
    query!(
        "INSERT INTO password_resets (home, id, created_at, expires_at, used_at, version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = excluded.used_at, version = excluded.version",
        home, id, created_at, expires_at, used_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(connection: &mut PgConnection, homes: &[i64]) -> Result<(), Fault> {
    query!("DELETE FROM password_resets WHERE home = ANY ($1)", homes).execute(connection).await?;
    Ok(())
}
