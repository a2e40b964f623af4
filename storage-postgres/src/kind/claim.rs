//! The claim of a claim's home; the name is the home's.

use roster_core::home::Record;
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::{Claim, ClaimTarget};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT target_kind, target_id, since, version
           FROM claims WHERE home = $1"#,
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

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Claim,
) -> Result<(), Fault> {
    let (kind, id) = match it.target {
        ClaimTarget::User(id) => ("user", id.uuid()),
        ClaimTarget::Organization(id) => ("organization", id.uuid()),
    };
    let since = it.since.micros();
    query!(
        "INSERT INTO claims (home, target_kind, target_id, since, version)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (home) DO UPDATE SET target_kind = excluded.target_kind, target_id = excluded.target_id, since = excluded.since, version = excluded.version",
        home, kind, id, since, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM claims WHERE home = $1", home).execute(connection).await?;
    Ok(())
}
