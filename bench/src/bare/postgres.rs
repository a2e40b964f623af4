//! The same facts from Postgres, by one prepared statement a request, on sqlx's pool at its leanest.

use anyhow::Result;
use roster_core::home::Home;
use roster_core::id::OrganizationId;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{Facts, Row};

/// Connects.
pub(super) async fn open(place: &str, connections: u32) -> Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(connections).min_connections(connections);
    Ok(options.test_before_acquire(false).connect(place).await?)
}

/// The facts of one check.
const CHECK: &str =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, oh.time, o.status, u.status, m.status,
    m.organization_role, m.starts_at, m.expires_at, ma.role, a.status, k.id, k.name, k.organization_role,
    (SELECT coalesce(json_agg(json_build_array(ka.account_id, ka.role)), '[]')::text FROM api_key_access ka
     WHERE ka.home = k.home AND ka.key_id = k.id), k.secret_hash, k.prefix, k.expires_at, k.created_at
    FROM homes oh
    LEFT JOIN organizations o ON o.home = oh.home
    LEFT JOIN homes uh ON uh.name = $2
    LEFT JOIN users u ON u.home = uh.home
    LEFT JOIN members m ON m.home = oh.home AND m.user_id = $3
    LEFT JOIN member_access ma ON ma.home = m.home AND ma.user_id = m.user_id AND ma.account_id = $4
    LEFT JOIN accounts a ON a.home = oh.home AND a.id = $4
    LEFT JOIN api_keys k ON k.home = oh.home AND k.id = $5
    WHERE oh.name = $1";

/// The role on the account.
pub(super) async fn check(pool: &PgPool, facts: &Facts) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query(CHECK)
        .bind(Home::Organization(facts.organization).to_string())
        .bind(Home::User(facts.user).to_string())
        .bind(facts.user.uuid())
        .bind(facts.account.uuid())
        .bind(facts.key.uuid())
        .fetch_one(pool)
        .await?;
    sqlx::Row::try_get(&row, 8)
}

/// The first 100 members.
pub(super) async fn list(pool: &PgPool, organization: OrganizationId) -> Result<Vec<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email, m.name,
             external_id, coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM member_access a
             WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS accounts, version
         FROM homes h JOIN members m ON m.home = h.home WHERE h.name = $1 ORDER BY user_id LIMIT 101",
    )
    .bind(Home::Organization(organization).to_string())
    .fetch_all(pool)
    .await
}

/// One member, with the facts of the organization and the key that a request for it rests on.
const MEMBER: &str =
    "SELECT m.user_id, m.status, m.organization_role, m.starts_at, m.expires_at, joined_at, left_at, cut_at, email, m.name,
        m.external_id, coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM member_access a
        WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS accounts, m.version,
        h.seq, h.time, o.status AS organization_status, o.owner_id, o.settings, k.id AS key_id, k.name AS key_name,
        k.organization_role AS key_role, (SELECT coalesce(json_agg(json_build_array(ka.account_id, ka.role)), '[]')::text FROM api_key_access ka
        WHERE ka.home = k.home AND ka.key_id = k.id) AS key_accounts, k.secret_hash, k.prefix,
        k.expires_at AS key_expires_at, k.created_at
    FROM homes h JOIN organizations o ON o.home = h.home JOIN members m ON m.home = h.home AND m.user_id = $2
    JOIN api_keys k ON k.home = h.home AND k.id = $3 WHERE h.name = $1";

/// One member.
pub(super) async fn member(pool: &PgPool, facts: &Facts) -> Result<Row, sqlx::Error> {
    sqlx::query_as(MEMBER)
        .bind(Home::Organization(facts.organization).to_string())
        .bind(facts.user.uuid())
        .bind(facts.key.uuid())
        .fetch_one(pool)
        .await
}
