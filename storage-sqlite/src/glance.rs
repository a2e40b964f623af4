//! The reads that requests begin with: those that wait go together, by one statement, which is a snapshot by itself and one
//! journey to the connection's thread. Whatever else is asked for is read kind by kind within a transaction.

use std::collections::BTreeMap;

use roster_core::home::{Home, Key};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock, Stored};
use roster_core::time::Timestamp;
use serde::Serialize;
use sqlx::{SqliteConnection, query_as};

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::read::by_kind;
use crate::row::{bad, hash, to_json};

/// What is asked of a home.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    home: Home,
    keys: Vec<Key>,
}

/// The kinds of records that a glance takes in, in the order in which they are answered.
const OF_ORGANIZATION: &[Kind] = &[Kind::Organization, Kind::Account, Kind::Member, Kind::ApiKey];
const OF_USER: &[Kind] = &[Kind::User, Kind::Membership];

/// A glance in the form that the statement reads.
#[derive(Serialize)]
struct Ask {
    place: usize,
    home: String,
    itself: bool,
    /// The names of the other kinds' records.
    second: Vec<String>,
    third: Vec<String>,
    fourth: Vec<String>,
}

/// One answer. Records are JSON, those of a kind in one array.
struct Answer {
    place: u32,
    clock: i64,
    seq: Option<i64>,
    time: Option<i64>,
    hash: Option<String>,
    first: String,
    second: String,
    third: String,
    fourth: String,
}

impl Glance {
    /// Nothing where more is asked for.
    pub(crate) fn of(home: &Home, keys: &[Key]) -> Option<Self> {
        let seen = seen(home);
        let enough = !seen.is_empty() && keys.iter().all(|key| seen.contains(&Kind::of(key).0));
        enough.then(|| Self { home: home.clone(), keys: keys.to_vec() })
    }

    fn ask(&self, place: usize) -> Ask {
        let (seen, mut asked) = (seen(&self.home), by_kind(&self.keys));
        let mut names = |n: usize| seen.get(n).and_then(|kind| asked.remove(kind));
        Ask {
            place,
            home: self.home.to_string(),
            itself: names(0).is_some(),
            second: names(1).unwrap_or_default(),
            third: names(2).unwrap_or_default(),
            fourth: names(3).unwrap_or_default(),
        }
    }
}

const fn seen(home: &Home) -> &'static [Kind] {
    match home {
        Home::Organization(_) => OF_ORGANIZATION,
        Home::User(_) => OF_USER,
        _ => &[],
    }
}

/// Answers of `read` without tallies, in the order of the questions. A record that cannot be read fails its own question only.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    glances: &[Glance],
) -> Result<Vec<Result<Read, Fault>>, Fault> {
    let asks = glances.iter().enumerate().map(|(place, glance)| glance.ask(place));
    let (organizations, users): (Vec<_>, Vec<_>) =
        asks.partition(|ask| matches!(glances[ask.place].home, Home::Organization(_)));
    let (organizations, users) = (to_json("asks", &organizations)?, to_json("asks", &users)?);
    let mut found: Vec<Option<Answer>> = glances.iter().map(|_| None).collect();
    for answer in answers(connection, organizations, users).await? {
        let place = usize::try_from(answer.place).map_err(|error| bad("place", error))?;
        *found.get_mut(place).ok_or_else(|| bad("place", place))? = Some(answer);
    }
    let each = glances.iter().zip(found).map(|(glance, answer)| {
        answer.ok_or_else(|| bad("place", "an answer is missing"))?.read(clock, &glance.home)
    });
    Ok(each.collect())
}

impl Answer {
    fn read(self, clock: &StoreClock, home: &Home) -> Result<Read, Fault> {
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
        for (kind, rows) in seen(home).iter().zip([self.first, self.second, self.third, self.fourth]) {
            let found: Vec<Stored> = kind::decode(*kind, &rows)?;
            records.extend(found.into_iter().map(|stored| (stored.record.key(), stored)));
        }
        Ok(Read { clock, head, records, tallies: BTreeMap::new() })
    }
}

