//! The pointers in a user's home.

use roster_core::home::Record;
use roster_core::id::OrganizationId;
use roster_core::model::Membership;
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::to_json;

/// One row.
#[derive(Deserialize)]
pub(super) struct Row {
    organization_id: Uuid,
    version: Uuid,
}

impl Row {
    #[expect(clippy::unnecessary_wraps, reason = "the rows of every kind are turned into records alike")]
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let organization = OrganizationId::from_uuid(self.organization_id);
        let record = Record::Membership(Membership { organization });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT organization_id AS "organization_id: Uuid", version AS "version: Uuid"
           FROM memberships WHERE home = ?1 AND organization_id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(organization_id)) AS "names!: String" FROM memberships WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: OrganizationId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM memberships WHERE home = ? AND organization_id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put_all(
    connection: &mut SqliteConnection,
    puts: &[Put<'_, Membership>],
) -> Result<(), Fault> {
    let row = |put: &Put<'_, Membership>| {
        (put.home, put.it.organization.uuid().simple().to_string(), put.version())
    };
    let rows = to_json("memberships", &puts.iter().map(row).collect::<Vec<_>>())?;
    query!(
        "INSERT INTO memberships (home, organization_id, version)
         SELECT value ->> 0, unhex(value ->> 1), unhex(value ->> 2) FROM jsonb_each(?) WHERE true
         ON CONFLICT (home, organization_id) DO UPDATE SET version = excluded.version",
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: OrganizationId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM memberships WHERE home = ? AND organization_id = ?", home, id)
        .execute(connection)
        .await?;
    Ok(())
}
