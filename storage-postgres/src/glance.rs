//! The reads that requests begin with: at most one record of a kind. Those that wait go together, those of organizations and
//! those of users by one narrow statement each, with typed columns. What else is asked for is read by the statement in
//! `read.rs`, which begins with more tables and makes JSON of the rows.
//!
//! `LIMIT 1` keeps the planner to the whole primary key, as in `access.rs`, and makes one line an answer.

use std::collections::BTreeMap;

use roster_core::home::{Home, Key};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock, Stored};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{AccountRow, ApiKeyRow, MemberRow, MembershipRow, OrganizationRow, UserRow};
use crate::row::{bad, exact};

/// What is asked of a home, in a form that a glance can answer.
pub(crate) enum Glance {
    Organization(OrganizationGlance),
    User(UserGlance),
}

/// What is asked of an organization.
#[derive(Clone, Debug)]
pub(crate) struct OrganizationGlance {
    home: Home,
    itself: bool,
    account: Option<Uuid>,
    member: Option<Uuid>,
    api_key: Option<Uuid>,
}

/// What is asked of a user; one organization that they may be in.
#[derive(Clone, Debug)]
pub(crate) struct UserGlance {
    home: Home,
    itself: bool,
    membership: Option<Uuid>,
}

impl Glance {
    /// Nothing where more is asked for.
    pub(crate) fn of(home: &Home, keys: &[Key]) -> Option<Self> {
        match home {
            Home::Organization(_) => OrganizationGlance::of(home, keys).map(Self::Organization),
            Home::User(_) => UserGlance::of(home, keys).map(Self::User),
            _ => None,
        }
    }
}

impl OrganizationGlance {
    fn of(home: &Home, keys: &[Key]) -> Option<Self> {
        let mut glance =
            Self { home: home.clone(), itself: false, account: None, member: None, api_key: None };
        for key in keys {
            let second = match key {
                Key::Organization => std::mem::replace(&mut glance.itself, true).then(Uuid::nil),
                Key::Account(id) => glance.account.replace(id.uuid()),
                Key::Member(id) => glance.member.replace(id.uuid()),
                Key::ApiKey(id) => glance.api_key.replace(id.uuid()),
                _ => return None,
            };
            if second.is_some() {
                return None;
            }
        }
        Some(glance)
    }
}

impl UserGlance {
    fn of(home: &Home, keys: &[Key]) -> Option<Self> {
        let mut glance = Self { home: home.clone(), itself: false, membership: None };
        for key in keys {
            let second = match key {
                Key::User => std::mem::replace(&mut glance.itself, true).then(Uuid::nil),
                Key::Membership(id) => glance.membership.replace(id.uuid()),
                _ => return None,
            };
            if second.is_some() {
                return None;
            }
        }
        Some(glance)
    }
}

/// Answers of `read` without tallies, in the order of the questions. A row that cannot be read fails its own question only.
pub(crate) async fn of_organizations(
    connection: &mut PgConnection,
    clock: &StoreClock,
    asks: &[OrganizationGlance],
) -> Result<Vec<Result<Read, Fault>>, Fault> {
    let lines = one_each(asks, organizations(connection, asks).await?)?;
    let each = asks.iter().zip(lines).map(|(ask, mut line)| {
        let records = [line.organization()?, line.account()?, line.member()?, line.api_key()?];
        answer(clock, &ask.home, (line.clock, line.seq, line.time, line.hash), records)
    });
    Ok(each.collect())
}

/// The same of users.
pub(crate) async fn of_users(
    connection: &mut PgConnection,
    clock: &StoreClock,
    asks: &[UserGlance],
) -> Result<Vec<Result<Read, Fault>>, Fault> {
    let lines = one_each(asks, users(connection, asks).await?)?;
    let each = asks.iter().zip(lines).map(|(ask, mut line)| {
        let records = [line.user()?, line.membership()?];
        answer(clock, &ask.home, (line.clock, line.seq, line.time, line.hash), records)
    });
    Ok(each.collect())
}

/// A line is matched to its question by its place.
fn one_each<Q, L>(asks: &[Q], lines: Vec<L>) -> Result<Vec<L>, Fault> {
    let one_each = lines.len() == asks.len();
    if one_each { Ok(lines) } else { Err(bad("row", format!("{} lines for {}", lines.len(), asks.len()))) }
}

/// What a line says of a home's head: the server's clock, and the end of the log if anything was ever committed there.
type End = (i64, Option<i64>, Option<i64>, Option<Vec<u8>>);

