//! API keys of an organization, with their access.

use roster_core::home::Record;
use roster_core::id::{ApiKeyId, UserId};
use roster_core::model::{ApiKey, OldSecret};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, exact, from_hex, from_hex_some, instant, micros, organization_role, parse,
};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) organization_role: Option<String>,
    #[serde(deserialize_with = "from_hex")]
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) prefix: String,
    pub(crate) expires_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) user_id: Option<Uuid>,
    #[serde(deserialize_with = "from_hex_some")]
    pub(crate) old_hash: Option<Vec<u8>>,
    pub(crate) old_until: Option<i64>,
    pub(crate) accounts: String,
    pub(crate) version: Uuid,
}

impl Row {
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
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

/// The secret before the last rotation, from its columns.
pub(crate) fn old_secret(hash: Option<Vec<u8>>, until: Option<i64>) -> Result<Option<OldSecret>, Fault> {
    let Some((hash, until)) = hash.zip(until) else { return Ok(None) };
    Ok(Some(OldSecret { hash: exact("old_hash", hash)?, until: Timestamp::from_micros(until) }))
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, name, organization_role, secret_hash, prefix, expires_at, created_at,
           user_id, old_hash, old_until,
           coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM api_key_access a
            WHERE a.home = k.home AND a.key_id = k.id), '[]') AS "accounts!: String",
           version
           FROM api_keys k WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM api_keys WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &ApiKey,
) -> Result<(), Fault> {
    let (id, name, role) = (it.id.uuid(), it.name.as_str(), organization_role(&it.access));
    let (secret_hash, prefix) = (it.secret_hash.as_slice(), it.prefix.as_str());
    let (expires_at, created_at) = (micros(it.expires_at), it.created_at.micros());
    let (accounts, roles) = account_roles(&it.access);
    query!(
        "WITH key AS (
             INSERT INTO api_keys (home, id, name, organization_role, secret_hash, prefix, expires_at, created_at, version,
                 user_id, old_hash, old_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $12, $13, $14)
             ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, organization_role = excluded.organization_role,
                 secret_hash = excluded.secret_hash, prefix = excluded.prefix, expires_at = excluded.expires_at,
                 created_at = excluded.created_at, version = excluded.version, user_id = excluded.user_id,
                 old_hash = excluded.old_hash, old_until = excluded.old_until
         ), taken AS (
             DELETE FROM api_key_access WHERE home = $1 AND key_id = $2 AND account_id <> ALL ($10)
         )
         INSERT INTO api_key_access (home, key_id, account_id, role)
         SELECT $1, $2, account, role FROM UNNEST($10::uuid[], $11::text[]) AS given (account, role)
         ON CONFLICT (home, key_id, account_id) DO UPDATE SET role = excluded.role",
        home,
        id,
        name,
        role,
        secret_hash,
        prefix,
        expires_at,
        created_at,
        version,
        &accounts,
        &roles,
        it.user.map(UserId::uuid),
        it.old.as_ref().map(|old| old.hash.as_slice()),
        it.old.map(|old| old.until.micros())
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
        "DELETE FROM api_keys kept USING UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
