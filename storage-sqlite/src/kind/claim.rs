//! The claim of a claim's home; the name is the home's.

use roster_core::home::Record;
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::{Claim, ClaimTarget};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, to_json};

pub(super) async fn load(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT target_kind, target_id AS "target_id: Uuid", since, version AS "version: Uuid"
           FROM claims WHERE home = ?"#,
        home
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let target = match row.target_kind.as_str() {
            "user" => ClaimTarget::User(UserId::from_uuid(row.target_id)),
            "organization" => ClaimTarget::Organization(OrganizationId::from_uuid(row.target_id)),
            other => return Err(bad("target_kind", other)),
        };
        let record = Record::Claim(Claim { target, since: Timestamp::from_micros(row.since) });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn version(connection: &mut SqliteConnection, home: i64) -> Result<Option<Uuid>, Fault> {
    let version = query_scalar!(r#"SELECT version AS "version: Uuid" FROM claims WHERE home = ?"#, home);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put_all(connection: &mut SqliteConnection, puts: &[Put<'_, Claim>]) -> Result<(), Fault> {
    let row = |put: &Put<'_, Claim>| {
        let (kind, id) = match put.it.target {
            ClaimTarget::User(id) => ("user", id.uuid()),
            ClaimTarget::Organization(id) => ("organization", id.uuid()),
        };
        (put.home, kind, id.simple().to_string(), put.it.since.micros(), put.version())
    };
    let rows = to_json("claims", &puts.iter().map(row).collect::<Vec<_>>())?;
    query!(
        "INSERT INTO claims (home, target_kind, target_id, since, version)
         SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, unhex(value ->> 4) FROM jsonb_each(?)
         WHERE true
         ON CONFLICT (home) DO UPDATE SET target_kind = excluded.target_kind, target_id = excluded.target_id, since = excluded.since, version = excluded.version",
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM claims WHERE home = ?", home).execute(connection).await?;
    Ok(())
}
