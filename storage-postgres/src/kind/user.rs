//! The user of a user's home.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::model::User;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{count, from_json, from_name, instant, micros, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) suspended_at: Option<i64>,
    pub(crate) traits: String,
    pub(crate) cuts: i64,
    pub(crate) cut_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) version: Uuid,
}

impl Row {
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::User(User {
            id: UserId::from_uuid(self.id),
            external_id: parse_some("external_id", self.external_id)?,
            email: parse_some("email", self.email)?,
            name: parse_some("name", self.name)?,
            status: from_name("status", self.status)?,
            suspended_at: instant(self.suspended_at),
            traits: from_json("traits", &self.traits)?,
            cuts: count("cuts", self.cuts)?,
            cut_at: instant(self.cut_at),
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, external_id, email, name, status, suspended_at, traits, cuts, cut_at, created_at, version
           FROM users WHERE home = $1"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, User>]) -> Result<(), Fault> {
    let texts = |of: fn(&User) -> Option<String>| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let homes: Vec<i64> = puts.iter().map(|put| put.home).collect();
    let ids: Vec<Uuid> = puts.iter().map(|put| put.it.id.uuid()).collect();
    let external_ids = texts(|it| it.external_id.as_ref().map(ToString::to_string));
    let emails = texts(|it| it.email.as_ref().map(ToString::to_string));
    let names = texts(|it| it.name.as_ref().map(ToString::to_string));
    let statuses = puts.iter().map(|put| to_name("status", &put.it.status));
    let traits = puts.iter().map(|put| to_json("traits", &put.it.traits));
    let cut: Vec<Option<i64>> = puts.iter().map(|put| micros(put.it.cut_at)).collect();
    let cuts: Vec<i64> = puts.iter().map(|put| i64::from(put.it.cuts)).collect();
    let made: Vec<i64> = puts.iter().map(|put| put.it.created_at.micros()).collect();
    let suspended: Vec<Option<i64>> = puts.iter().map(|put| micros(put.it.suspended_at)).collect();
    let versions: Vec<Uuid> = puts.iter().map(|put| put.commit.uuid()).collect();
    query!(
        "INSERT INTO users (home, id, external_id, email, name, status, traits, created_at, version, suspended_at, cuts, cut_at)
         SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
             $8::bigint[], $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[])
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id,
             email = excluded.email, name = excluded.name, status = excluded.status, traits = excluded.traits,
             created_at = excluded.created_at, version = excluded.version, suspended_at = excluded.suspended_at, cuts = excluded.cuts, cut_at = excluded.cut_at",
        &homes,
        &ids,
        &external_ids as &[Option<String>],
        &emails as &[Option<String>],
        &names as &[Option<String>],
        &statuses.collect::<Result<Vec<_>, _>>()?,
        &traits.collect::<Result<Vec<_>, _>>()?,
        &made,
        &versions,
        &suspended as &[Option<i64>],
        &cuts,
        &cut as &[Option<i64>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(connection: &mut PgConnection, homes: &[i64]) -> Result<(), Fault> {
    query!("DELETE FROM users WHERE home = ANY ($1)", homes).execute(connection).await?;
    Ok(())
}
