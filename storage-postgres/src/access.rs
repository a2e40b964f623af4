//! The hot path: what `check` needs, for many questions in one statement, so in one snapshot.
//!
//! `LIMIT 1` keeps the planner to the whole primary key, whatever it knows of the tables: without it, it may read all
//! members of a home to find one.

use roster_core::home::Home;
use roster_core::id::{AccountId, ApiKeyId, UserId};
use roster_core::model::ApiKey;
use roster_core::store::{AccessFacts, AccessKey, MemberFacts, StoreClock};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::api_key::old_secret;
use crate::kind::role::{Columns, role};
use crate::row::{access, bad, count, exact, from_json, from_name, instant, parse, parse_some};

/// One row of the answer.
struct Found {
    clock: i64,
    head_time: Option<i64>,
    organization_status: Option<String>,
    user_status: Option<String>,
    cuts: Option<i64>,
    member_status: Option<String>,
    member_role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    epoch: Option<i64>,
    account_role: Option<String>,
    account_status: Option<String>,
    key_id: Option<Uuid>,
    key_name: Option<String>,
    key_role: Option<String>,
    key_accounts: Option<String>,
    key_secret_hash: Option<Vec<u8>>,
    key_prefix: Option<String>,
    key_expires_at: Option<i64>,
    key_created_at: Option<i64>,
    key_user: Option<Uuid>,
    key_old_hash: Option<Vec<u8>>,
    key_old_until: Option<i64>,
    roles: Option<String>,
}

/// An answer of `access`, in the order of the questions. A row that cannot be read fails its own question only.
pub(crate) async fn facts(
    connection: &mut PgConnection,
    clock: &StoreClock,
    asks: &[AccessKey],
) -> Result<Vec<Result<AccessFacts, Fault>>, Fault> {
    let organizations: Vec<Option<String>> =
        asks.iter().map(|ask| ask.organization.map(|id| Home::Organization(id).to_string())).collect();
    let users: Vec<Option<String>> =
        asks.iter().map(|ask| ask.user.map(|id| Home::User(id).to_string())).collect();
    let members: Vec<Option<Uuid>> = asks.iter().map(|ask| ask.user.map(UserId::uuid)).collect();
    let accounts: Vec<Option<Uuid>> = asks.iter().map(|ask| ask.account.map(AccountId::uuid)).collect();
    let keys: Vec<Option<Uuid>> = asks.iter().map(|ask| ask.api_key.map(ApiKeyId::uuid)).collect();
    let rows = query_as!(
        Found,
        r#"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "clock!",
               oh.time AS "head_time?", o.status AS "organization_status?", u.status AS "user_status?", u.cuts AS "cuts?",
               m.status AS "member_status?", m.organization_role AS "member_role?",
               m.starts_at AS "starts_at?", m.expires_at AS "expires_at?", m.epoch AS "epoch?",
               ma.role AS "account_role?", a.status AS "account_status?",
               k.id AS "key_id?", k.name AS "key_name?", k.organization_role AS "key_role?",
               (SELECT coalesce(json_agg(json_build_array(ka.account_id, ka.role)), '[]')::text FROM api_key_access ka
                WHERE ka.home = k.home AND ka.key_id = k.id) AS "key_accounts?",
               k.secret_hash AS "key_secret_hash?", k.prefix AS "key_prefix?",
               k.expires_at AS "key_expires_at?", k.created_at AS "key_created_at?",
               k.user_id AS "key_user?", k.old_hash AS "key_old_hash?", k.old_until AS "key_old_until?",
               CASE WHEN EXISTS (SELECT 1 FROM roles WHERE home = oh.home) THEN (
                   SELECT json_agg(json_build_array(r.id, r.name, r.permissions, r.replaced_by, r.created_at))::text
                   FROM roles r WHERE r.home = oh.home AND r.ref IN (
                       SELECT m.organization_role UNION SELECT ma.role UNION SELECT k.organization_role
                       UNION SELECT ka.role FROM api_key_access ka WHERE ka.home = k.home AND ka.key_id = k.id
                       UNION SELECT n.replaced_by FROM roles n
                           WHERE n.home = oh.home AND n.ref IN (m.organization_role, ma.role, k.organization_role)
                       UNION SELECT n.replaced_by FROM api_key_access ka JOIN roles n ON n.home = ka.home AND n.ref = ka.role
                           WHERE ka.home = k.home AND ka.key_id = k.id)) END AS "roles?"
           FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[])
               WITH ORDINALITY AS ask (organization, person, member, account, key, n)
           LEFT JOIN homes oh ON oh.name = ask.organization
           LEFT JOIN organizations o ON o.home = oh.home
           LEFT JOIN homes uh ON uh.name = ask.person
           LEFT JOIN users u ON u.home = uh.home
           LEFT JOIN LATERAL (SELECT home, user_id, status, organization_role, starts_at, expires_at, epoch FROM members
               WHERE home = oh.home AND user_id = ask.member LIMIT 1) m ON true
           LEFT JOIN LATERAL (SELECT role FROM member_access
               WHERE home = m.home AND user_id = m.user_id AND account_id = ask.account LIMIT 1) ma ON true
           LEFT JOIN LATERAL (SELECT status FROM accounts WHERE home = oh.home AND id = ask.account LIMIT 1) a ON true
           LEFT JOIN LATERAL (SELECT * FROM api_keys WHERE home = oh.home AND id = ask.key LIMIT 1) k ON true
           ORDER BY ask.n"#,
        &organizations as &[Option<String>],
        &users as &[Option<String>],
        &members as &[Option<Uuid>],
        &accounts as &[Option<Uuid>],
        &keys as &[Option<Uuid>]
    );
    let rows = rows.fetch_all(connection).await?;
    let given = if let StoreClock::Given(clock) = clock { Some(clock.now()) } else { None };
    let each = rows.into_iter().map(|row| {
        let clock = given.unwrap_or(Timestamp::from_micros(row.clock));
        row.facts(clock)
    });
    Ok(each.collect())
}

