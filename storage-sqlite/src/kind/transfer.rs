//! Transfers of ownership.

use roster_core::home::Record;
use roster_core::id::{TransferId, UserId};
use roster_core::model::Transfer;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_name, instant, micros, parse, to_name};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", from_user_id AS "from_user_id: Uuid", to_user_id AS "to_user_id: Uuid",
           previous_owner_role, state, expires_at, created_at, version AS "version: Uuid"
           FROM transfers WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Transfer(Transfer {
            id: TransferId::from_uuid(row.id),
            from: UserId::from_uuid(row.from_user_id),
            to: UserId::from_uuid(row.to_user_id),
            previous_owner_role: parse("previous_owner_role", &row.previous_owner_role)?,
            state: from_name("state", row.state)?,
            expires_at: instant(row.expires_at),
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM transfers WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: TransferId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM transfers WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Transfer,
) -> Result<(), Fault> {
    let (id, from, to) = (it.id.uuid(), it.from.uuid(), it.to.uuid());
    let (role, state) = (it.previous_owner_role.to_string(), to_name("state", &it.state)?);
    let (expires_at, created_at) = (micros(it.expires_at), it.created_at.micros());
    query!(
        "INSERT INTO transfers (home, id, from_user_id, to_user_id, previous_owner_role, state, expires_at, created_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, id) DO UPDATE SET from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id, previous_owner_role = excluded.previous_owner_role, state = excluded.state, expires_at = excluded.expires_at, created_at = excluded.created_at, version = excluded.version",
        home, id, from, to, role, state, expires_at, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: TransferId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM transfers WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
