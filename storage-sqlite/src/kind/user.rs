//! The user of a user's home.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::model::User;
use roster_core::store::Stored;
use roster_core::text::{ExternalId, Name};
use roster_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
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

/// A row as it is sent.
#[derive(Serialize)]
struct Sent<'a> {
    home: i64,
    id: String,
    external_id: Option<&'a str>,
    email: Option<String>,
    name: Option<&'a str>,
    status: String,
    traits: String,
    created_at: i64,
    version: String,
    suspended_at: Option<i64>,
    cuts: u32,
    cut_at: Option<i64>,
}

impl<'a> Sent<'a> {
    fn new(put: &Put<'a, User>) -> Result<Self, Fault> {
        let it = put.it;
        Ok(Self {
            home: put.home,
            id: it.id.uuid().simple().to_string(),
            external_id: it.external_id.as_ref().map(ExternalId::as_str),
            email: it.email.as_ref().map(ToString::to_string),
            name: it.name.as_ref().map(Name::as_str),
            status: to_name("status", &it.status)?,
            traits: to_json("traits", &it.traits)?,
            created_at: it.created_at.micros(),
            version: put.version(),
            suspended_at: micros(it.suspended_at),
            cuts: it.cuts,
            cut_at: micros(it.cut_at),
        })
    }
}

pub(super) async fn put_all(connection: &mut SqliteConnection, puts: &[Put<'_, User>]) -> Result<(), Fault> {
    let rows: Vec<Sent<'_>> = puts.iter().map(Sent::new).collect::<Result<_, _>>()?;
    let rows = to_json("users", &rows)?;
    query!(
        "INSERT INTO users (home, id, external_id, email, name, status, traits, created_at, version, suspended_at, cuts, cut_at)
         SELECT value ->> 'home', unhex(value ->> 'id'), value ->> 'external_id', value ->> 'email', value ->> 'name',
             value ->> 'status', value ->> 'traits', value ->> 'created_at', unhex(value ->> 'version'),
             value ->> 'suspended_at', value ->> 'cuts', value ->> 'cut_at' FROM jsonb_each(?) WHERE true
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id, email = excluded.email, name = excluded.name, status = excluded.status, traits = excluded.traits, created_at = excluded.created_at, version = excluded.version, suspended_at = excluded.suspended_at, cuts = excluded.cuts, cut_at = excluded.cut_at",
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM users WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