fn answer(
    clock: &StoreClock,
    home: &Home,
    (server, seq, time, hash): End,
    records: impl IntoIterator<Item = Option<Stored>>,
) -> Result<Read, Fault> {
    let clock = match clock {
        StoreClock::Given(clock) => clock.now(),
        StoreClock::Server => Timestamp::from_micros(server),
    };
    let head = match (seq, time, hash) {
        (Some(seq), Some(time), Some(hash)) => Head {
            seq: u64::try_from(seq).map_err(|error| bad("seq", error))?,
            time: Timestamp::from_micros(time),
            hash: exact("hash", hash)?,
        },
        _ => Head::start(home),
    };
    let records = records.into_iter().flatten().map(|stored| (stored.record.key(), stored)).collect();
    Ok(Read { clock, head, records, tallies: BTreeMap::new() })
}

fn missing() -> Fault {
    bad("row", "a column is missing")
}

/// What is read of an organization; each record with its columns.
struct OrganizationLine {
    clock: i64,
    seq: Option<i64>,
    time: Option<i64>,
    hash: Option<Vec<u8>>,
    o_id: Option<Uuid>,
    o_external_id: Option<String>,
    o_name: Option<String>,
    o_slug: Option<String>,
    o_status: Option<String>,
    o_owner_id: Option<Uuid>,
    o_purchased: Option<i64>,
    o_settings: Option<String>,
    o_traits: Option<String>,
    o_posts: Option<String>,
    o_created_at: Option<i64>,
    o_version: Option<Uuid>,
    c_id: Option<Uuid>,
    c_external_id: Option<String>,
    c_name: Option<String>,
    c_status: Option<String>,
    c_traits: Option<String>,
    c_posts: Option<String>,
    c_created_at: Option<i64>,
    c_version: Option<Uuid>,
    m_user_id: Option<Uuid>,
    m_status: Option<String>,
    m_organization_role: Option<String>,
    m_starts_at: Option<i64>,
    m_expires_at: Option<i64>,
    m_joined_at: Option<i64>,
    m_left_at: Option<i64>,
    m_cut_at: Option<i64>,
    m_deleted_at: Option<i64>,
    m_epoch: Option<i64>,
    m_email: Option<String>,
    m_name: Option<String>,
    m_external_id: Option<String>,
    m_accounts: Option<String>,
    m_version: Option<Uuid>,
    k_id: Option<Uuid>,
    k_name: Option<String>,
    k_organization_role: Option<String>,
    k_secret_hash: Option<Vec<u8>>,
    k_prefix: Option<String>,
    k_expires_at: Option<i64>,
    k_created_at: Option<i64>,
    k_user_id: Option<Uuid>,
    k_old_hash: Option<Vec<u8>>,
    k_old_until: Option<i64>,
    k_accounts: Option<String>,
    k_version: Option<Uuid>,
}

/// What is read of a user.
struct UserLine {
    clock: i64,
    seq: Option<i64>,
    time: Option<i64>,
    hash: Option<Vec<u8>>,
    u_id: Option<Uuid>,
    u_external_id: Option<String>,
    u_email: Option<String>,
    u_name: Option<String>,
    u_status: Option<String>,
    u_suspended_at: Option<i64>,
    u_traits: Option<String>,
    u_cuts: Option<i64>,
    u_cut_at: Option<i64>,
    u_created_at: Option<i64>,
    u_version: Option<Uuid>,
    p_organization_id: Option<Uuid>,
    p_version: Option<Uuid>,
}

impl OrganizationLine {
    fn organization(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(id) = self.o_id.take() else { return Ok(None) };
        let row = OrganizationRow {
            id,
            external_id: self.o_external_id.take(),
            name: self.o_name.take().ok_or_else(missing)?,
            slug: self.o_slug.take().ok_or_else(missing)?,
            status: self.o_status.take().ok_or_else(missing)?,
            owner_id: self.o_owner_id.take().ok_or_else(missing)?,
            purchased: self.o_purchased.take(),
            settings: self.o_settings.take().ok_or_else(missing)?,
            traits: self.o_traits.take().ok_or_else(missing)?,
            posts: self.o_posts.take().ok_or_else(missing)?,
            created_at: self.o_created_at.take().ok_or_else(missing)?,
            version: self.o_version.take().ok_or_else(missing)?,
        };
        row.stored().map(Some)
    }

