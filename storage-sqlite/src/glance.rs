//! The reads that requests begin with, by one statement: a snapshot by itself, and one journey to the connection's
//! thread. Whatever else is asked for is read kind by kind within a transaction.

use std::collections::BTreeMap;

use roster_core::home::{Home, Key};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock, Stored};
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query_as};

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::read::by_kind;
use crate::row::{bad, hash, to_json};

/// The answer. Records are JSON, those of a kind in one array.
struct Answer {
    clock: i64,
    seq: Option<i64>,
    time: Option<i64>,
    hash: Option<String>,
    first: String,
    second: String,
    third: String,
    fourth: String,
}

/// Whether all that is asked for is among what a glance takes in.
pub(crate) fn is_enough(home: &Home, keys: &[Key]) -> bool {
    let seen: &[Kind] = match home {
        Home::Organization(_) => &[Kind::Organization, Kind::Account, Kind::Member, Kind::ApiKey],
        Home::User(_) => &[Kind::User, Kind::Membership],
        _ => return false,
    };
    keys.iter().all(|key| seen.contains(&Kind::of(key).0))
}

/// An answer of `read` without tallies.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    home: &Home,
    keys: &[Key],
) -> Result<Read, Fault> {
    let asked = by_kind(keys);
    if matches!(home, Home::User(_)) {
        let answer = user(connection, home, &asked).await?;
        return answer.read(clock, home, [Some(Kind::User), Some(Kind::Membership), None, None]);
    }
    let answer = organization(connection, home, &asked).await?;
    let kinds = [Kind::Organization, Kind::Account, Kind::Member, Kind::ApiKey].map(Some);
    answer.read(clock, home, kinds)
}

impl Answer {
    fn read(self, clock: &StoreClock, home: &Home, kinds: [Option<Kind>; 4]) -> Result<Read, Fault> {
        let clock = match clock {
            StoreClock::Given(clock) => clock.now(),
            StoreClock::Server => Timestamp::from_micros(self.clock),
        };
        let head = match (self.seq, self.time, &self.hash) {
            (Some(seq), Some(time), Some(hashed)) => Head {
                seq: u64::try_from(seq).map_err(|error| bad("seq", error))?,
                time: Timestamp::from_micros(time),
                hash: hash(hashed)?,
            },
            _ => Head::start(home),
        };
        let mut records = BTreeMap::new();
        for (kind, rows) in kinds.into_iter().zip([self.first, self.second, self.third, self.fourth]) {
            let Some(kind) = kind else { continue };
            let found: Vec<Stored> = kind::decode(kind, &rows)?;
            records.extend(found.into_iter().map(|stored| (stored.record.key(), stored)));
        }
        Ok(Read { clock, head, records, tallies: BTreeMap::new() })
    }
}

type Asked = BTreeMap<Kind, Vec<String>>;

fn names(asked: &Asked, kind: Kind) -> Result<String, Fault> {
    asked.get(&kind).map_or_else(|| Ok("[]".to_owned()), |names| to_json("key", names))
}

async fn organization(
    connection: &mut SqliteConnection,
    home: &Home,
    asked: &Asked,
) -> Result<Answer, Fault> {
    let (home, itself) = (home.to_string(), asked.contains_key(&Kind::Organization));
    let (accounts, members) = (names(asked, Kind::Account)?, names(asked, Kind::Member)?);
    let api_keys = names(asked, Kind::ApiKey)?;
    let answer = query_as!(
        Answer,
        r#"SELECT CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "clock!: i64",
            h.seq AS "seq?: i64", h.time AS "time?: i64", hex(h.hash) AS "hash?: String",
            (SELECT json_group_array(json_object('id', hex(id), 'external_id', external_id, 'name', name, 'slug', slug,
                'status', status, 'owner_id', hex(owner_id), 'purchased', purchased, 'settings', settings,
                'traits', traits, 'posts', posts, 'created_at', created_at, 'version', hex(version)))
                FROM organizations t WHERE t.home = h.home AND ?) AS "first!: String",
            (SELECT json_group_array(json_object('id', hex(id), 'external_id', external_id, 'name', name,
                'status', status, 'traits', traits, 'posts', posts, 'created_at', created_at, 'version', hex(version)))
                FROM accounts t WHERE t.home = h.home AND t.id IN (SELECT unhex(value) FROM json_each(?))
            ) AS "second!: String",
            (SELECT json_group_array(json_object('user_id', hex(user_id), 'status', status,
                'organization_role', organization_role, 'starts_at', starts_at, 'expires_at', expires_at,
                'joined_at', joined_at, 'left_at', left_at, 'cut_at', cut_at, 'deleted_at', deleted_at, 'epoch', epoch, 'email', email, 'name', name,
                'external_id', external_id, 'version', hex(version), 'accounts', coalesce((
                    SELECT '' || json_group_array(json_array(hex(a.account_id), a.role)) FROM member_access a
                    WHERE a.home = t.home AND a.user_id = t.user_id), '[]')))
                FROM members t WHERE t.home = h.home AND t.user_id IN (SELECT unhex(value) FROM json_each(?))
            ) AS "third!: String",
            (SELECT json_group_array(json_object('id', hex(id), 'name', name, 'organization_role', organization_role,
                'secret_hash', hex(secret_hash), 'prefix', prefix, 'expires_at', expires_at, 'created_at', created_at,
                'user_id', CASE WHEN user_id IS NOT NULL THEN hex(user_id) END, 'old_hash', hex(old_hash),
                'old_until', old_until, 'version', hex(version), 'accounts', coalesce((
                    SELECT '' || json_group_array(json_array(hex(a.account_id), a.role)) FROM api_key_access a
                    WHERE a.home = t.home AND a.key_id = t.id), '[]')))
                FROM api_keys t WHERE t.home = h.home AND t.id IN (SELECT unhex(value) FROM json_each(?))
            ) AS "fourth!: String"
        FROM (SELECT 1) LEFT JOIN homes h ON h.name = ?"#,
        itself,
        accounts,
        members,
        api_keys,
        home
    );
    Ok(answer.fetch_one(connection).await?)
}

async fn user(connection: &mut SqliteConnection, home: &Home, asked: &Asked) -> Result<Answer, Fault> {
    let (home, itself) = (home.to_string(), asked.contains_key(&Kind::User));
    let memberships = names(asked, Kind::Membership)?;
    let answer = query_as!(
        Answer,
        r#"SELECT CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "clock!: i64",
            h.seq AS "seq?: i64", h.time AS "time?: i64", hex(h.hash) AS "hash?: String",
            (SELECT json_group_array(json_object('id', hex(id), 'external_id', external_id, 'email', email, 'name', name,
                'status', status, 'suspended_at', suspended_at, 'traits', traits, 'cuts', cuts, 'cut_at', cut_at, 'created_at', created_at, 'version', hex(version)))
                FROM users t WHERE t.home = h.home AND ?) AS "first!: String",
            (SELECT json_group_array(json_object('organization_id', hex(organization_id), 'version', hex(version)))
                FROM memberships t WHERE t.home = h.home
                AND t.organization_id IN (SELECT unhex(value) FROM json_each(?))) AS "second!: String",
            '' AS "third!: String", '' AS "fourth!: String"
        FROM (SELECT 1) LEFT JOIN homes h ON h.name = ?"#,
        itself,
        memberships,
        home
    );
    Ok(answer.fetch_one(connection).await?)
}
