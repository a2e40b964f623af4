//! What a user signs in by.

use roster_core::home::Record;
use roster_core::id::InvitationId;
use roster_core::model::Credential;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    password_hash: String,
    generation: i64,
    set_by: Option<Uuid>,
    changed_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Credential(Credential {
            password_hash: self.password_hash,
            generation: self.generation.try_into().map_err(|error| bad("generation", error))?,
            set_by: self.set_by.map(InvitationId::from_uuid),
            changed_at: Timestamp::from_micros(self.changed_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT password_hash, generation, set_by, changed_at, version
           FROM credentials WHERE home = $1"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Credential,
) -> Result<(), Fault> {
    let (hash, changed_at) = (it.password_hash.as_str(), it.changed_at.micros());
    let generation: i64 = it.generation.try_into().map_err(|error| bad("generation", error))?;
    let set_by = it.set_by.map(InvitationId::uuid);
    query!(
        "INSERT INTO credentials (home, password_hash, generation, set_by, changed_at, version)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (home) DO UPDATE SET password_hash = excluded.password_hash, generation = excluded.generation, set_by = excluded.set_by, changed_at = excluded.changed_at, version = excluded.version",
        home, hash, generation, set_by, changed_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(connection: &mut PgConnection, homes: &[i64]) -> Result<(), Fault> {
    query!("DELETE FROM credentials WHERE home = ANY ($1)", homes).execute(connection).await?;
    Ok(())
}