    fn account(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(id) = self.c_id.take() else { return Ok(None) };
        let row = AccountRow {
            id,
            external_id: self.c_external_id.take(),
            name: self.c_name.take().ok_or_else(missing)?,
            status: self.c_status.take().ok_or_else(missing)?,
            traits: self.c_traits.take().ok_or_else(missing)?,
            posts: self.c_posts.take().ok_or_else(missing)?,
            created_at: self.c_created_at.take().ok_or_else(missing)?,
            version: self.c_version.take().ok_or_else(missing)?,
        };
        row.stored().map(Some)
    }

    fn member(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(user_id) = self.m_user_id.take() else { return Ok(None) };
        let row = MemberRow {
            user_id,
            status: self.m_status.take().ok_or_else(missing)?,
            organization_role: self.m_organization_role.take(),
            starts_at: self.m_starts_at.take(),
            expires_at: self.m_expires_at.take(),
            joined_at: self.m_joined_at.take().ok_or_else(missing)?,
            left_at: self.m_left_at.take(),
            cut_at: self.m_cut_at.take(),
            deleted_at: self.m_deleted_at.take(),
            epoch: self.m_epoch.take().ok_or_else(missing)?,
            email: self.m_email.take(),
            name: self.m_name.take(),
            external_id: self.m_external_id.take(),
            accounts: self.m_accounts.take().ok_or_else(missing)?,
            version: self.m_version.take().ok_or_else(missing)?,
        };
        row.stored().map(Some)
    }

    fn api_key(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(id) = self.k_id.take() else { return Ok(None) };
        let row = ApiKeyRow {
            id,
            name: self.k_name.take().ok_or_else(missing)?,
            organization_role: self.k_organization_role.take(),
            secret_hash: self.k_secret_hash.take().ok_or_else(missing)?,
            prefix: self.k_prefix.take().ok_or_else(missing)?,
            expires_at: self.k_expires_at.take(),
            created_at: self.k_created_at.take().ok_or_else(missing)?,
            user_id: self.k_user_id.take(),
            old_hash: self.k_old_hash.take(),
            old_until: self.k_old_until.take(),
            accounts: self.k_accounts.take().ok_or_else(missing)?,
            version: self.k_version.take().ok_or_else(missing)?,
        };
        row.stored().map(Some)
    }
}

impl UserLine {
    fn user(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(id) = self.u_id.take() else { return Ok(None) };
        let row = UserRow {
            id,
            external_id: self.u_external_id.take(),
            email: self.u_email.take(),
            name: self.u_name.take(),
            status: self.u_status.take().ok_or_else(missing)?,
            suspended_at: self.u_suspended_at.take(),
            cuts: self.u_cuts.take().ok_or_else(missing)?,
            cut_at: self.u_cut_at.take(),
            traits: self.u_traits.take().ok_or_else(missing)?,
            created_at: self.u_created_at.take().ok_or_else(missing)?,
            version: self.u_version.take().ok_or_else(missing)?,
        };
        row.stored().map(Some)
    }

    fn membership(&mut self) -> Result<Option<Stored>, Fault> {
        let Some(organization_id) = self.p_organization_id.take() else { return Ok(None) };
        let row = MembershipRow { organization_id, version: self.p_version.take().ok_or_else(missing)? };
        row.stored().map(Some)
    }
}

