//! Roles of an organization's own.

use roster_core::home::Record;
use roster_core::id::RoleId;
use roster_core::model::Role;
use roster_core::permission::RoleRef;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_json, parse, parse_some, to_json};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    name: String,
    permissions: String,
    replaced_by: Option<String>,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let Self { id, name, permissions, replaced_by, created_at, version } = self;
        let record = Record::Role(role((id, name, permissions, replaced_by, created_at))?);
        Ok(Stored { record, version: crate::row::version(version) })
    }
}

/// The columns of a role.
pub(crate) type Columns = (Uuid, String, String, Option<String>, i64);

/// A role from its columns.
pub(crate) fn role((id, name, permissions, replaced_by, created_at): Columns) -> Result<Role, Fault> {
    Ok(Role {
        id: RoleId::from_uuid(id),
        name: parse("name", &name)?,
        permissions: from_json("permissions", &permissions)?,
        replaced_by: parse_some("replaced_by", replaced_by)?,
        created_at: Timestamp::from_micros(created_at),
    })
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, name, permissions, replaced_by, created_at, version
           FROM roles WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM roles WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Role,
) -> Result<(), Fault> {
    let (id, named, name) = (it.id.uuid(), RoleRef::Custom(it.id).to_string(), it.name.as_str());
    let permissions = to_json("permissions", &it.permissions)?;
    let replaced_by = it.replaced_by.map(|role| role.to_string());
    let created_at = it.created_at.micros();
    query!(
        "INSERT INTO roles (home, id, ref, name, permissions, replaced_by, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, permissions = excluded.permissions,
             replaced_by = excluded.replaced_by, created_at = excluded.created_at, version = excluded.version",
        home,
        id,
        named,
        name,
        permissions,
        replaced_by,
        created_at,
        version
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
        "DELETE FROM roles kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
