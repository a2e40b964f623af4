//! Roles of an organization's own.

use roster_core::home::Record;
use roster_core::id::RoleId;
use roster_core::model::Role;
use roster_core::permission::RoleRef;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_json, parse, parse_some, to_json};

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
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", name, permissions, replaced_by, created_at, version AS "version: Uuid"
           FROM roles WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let it = role((row.id, row.name, row.permissions, row.replaced_by, row.created_at))?;
        Ok(Stored { record: Record::Role(it), version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM roles WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: RoleId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version =
        query_scalar!(r#"SELECT version AS "version: Uuid" FROM roles WHERE home = ? AND id = ?"#, home, id);
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
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
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
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

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, id: RoleId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM roles WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
