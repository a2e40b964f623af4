//! The user of a user's home.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::model::User;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_json, from_name, instant, micros, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(super) struct Row {
    id: Uuid,
    external_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    status: String,
    suspended_at: Option<i64>,
    cuts: u32,
    cut_at: Option<i64>,
    traits: String,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::User(User {
            id: UserId::from_uuid(self.id),
            external_id: parse_some("external_id", self.external_id)?,
            email: parse_some("email", self.email)?,
            name: parse_some("name", self.name)?,
            status: from_name("status", self.status)?,
            suspended_at: instant(self.suspended_at),
            traits: from_json("traits", &self.traits)?,
            cuts: self.cuts,
            cut_at: instant(self.cut_at),
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id AS "id: Uuid", external_id, email, name, status, suspended_at, traits, cuts AS "cuts: u32", cut_at, created_at, version AS "version: Uuid"
           FROM users WHERE home = ?"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn version(connection: &mut SqliteConnection, home: i64) -> Result<Option<Uuid>, Fault> {
    let version = query_scalar!(r#"SELECT version AS "version: Uuid" FROM users WHERE home = ?"#, home);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &User,
) -> Result<(), Fault> {
    let (id, created_at, suspended_at) = (it.id.uuid(), it.created_at.micros(), micros(it.suspended_at));
    let external_id = it.external_id.as_ref().map(ToString::to_string);
    let email = it.email.as_ref().map(ToString::to_string);
    let name = it.name.as_ref().map(ToString::to_string);
    let (status, traits) = (to_name("status", &it.status)?, to_json("traits", &it.traits)?);
    let cut_at = micros(it.cut_at);
    query!(
        "INSERT INTO users (home, id, external_id, email, name, status, traits, created_at, version, suspended_at, cuts, cut_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id, email = excluded.email, name = excluded.name, status = excluded.status, traits = excluded.traits, created_at = excluded.created_at, version = excluded.version, suspended_at = excluded.suspended_at, cuts = excluded.cuts, cut_at = excluded.cut_at",
        home, id, external_id, email, name, status, traits, created_at, version, suspended_at, it.cuts, cut_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM users WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
