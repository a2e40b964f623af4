//! Transfers of ownership.

use roster_core::home::Record;
use roster_core::id::{TransferId, UserId};
use roster_core::model::Transfer;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_name, instant, micros, parse, to_name};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    from_user_id: Uuid,
    to_user_id: Uuid,
    previous_owner_role: String,
    state: String,
    expires_at: Option<i64>,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Transfer(Transfer {
            id: TransferId::from_uuid(self.id),
            from: UserId::from_uuid(self.from_user_id),
            to: UserId::from_uuid(self.to_user_id),
            previous_owner_role: parse("previous_owner_role", &self.previous_owner_role)?,
            state: from_name("state", self.state)?,
            expires_at: instant(self.expires_at),
            created_at: Timestamp::from_micros(self.created_at),
        });
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
        r#"SELECT id, from_user_id, to_user_id,
           previous_owner_role, state, expires_at, created_at, version
           FROM transfers WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
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
    let (expires_at, created_at) = (micros(it.expires_at), it.created_at.micros());
    query!(
        "INSERT INTO transfers (home, id, from_user_id, to_user_id, previous_owner_role, state, expires_at, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (home, id) DO UPDATE SET from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id, previous_owner_role = excluded.previous_owner_role, state = excluded.state, expires_at = excluded.expires_at, created_at = excluded.created_at, version = excluded.version",
        home, id, from, to, role, state, expires_at, created_at, version
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
        "DELETE FROM transfers kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