/// Records are looked up by the names that are asked for, one after the other: the planner does not know that they are few.
async fn answers(
    connection: &mut SqliteConnection,
    organizations: String,
    users: String,
) -> Result<Vec<Answer>, Fault> {
    let answers = query_as!(
        Answer,
        r#"SELECT ask.value ->> 'place' AS "place!: u32",
            CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "clock!: i64",
            h.seq AS "seq?: i64", h.time AS "time?: i64", hex(h.hash) AS "hash?: String",
            (SELECT json_group_array(json_object('id', hex(id), 'external_id', external_id, 'name', name, 'slug', slug,
                'status', status, 'owner_id', hex(owner_id), 'purchased', purchased, 'settings', settings,
                'traits', traits, 'posts', posts, 'created_at', created_at, 'version', hex(version)))
                FROM organizations t WHERE t.home = h.home AND ask.value ->> 'itself') AS "first!: String",
            (SELECT json_group_array(json_object('id', hex(t.id), 'external_id', t.external_id, 'name', t.name,
                'status', t.status, 'traits', t.traits, 'posts', t.posts, 'created_at', t.created_at,
                'version', hex(t.version)))
                FROM json_each(ask.value, '$.second') n CROSS JOIN accounts t ON t.home = h.home AND t.id = unhex(n.value)
            ) AS "second!: String",
            (SELECT json_group_array(json_object('user_id', hex(t.user_id), 'status', t.status,
                'organization_role', t.organization_role, 'starts_at', t.starts_at, 'expires_at', t.expires_at,
                'joined_at', t.joined_at, 'left_at', t.left_at, 'cut_at', t.cut_at, 'deleted_at', t.deleted_at,
                'epoch', t.epoch, 'email', t.email, 'name', t.name, 'external_id', t.external_id,
                'version', hex(t.version), 'accounts', coalesce((
                    SELECT '' || json_group_array(json_array(hex(a.account_id), a.role)) FROM member_access a
                    WHERE a.home = t.home AND a.user_id = t.user_id), '[]')))
                FROM json_each(ask.value, '$.third') n
                CROSS JOIN members t ON t.home = h.home AND t.user_id = unhex(n.value)) AS "third!: String",
            (SELECT json_group_array(json_object('id', hex(t.id), 'name', t.name, 'organization_role', t.organization_role,
                'secret_hash', hex(t.secret_hash), 'prefix', t.prefix, 'expires_at', t.expires_at,
                'created_at', t.created_at, 'user_id', CASE WHEN t.user_id IS NOT NULL THEN hex(t.user_id) END,
                'old_hash', hex(t.old_hash), 'old_until', t.old_until, 'version', hex(t.version), 'accounts', coalesce((
                    SELECT '' || json_group_array(json_array(hex(a.account_id), a.role)) FROM api_key_access a
                    WHERE a.home = t.home AND a.key_id = t.id), '[]')))
                FROM json_each(ask.value, '$.fourth') n CROSS JOIN api_keys t ON t.home = h.home AND t.id = unhex(n.value)
            ) AS "fourth!: String"
        FROM json_each(?) ask LEFT JOIN homes h ON h.name = ask.value ->> 'home'
        UNION ALL
        SELECT ask.value ->> 'place', CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER),
            h.seq, h.time, hex(h.hash),
            (SELECT json_group_array(json_object('id', hex(id), 'external_id', external_id, 'email', email, 'name', name,
                'status', status, 'suspended_at', suspended_at, 'traits', traits, 'cuts', cuts, 'cut_at', cut_at,
                'created_at', created_at, 'version', hex(version)))
                FROM users t WHERE t.home = h.home AND ask.value ->> 'itself'),
            (SELECT json_group_array(json_object('organization_id', hex(t.organization_id), 'version', hex(t.version)))
                FROM json_each(ask.value, '$.second') n
                CROSS JOIN memberships t ON t.home = h.home AND t.organization_id = unhex(n.value)), '[]', '[]'
        FROM json_each(?) ask LEFT JOIN homes h ON h.name = ask.value ->> 'home'"#,
        organizations,
        users
    );
    Ok(answers.fetch_all(connection).await?)
}