impl Found {
    fn facts(self, clock: Timestamp) -> Result<AccessFacts, Fault> {
        let roles: Vec<Columns> = match &self.roles {
            Some(rows) => from_json("roles", rows)?,
            None => Vec::new(),
        };
        let roles = roles.into_iter().map(role).collect::<Result<Vec<_>, Fault>>()?;
        let facts = AccessFacts {
            now: instant(self.head_time).map_or(clock, |head| head.max(clock)),
            organization: status("organization_status", self.organization_status.as_ref())?,
            user: status("user_status", self.user_status.as_ref())?,
            cuts: count("cuts", self.cuts.unwrap_or(0))?,
            member: self.member()?,
            account: status("account_status", self.account_status.as_ref())?,
            api_key: self.key()?,
            roles: Vec::new(),
        };
        Ok(facts.with_roles(roles))
    }

    fn member(&self) -> Result<Option<MemberFacts>, Fault> {
        let Some(status) = status("member_status", self.member_status.as_ref())? else {
            return Ok(None);
        };
        Ok(Some(MemberFacts {
            status,
            starts_at: instant(self.starts_at),
            expires_at: instant(self.expires_at),
            epoch: count("epoch", self.epoch.unwrap_or(0))?,
            organization_role: parse_some("member_role", self.member_role.clone())?,
            account_role: parse_some("account_role", self.account_role.clone())?,
        }))
    }

    fn key(self) -> Result<Option<ApiKey>, Fault> {
        let Some(id) = self.key_id else { return Ok(None) };
        let missing = || bad("api_key", "a column is missing");
        Ok(Some(ApiKey {
            id: ApiKeyId::from_uuid(id),
            name: parse("name", &self.key_name.ok_or_else(missing)?)?,
            user: self.key_user.map(UserId::from_uuid),
            old: old_secret(self.key_old_hash, self.key_old_until)?,
            access: access(self.key_role, &self.key_accounts.ok_or_else(missing)?)?,
            secret_hash: exact("secret_hash", self.key_secret_hash.ok_or_else(missing)?)?,
            prefix: self.key_prefix.ok_or_else(missing)?,
            expires_at: instant(self.key_expires_at),
            created_at: instant(self.key_created_at).ok_or_else(missing)?,
        }))
    }
}

fn status<T: serde::de::DeserializeOwned>(
    column: &'static str,
    name: Option<&String>,
) -> Result<Option<T>, Fault> {
    name.map(|name| from_name(column, name.clone())).transpose()
}
