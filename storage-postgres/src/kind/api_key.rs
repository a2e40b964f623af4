//! API keys of an organization, with their access.

use roster_core::home::Record;
use roster_core::id::ApiKeyId;
use roster_core::model::ApiKey;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{access, account_roles, exact, instant, micros, organization_role, parse};

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id, name, organization_role, secret_hash, prefix, expires_at, created_at,
           coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM api_key_access a
            WHERE a.home = k.home AND a.key_id = k.id), '[]') AS "accounts!: String",
           version
           FROM api_keys k WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::ApiKey(ApiKey {
            id: ApiKeyId::from_uuid(row.id),
            name: parse("name", &row.name)?,
            access: access(row.organization_role, &row.accounts)?,
            secret_hash: exact("secret_hash", row.secret_hash)?,
            prefix: row.prefix,
            expires_at: instant(row.expires_at),
            created_at: Timestamp::from_micros(row.created_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
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
             INSERT INTO api_keys (home, id, name, organization_role, secret_hash, prefix, expires_at, created_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (home, id) DO UPDATE SET name = excluded.name, organization_role = excluded.organization_role,
                 secret_hash = excluded.secret_hash, prefix = excluded.prefix, expires_at = excluded.expires_at,
                 created_at = excluded.created_at, version = excluded.version
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
        &roles
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: ApiKeyId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM api_keys WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
