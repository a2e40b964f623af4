//! Sessions of a user.

use roster_core::home::Record;
use roster_core::id::SessionId;
use roster_core::model::Session;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, exact, from_hex};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    #[serde(deserialize_with = "from_hex")]
    secret_hash: Vec<u8>,
    generation: i64,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Session(Session {
            id: SessionId::from_uuid(self.id),
            secret_hash: exact("secret_hash", self.secret_hash)?,
            generation: self.generation.try_into().map_err(|error| bad("generation", error))?,
            created_at: Timestamp::from_micros(self.created_at),
            last_used_at: Timestamp::from_micros(self.last_used_at),
            expires_at: Timestamp::from_micros(self.expires_at),
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
        r#"SELECT id, secret_hash, generation, created_at, last_used_at, expires_at, version
           FROM sessions WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM sessions WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
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
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (home, id) DO UPDATE SET secret_hash = excluded.secret_hash, generation = excluded.generation, created_at = excluded.created_at, last_used_at = excluded.last_used_at, expires_at = excluded.expires_at, version = excluded.version",
        home, id, secret_hash, generation, created_at, last_used_at, expires_at, version
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
        "DELETE FROM sessions kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
