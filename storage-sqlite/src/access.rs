//! The hot path: what `check` needs, for many questions in one statement, so in one snapshot.

use roster_core::home::Home;
use roster_core::id::{ApiKeyId, UserId};
use roster_core::model::ApiKey;
use roster_core::store::{AccessFacts, AccessKey, MemberFacts, StoreClock};
use roster_core::time::Timestamp;
use serde::Serialize;
use sqlx::{SqliteConnection, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::api_key::old_secret;
use crate::kind::role::{Columns, role};
use crate::row::{access, bad, exact, from_json, from_name, instant, parse, parse_some, to_json};

/// A question in the form that the statement reads.
#[derive(Serialize)]
struct Ask {
    organization: Option<String>,
    user: Option<String>,
    member: Option<String>,
    account: Option<String>,
    key: Option<String>,
}

impl From<&AccessKey> for Ask {
    fn from(key: &AccessKey) -> Self {
        let hex = |id: Uuid| id.simple().to_string();
        Self {
            organization: key.organization.map(|id| Home::Organization(id).to_string()),
            user: key.user.map(|id| Home::User(id).to_string()),
            member: key.user.map(|id| hex(id.uuid())),
            account: key.account.map(|id| hex(id.uuid())),
            key: key.api_key.map(|id| hex(id.uuid())),
        }
    }
}

/// One row of the answer.
struct Found {
    clock: i64,
    head_time: Option<i64>,
    organization_status: Option<String>,
    user_status: Option<String>,
    cuts: Option<u32>,
    member_status: Option<String>,
    member_role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    epoch: Option<u32>,
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
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    asks: &[AccessKey],
) -> Result<Vec<Result<AccessFacts, Fault>>, Fault> {
    let asks = to_json("asks", &asks.iter().map(Ask::from).collect::<Vec<_>>())?;
    let rows = query_as!(
        Found,
        r#"SELECT CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "clock!: i64",
               oh.time AS "head_time?: i64", o.status AS "organization_status?: String",
               u.status AS "user_status?: String", u.cuts AS "cuts?: u32",
               m.status AS "member_status?: String", m.organization_role AS "member_role?: String",
               m.starts_at AS "starts_at?: i64", m.expires_at AS "expires_at?: i64", m.epoch AS "epoch?: u32",
               ma.role AS "account_role?: String", a.status AS "account_status?: String",
               k.id AS "key_id?: Uuid", k.name AS "key_name?: String", k.organization_role AS "key_role?: String",
               (SELECT json_group_array(json_array(hex(ka.account_id), ka.role)) FROM api_key_access ka
                WHERE ka.home = k.home AND ka.key_id = k.id) AS "key_accounts?: String",
               k.secret_hash AS "key_secret_hash?: Vec<u8>", k.prefix AS "key_prefix?: String",
               k.expires_at AS "key_expires_at?: i64", k.created_at AS "key_created_at?: i64",
               k.user_id AS "key_user?: Uuid", k.old_hash AS "key_old_hash?: Vec<u8>", k.old_until AS "key_old_until?: i64",
               CASE WHEN EXISTS (SELECT 1 FROM roles WHERE home = oh.home) THEN (
                   SELECT json_group_array(json_array(hex(r.id), r.name, r.permissions, r.replaced_by, r.created_at))
                   FROM roles r WHERE r.home = oh.home AND r.ref IN (
                       SELECT m.organization_role UNION SELECT ma.role UNION SELECT k.organization_role
                       UNION SELECT ka.role FROM api_key_access ka WHERE ka.home = k.home AND ka.key_id = k.id
                       UNION SELECT n.replaced_by FROM roles n
                           WHERE n.home = oh.home AND n.ref IN (m.organization_role, ma.role, k.organization_role)
                       UNION SELECT n.replaced_by FROM api_key_access ka JOIN roles n ON n.home = ka.home AND n.ref = ka.role
                           WHERE ka.home = k.home AND ka.key_id = k.id)) END AS "roles?: String"
           FROM json_each(?) ask
           LEFT JOIN homes oh ON oh.name = ask.value ->> 'organization'
           LEFT JOIN organizations o ON o.home = oh.home
           LEFT JOIN homes uh ON uh.name = ask.value ->> 'user'
           LEFT JOIN users u ON u.home = uh.home
           LEFT JOIN members m ON m.home = oh.home AND m.user_id = unhex(ask.value ->> 'member')
           LEFT JOIN member_access ma ON ma.home = m.home AND ma.user_id = m.user_id
               AND ma.account_id = unhex(ask.value ->> 'account')
           LEFT JOIN accounts a ON a.home = oh.home AND a.id = unhex(ask.value ->> 'account')
           LEFT JOIN api_keys k ON k.home = oh.home AND k.id = unhex(ask.value ->> 'key')
           ORDER BY ask.key"#,
        asks
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
            cuts: self.cuts.unwrap_or(0),
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
            epoch: self.epoch.unwrap_or(0),
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
