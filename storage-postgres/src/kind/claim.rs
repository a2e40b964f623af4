//! The claim of a claim's home; the name is the home's.

use roster_core::home::Record;
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::{Claim, ClaimTarget};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::bad;

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    target_kind: String,
    target_id: Uuid,
    since: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let target = match self.target_kind.as_str() {
            "user" => ClaimTarget::User(UserId::from_uuid(self.target_id)),
            "organization" => ClaimTarget::Organization(OrganizationId::from_uuid(self.target_id)),
            other => return Err(bad("target_kind", other)),
        };
        let record = Record::Claim(Claim { target, since: Timestamp::from_micros(self.since) });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT target_kind, target_id, since, version
           FROM claims WHERE home = $1"#,
        home
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Claim>]) -> Result<(), Fault> {
    let targets: Vec<(&str, Uuid)> = puts
        .iter()
        .map(|put| match put.it.target {
            ClaimTarget::User(id) => ("user", id.uuid()),
            ClaimTarget::Organization(id) => ("organization", id.uuid()),
        })
        .collect();
    query!(
        "INSERT INTO claims (home, target_kind, target_id, since, version)
         SELECT home, target_kind, target_id, since, version
         FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[])
             AS given (home, target_kind, target_id, since, version)
         ON CONFLICT (home) DO UPDATE SET target_kind = excluded.target_kind, target_id = excluded.target_id,
             since = excluded.since, version = excluded.version",
        &puts.iter().map(|put| put.home).collect::<Vec<_>>(),
        &targets.iter().map(|(kind, _)| (*kind).to_owned()).collect::<Vec<_>>(),
        &targets.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.since.micros()).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.commit.uuid()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(connection: &mut PgConnection, homes: &[i64]) -> Result<(), Fault> {
    query!("DELETE FROM claims WHERE home = ANY ($1)", homes).execute(connection).await?;
    Ok(())
}
