//! The organization of an organization's home.

use roster_core::home::Record;
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::Organization;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, from_json, from_name, parse, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) status: String,
    pub(crate) owner_id: Uuid,
    pub(crate) purchased: Option<i64>,
    pub(crate) settings: String,
    pub(crate) traits: String,
    pub(crate) posts: String,
    pub(crate) created_at: i64,
    pub(crate) version: Uuid,
}

impl Row {
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
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

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, external_id, name, slug, status, owner_id, purchased, settings, traits, posts,
           created_at, version
           FROM organizations WHERE home = $1"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn put(
    connection: &mut PgConnection,
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
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id, name = excluded.name, slug = excluded.slug, status = excluded.status, owner_id = excluded.owner_id, purchased = excluded.purchased, settings = excluded.settings, traits = excluded.traits, posts = excluded.posts, created_at = excluded.created_at, version = excluded.version",
        home, id, external_id, name, slug, status, owner, purchased, settings, traits, posts, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(connection: &mut PgConnection, homes: &[i64]) -> Result<(), Fault> {
    query!("DELETE FROM organizations WHERE home = ANY ($1)", homes).execute(connection).await?;
    Ok(())
}
