//! Transfers of ownership.

use roster_core::home::Record;
use roster_core::id::{TransferId, UserId};
use roster_core::model::Transfer;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_name, parse, to_name};

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id, from_user_id, to_user_id,
           previous_owner_role, state, created_at, version
           FROM transfers WHERE home = $1 AND id = ANY($2)"#,
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
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM transfers WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Transfer,
) -> Result<(), Fault> {
    let (id, from, to) = (it.id.uuid(), it.from.uuid(), it.to.uuid());
    let (role, state) = (it.previous_owner_role.to_string(), to_name("state", &it.state)?);
    let created_at = it.created_at.micros();
    query!(
        "INSERT INTO transfers (home, id, from_user_id, to_user_id, previous_owner_role, state, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (home, id) DO UPDATE SET from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id, previous_owner_role = excluded.previous_owner_role, state = excluded.state, created_at = excluded.created_at, version = excluded.version",
        home, id, from, to, role, state, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: TransferId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM transfers WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
