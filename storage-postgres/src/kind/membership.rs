//! The pointers in a user's home.

use roster_core::home::Record;
use roster_core::id::OrganizationId;
use roster_core::model::Membership;
use roster_core::store::Stored;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT organization_id, version
           FROM memberships WHERE home = $1 AND organization_id = ANY($2)"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let organization = OrganizationId::from_uuid(row.organization_id);
        let record = Record::Membership(Membership { organization });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT organization_id FROM memberships WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: Membership,
) -> Result<(), Fault> {
    let id = it.organization.uuid();
    query!(
        "INSERT INTO memberships (home, organization_id, version)
         VALUES ($1, $2, $3)
         ON CONFLICT (home, organization_id) DO UPDATE SET version = excluded.version",
        home,
        id,
        version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut PgConnection,
    home: i64,
    id: OrganizationId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM memberships WHERE home = $1 AND organization_id = $2", home, id)
        .execute(connection)
        .await?;
    Ok(())
}
