//! API keys of an organization, with their access.

use roster_core::home::Record;
use roster_core::id::{ApiKeyId, UserId};
use roster_core::model::{ApiKey, OldSecret};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, exact, from_hex, from_hex_some, instant, micros, organization_role, parse,
};

/// The secret before the last rotation, from its columns.
pub(crate) fn old_secret(hash: Option<Vec<u8>>, until: Option<i64>) -> Result<Option<OldSecret>, Fault> {
    let Some((hash, until)) = hash.zip(until) else { return Ok(None) };
    Ok(Some(OldSecret { hash: exact("old_hash", hash)?, until: Timestamp::from_micros(until) }))
}

/// One row.
#[derive(Deserialize)]
pub(super) struct Row {
    id: Uuid,
    name: String,
    organization_role: Option<String>,
    #[serde(deserialize_with = "from_hex")]
    secret_hash: Vec<u8>,
    prefix: String,
    expires_at: Option<i64>,
    created_at: i64,
    user_id: Option<Uuid>,
    #[serde(deserialize_with = "from_hex_some")]
    old_hash: Option<Vec<u8>>,
    old_until: Option<i64>,
    accounts: String,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::ApiKey(ApiKey {
            id: ApiKeyId::from_uuid(self.id),
            name: parse("name", &self.name)?,
            user: self.user_id.map(UserId::from_uuid),
            access: access(self.organization_role, &self.accounts)?,
            secret_hash: exact("secret_hash", self.secret_hash)?,
            old: old_secret(self.old_hash, self.old_until)?,
            prefix: self.prefix,
            expires_at: instant(self.expires_at),
            created_at: Timestamp::from_micros(self.created_at),
        });
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
        r#"SELECT id AS "id: Uuid", name, organization_role, secret_hash, prefix, expires_at, created_at,
           user_id AS "user_id: Uuid", old_hash, old_until,
           coalesce((SELECT json_group_array(json_array(hex(a.account_id), a.role)) FROM api_key_access a
            WHERE a.home = k.home AND a.key_id = k.id), '[]') AS "accounts!: String",
           version AS "version: Uuid"
           FROM api_keys k WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM api_keys WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: ApiKeyId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM api_keys WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &ApiKey,
) -> Result<(), Fault> {
    let (id, name, role) = (it.id.uuid(), it.name.as_str(), organization_role(&it.access));
    let (secret_hash, prefix) = (it.secret_hash.as_slice(), it.prefix.as_str());
    let (expires_at, created_at) = (micros(it.expires_at), it.created_at.micros());
    let user_id = it.user.map(UserId::uuid);
    let old_hash = it.old.as_ref().map(|old| old.hash.as_slice());
    let old_until = it.old.map(|old| old.until.micros());
    query!(
        "INSERT INTO api_keys (home, id, name, organization_role, secret_hash, prefix, expires_at, created_at, version, user_id, old_hash, old_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, organization_role = excluded.organization_role, secret_hash = excluded.secret_hash, prefix = excluded.prefix, expires_at = excluded.expires_at, created_at = excluded.created_at, version = excluded.version, user_id = excluded.user_id, old_hash = excluded.old_hash, old_until = excluded.old_until",
        home, id, name, role, secret_hash, prefix, expires_at, created_at, version, user_id, old_hash, old_until
    )
    .execute(&mut *connection)
    .await?;
    query!("DELETE FROM api_key_access WHERE home = ? AND key_id = ?", home, id)
        .execute(&mut *connection)
        .await?;
    if let Some(roles) = account_roles(&it.access) {
        query!(
            "INSERT INTO api_key_access (home, key_id, account_id, role)
             SELECT ?1, ?2, unhex(value ->> 0), value ->> 1 FROM json_each(?3)",
            home,
            id,
            roles
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, id: ApiKeyId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM api_keys WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
