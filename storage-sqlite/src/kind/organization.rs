//! The organization of an organization's home.

use roster_core::home::Record;
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::Organization;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, from_json, from_name, parse, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(super) struct Row {
    id: Uuid,
    external_id: Option<String>,
    name: String,
    slug: String,
    status: String,
    owner_id: Uuid,
    purchased: Option<i64>,
    settings: String,
    traits: String,
    posts: String,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Organization(Organization {
            id: OrganizationId::from_uuid(self.id),
            external_id: parse_some("external_id", self.external_id)?,
            name: parse("name", &self.name)?,
            slug: parse("slug", &self.slug)?,
            status: from_name("status", self.status)?,
            owner: UserId::from_uuid(self.owner_id),
            purchased: self
                .purchased
                .map(u32::try_from)
                .transpose()
                .map_err(|error| bad("purchased", error))?,
            settings: from_json("settings", &self.settings)?,
            traits: from_json("traits", &self.traits)?,
            posts: from_json("posts", &self.posts)?,
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id AS "id: Uuid", external_id, name, slug, status, owner_id AS "owner_id: Uuid", purchased, settings, traits, posts,
           created_at, version AS "version: Uuid"
           FROM organizations WHERE home = ?"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn version(connection: &mut SqliteConnection, home: i64) -> Result<Option<Uuid>, Fault> {
    let version =
        query_scalar!(r#"SELECT version AS "version: Uuid" FROM organizations WHERE home = ?"#, home);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Organization,
) -> Result<(), Fault> {
    let (id, owner) = (it.id.uuid(), it.owner.uuid());
    let (external_id, name, slug) =
        (it.external_id.as_ref().map(ToString::to_string), it.name.as_str(), it.slug.as_str());
    let (status, purchased) = (to_name("status", &it.status)?, it.purchased.map(i64::from));
    let (settings, traits) = (to_json("settings", &it.settings)?, to_json("traits", &it.traits)?);
    let (posts, created_at) = (to_json("posts", &it.posts)?, it.created_at.micros());
    query!(
        "INSERT INTO organizations (home, id, external_id, name, slug, status, owner_id, purchased, settings, traits, posts, created_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id, name = excluded.name, slug = excluded.slug, status = excluded.status, owner_id = excluded.owner_id, purchased = excluded.purchased, settings = excluded.settings, traits = excluded.traits, posts = excluded.posts, created_at = excluded.created_at, version = excluded.version",
        home, id, external_id, name, slug, status, owner, purchased, settings, traits, posts, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM organizations WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
