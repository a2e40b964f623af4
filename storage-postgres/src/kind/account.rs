//! Accounts of an organization.

use roster_core::home::Record;
use roster_core::id::AccountId;
use roster_core::model::Account;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_json, from_name, parse, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) traits: String,
    pub(crate) posts: String,
    pub(crate) created_at: i64,
    pub(crate) version: Uuid,
}

impl Row {
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Account(Account {
            id: AccountId::from_uuid(self.id),
            external_id: parse_some("external_id", self.external_id)?,
            name: parse("name", &self.name)?,
            status: from_name("status", self.status)?,
            traits: from_json("traits", &self.traits)?,
            posts: from_json("posts", &self.posts)?,
            created_at: Timestamp::from_micros(self.created_at),
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
        r#"SELECT id, external_id, name, status, traits, posts, created_at, version
           FROM accounts WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM accounts WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Account,
) -> Result<(), Fault> {
    let (id, created_at) = (it.id.uuid(), it.created_at.micros());
    let (external_id, name) = (it.external_id.as_ref().map(ToString::to_string), it.name.as_str());
    let (status, traits) = (to_name("status", &it.status)?, to_json("traits", &it.traits)?);
    let posts = to_json("posts", &it.posts)?;
    query!(
        "INSERT INTO accounts (home, id, external_id, name, status, traits, posts, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (home, id) DO UPDATE SET external_id = excluded.external_id, name = excluded.name, status = excluded.status, traits = excluded.traits, posts = excluded.posts, created_at = excluded.created_at, version = excluded.version",
        home, id, external_id, name, status, traits, posts, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: AccountId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM accounts WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
