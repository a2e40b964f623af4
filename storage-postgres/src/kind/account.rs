//! Accounts of an organization.

use roster_core::home::Record;
use roster_core::id::AccountId;
use roster_core::model::Account;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
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

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Account>]) -> Result<(), Fault> {
    let (mut homes, mut ids, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut statuses, mut created) = (Vec::new(), Vec::new(), Vec::new());
    let (mut traits, mut posts) = (Vec::new(), Vec::new());
    let mut externals: Vec<Option<String>> = Vec::new();
    for Put { home, commit, it } in puts {
        homes.push(*home);
        ids.push(it.id.uuid());
        externals.push(it.external_id.as_ref().map(ToString::to_string));
        names.push(it.name.to_string());
        statuses.push(to_name("status", &it.status)?);
        traits.push(to_json("traits", &it.traits)?);
        posts.push(to_json("posts", &it.posts)?);
        created.push(it.created_at.micros());
        versions.push(commit.uuid());
    }
    query!(
        "INSERT INTO accounts (home, id, external_id, name, status, traits, posts, created_at, version)
         SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::bigint[], $9::uuid[])
         ON CONFLICT (home, id) DO UPDATE SET external_id = excluded.external_id, name = excluded.name,
             status = excluded.status, traits = excluded.traits, posts = excluded.posts,
             created_at = excluded.created_at, version = excluded.version",
        &homes,
        &ids,
        &externals as &[Option<String>],
        &names,
        &statuses,
        &traits,
        &posts,
        &created,
        &versions
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
        "DELETE FROM accounts kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
