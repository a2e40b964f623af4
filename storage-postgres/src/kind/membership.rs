//! The pointers in a user's home.

use roster_core::home::Record;
use roster_core::id::OrganizationId;
use roster_core::model::Membership;
use roster_core::store::Stored;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) organization_id: Uuid,
    pub(crate) version: Uuid,
}

impl Row {
    #[expect(clippy::unnecessary_wraps, reason = "as every other kind of row")]
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
        let organization = OrganizationId::from_uuid(self.organization_id);
        let record = Record::Membership(Membership { organization });
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
        r#"SELECT organization_id, version
           FROM memberships WHERE home = $1 AND organization_id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT organization_id FROM memberships WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(
    connection: &mut PgConnection,
    puts: &[Put<'_, Membership>],
) -> Result<(), Fault> {
    let homes: Vec<i64> = puts.iter().map(|put| put.home).collect();
    let ids: Vec<Uuid> = puts.iter().map(|put| put.it.organization.uuid()).collect();
    let versions: Vec<Uuid> = puts.iter().map(|put| put.commit.uuid()).collect();
    query!(
        "INSERT INTO memberships (home, organization_id, version)
         SELECT home, id, version FROM UNNEST($1::bigint[], $2::uuid[], $3::uuid[]) AS given (home, id, version)
         ON CONFLICT (home, organization_id) DO UPDATE SET version = excluded.version",
        &homes,
        &ids,
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
        "DELETE FROM memberships kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, organization_id)
         WHERE kept.home = gone.home AND kept.organization_id = gone.organization_id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