async fn organizations(
    connection: &mut PgConnection,
    asks: &[OrganizationGlance],
) -> Result<Vec<OrganizationLine>, Fault> {
    let lines = query_as!(
        OrganizationLine,
        r#"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "clock!", h.seq AS "seq?", h.time AS "time?",
            h.hash AS "hash?",
            o.id AS "o_id?", o.external_id AS "o_external_id?", o.name AS "o_name?", o.slug AS "o_slug?",
            o.status AS "o_status?", o.owner_id AS "o_owner_id?", o.purchased AS "o_purchased?",
            o.settings AS "o_settings?", o.traits AS "o_traits?", o.posts AS "o_posts?", o.created_at AS "o_created_at?",
            o.version AS "o_version?",
            c.id AS "c_id?", c.external_id AS "c_external_id?", c.name AS "c_name?", c.status AS "c_status?",
            c.traits AS "c_traits?", c.posts AS "c_posts?", c.created_at AS "c_created_at?", c.version AS "c_version?",
            m.user_id AS "m_user_id?", m.status AS "m_status?", m.organization_role AS "m_organization_role?",
            m.starts_at AS "m_starts_at?", m.expires_at AS "m_expires_at?", m.joined_at AS "m_joined_at?",
            m.left_at AS "m_left_at?", m.cut_at AS "m_cut_at?", m.deleted_at AS "m_deleted_at?", m.epoch AS "m_epoch?", m.email AS "m_email?", m.name AS "m_name?",
            m.external_id AS "m_external_id?",
            '[' || array_to_string(ARRAY(SELECT '["' || a.account_id || '","' || a.role || '"]'
                FROM member_access a WHERE a.home = m.home AND a.user_id = m.user_id), ',') || ']' AS "m_accounts?",
            m.version AS "m_version?",
            k.id AS "k_id?", k.name AS "k_name?", k.organization_role AS "k_organization_role?",
            k.secret_hash AS "k_secret_hash?", k.prefix AS "k_prefix?", k.expires_at AS "k_expires_at?",
            k.created_at AS "k_created_at?", k.user_id AS "k_user_id?",
            k.old_hash AS "k_old_hash?", k.old_until AS "k_old_until?",
            '[' || array_to_string(ARRAY(SELECT '["' || a.account_id || '","' || a.role || '"]'
                FROM api_key_access a WHERE a.home = k.home AND a.key_id = k.id), ',') || ']' AS "k_accounts?",
            k.version AS "k_version?"
        FROM UNNEST($1::text[], $2::bool[], $3::uuid[], $4::uuid[], $5::uuid[])
            WITH ORDINALITY AS ask (home, itself, account, member, api_key, n)
        LEFT JOIN LATERAL (SELECT * FROM homes t WHERE t.name = ask.home LIMIT 1) h ON true
        LEFT JOIN LATERAL (SELECT * FROM organizations t WHERE t.home = h.home AND ask.itself LIMIT 1) o ON true
        LEFT JOIN LATERAL (SELECT * FROM accounts t WHERE t.home = h.home AND t.id = ask.account LIMIT 1) c ON true
        LEFT JOIN LATERAL (SELECT * FROM members t WHERE t.home = h.home AND t.user_id = ask.member LIMIT 1) m ON true
        LEFT JOIN LATERAL (SELECT * FROM api_keys t WHERE t.home = h.home AND t.id = ask.api_key LIMIT 1) k ON true
        ORDER BY ask.n"#,
        &asks.iter().map(|ask| ask.home.to_string()).collect::<Vec<_>>(),
        &asks.iter().map(|ask| ask.itself).collect::<Vec<_>>(),
        &asks.iter().map(|ask| ask.account).collect::<Vec<_>>() as &[Option<Uuid>],
        &asks.iter().map(|ask| ask.member).collect::<Vec<_>>() as &[Option<Uuid>],
        &asks.iter().map(|ask| ask.api_key).collect::<Vec<_>>() as &[Option<Uuid>]
    );
    Ok(lines.fetch_all(connection).await?)
}

async fn users(connection: &mut PgConnection, asks: &[UserGlance]) -> Result<Vec<UserLine>, Fault> {
    let lines = query_as!(
        UserLine,
        r#"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "clock!", h.seq AS "seq?", h.time AS "time?",
            h.hash AS "hash?",
            u.id AS "u_id?", u.external_id AS "u_external_id?", u.email AS "u_email?", u.name AS "u_name?",
            u.status AS "u_status?", u.suspended_at AS "u_suspended_at?", u.traits AS "u_traits?", u.cuts AS "u_cuts?", u.cut_at AS "u_cut_at?", u.created_at AS "u_created_at?",
            u.version AS "u_version?",
            p.organization_id AS "p_organization_id?", p.version AS "p_version?"
        FROM UNNEST($1::text[], $2::bool[], $3::uuid[]) WITH ORDINALITY AS ask (home, itself, membership, n)
        LEFT JOIN LATERAL (SELECT * FROM homes t WHERE t.name = ask.home LIMIT 1) h ON true
        LEFT JOIN LATERAL (SELECT * FROM users t WHERE t.home = h.home AND ask.itself LIMIT 1) u ON true
        LEFT JOIN LATERAL (SELECT * FROM memberships t WHERE t.home = h.home AND t.organization_id = ask.membership LIMIT 1) p
            ON true
        ORDER BY ask.n"#,
        &asks.iter().map(|ask| ask.home.to_string()).collect::<Vec<_>>(),
        &asks.iter().map(|ask| ask.itself).collect::<Vec<_>>(),
        &asks.iter().map(|ask| ask.membership).collect::<Vec<_>>() as &[Option<Uuid>]
    );
    Ok(lines.fetch_all(connection).await?)
}
