//! The user of a user's home.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::model::User;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{from_json, from_name, parse_some, to_json, to_name};

pub(super) async fn load(connection: &mut PgConnection, home: i64) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id, external_id, email, name, status, traits, created_at, version
           FROM users WHERE home = $1"#,
        home
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::User(User {
            id: UserId::from_uuid(row.id),
            external_id: parse_some("external_id", row.external_id)?,
            email: parse_some("email", row.email)?,
            name: parse_some("name", row.name)?,
            status: from_name("status", row.status)?,
            traits: from_json("traits", &row.traits)?,
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &User,
) -> Result<(), Fault> {
    let (id, created_at) = (it.id.uuid(), it.created_at.micros());
    let external_id = it.external_id.as_ref().map(ToString::to_string);
    let email = it.email.as_ref().map(ToString::to_string);
    let name = it.name.as_ref().map(ToString::to_string);
    let (status, traits) = (to_name("status", &it.status)?, to_json("traits", &it.traits)?);
    query!(
        "INSERT INTO users (home, id, external_id, email, name, status, traits, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (home) DO UPDATE SET id = excluded.id, external_id = excluded.external_id, email = excluded.email, name = excluded.name, status = excluded.status, traits = excluded.traits, created_at = excluded.created_at, version = excluded.version",
        home, id, external_id, email, name, status, traits, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64) -> Result<(), Fault> {
    query!("DELETE FROM users WHERE home = $1", home).execute(connection).await?;
    Ok(())
}
