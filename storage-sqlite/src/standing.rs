//! What the checks of commits need to know, read by one statement: where the homes are, which of the commits were
//! applied, which versions guarded keys bear, how the tallies stand. Rarer kinds of records are asked for one by one.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Tally};
use roster_core::id::{AccountId, ApiKeyId, CommitId, OrganizationId, UserId};
use roster_core::judge::{Ground, Site};
use roster_core::log::Head;
use roster_core::store::{ChangeSet, StoreClock, Write};
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::log;
use crate::row::{bad, from_json, hash, to_json};

/// What is asked, each list in JSON.
#[derive(Default)]
struct Question {
    homes: BTreeSet<String>,
    sent: Vec<(String, String)>,
    counting: BTreeSet<String>,
    /// Names of keys with their homes, by kind.
    names: BTreeMap<Kind, Vec<(String, String)>>,
    /// Keys of other kinds.
    rest: Vec<(Home, Key)>,
}

/// The answer: a column of JSON each.
struct Answer {
    clock: i64,
    places: String,
    applied: String,
    tallies: String,
    organizations: String,
    accounts: String,
    members: String,
    api_keys: String,
    users: String,
    memberships: String,
}

/// What a row's id names.
type ToKey = fn(Uuid) -> Key;

#[derive(Deserialize)]
struct PlaceRow(String, i64, i64, i64, String);

impl Question {
    fn new(sets: &[ChangeSet]) -> Self {
        let mut question = Self::default();
        let mut known = BTreeSet::new();
        for set in sets.iter().filter(|set| set.check().is_ok()) {
            let home = set.home.to_string();
            question.sent.push((home.clone(), set.id.uuid().simple().to_string()));
            if set.writes.iter().any(|write| matches!(write, Write::Add { .. })) {
                question.counting.insert(home.clone());
            }
            for key in set.guards.keys() {
                if known.insert((&set.home, key)) {
                    question.ask(&home, set, key);
                }
            }
            question.homes.insert(home);
        }
        question
    }

    fn ask(&mut self, home: &str, set: &ChangeSet, key: &Key) {
        match Kind::of(key) {
            (
                kind @ (Kind::Organization
                | Kind::Account
                | Kind::Member
                | Kind::ApiKey
                | Kind::User
                | Kind::Membership),
                name,
            ) => self.names.entry(kind).or_default().push((home.to_owned(), name)),
            _ => self.rest.push((set.home.clone(), key.clone())),
        }
    }

    fn of(&self, kind: Kind) -> Result<String, Fault> {
        self.names.get(&kind).map_or_else(|| Ok("[]".to_owned()), |names| to_json("key", names))
    }
}

/// What sets stand on. Homes that are not there are made. The instant that rules.
pub(crate) async fn read<'a>(
    connection: &mut SqliteConnection,
    sets: &[ChangeSet],
    clock: &StoreClock,
) -> Result<(Ground<'a>, Timestamp), Fault> {
    let question = Question::new(sets);
    let answer = answer(connection, &question).await?;
    let now =
        if let StoreClock::Given(clock) = clock { clock.now() } else { Timestamp::from_micros(answer.clock) };
    let mut ground = Ground::default();
    for PlaceRow(name, home, seq, time, hashed) in from_json::<Vec<PlaceRow>>("places", &answer.places)? {
        let seq = u64::try_from(seq).map_err(|error| bad("seq", error))?;
        let head = Head { seq, time: Timestamp::from_micros(time), hash: hash(&hashed)? };
        let place = name.parse::<Home>().map_err(|error| bad("name", error))?;
        ground.sites.insert(place, Site::new(home, head));
    }
    answer.fill(&mut ground)?;
    let mut new: Vec<&Home> = sets.iter().filter(|set| set.check().is_ok()).map(|set| &set.home).collect();
    new.retain(|home| !ground.sites.contains_key(*home));
    new.sort_unstable();
    new.dedup();
    if !new.is_empty() {
        for (home, place) in log::settle_in(connection, &new).await? {
            ground.sites.insert(home.clone(), Site::new(place.home, place.head));
        }
    }
    // What was made just now holds nothing.
    let rest = question.rest.into_iter().filter(|(home, _)| new.binary_search(&home).is_err());
    let (named, rest): (Vec<_>, Vec<_>) =
        rest.partition(|(_, key)| COME_IN_HUNDREDS.contains(&Kind::of(key).0));
    if !named.is_empty() {
        named_versions(connection, &mut ground, named).await?;
    }
    for (home, key) in rest {
        let Some(site) = ground.sites.get_mut(&home) else { continue };
        if let Some(version) = kind::version(connection, site.number, &key).await? {
            site.versions.insert(key, version);
        }
    }
    Ok((ground, now))
}

/// Kinds that come in hundreds where many people come in: asked for by one statement.
const COME_IN_HUNDREDS: [Kind; 5] =
    [Kind::DirectoryEntry, Kind::InvitedAddress, Kind::AccountExternalId, Kind::Document, Kind::Feed];

async fn named_versions(
    connection: &mut SqliteConnection,
    ground: &mut Ground<'_>,
    keys: Vec<(Home, Key)>,
) -> Result<(), Fault> {
    let mut asked: BTreeMap<(Kind, i64, String), (Home, Key)> = BTreeMap::new();
    for (home, key) in keys {
        if let Some(site) = ground.sites.get(&home) {
            let (kind, name) = Kind::of(&key);
            asked.insert((kind, site.number, name), (home, key));
        }
    }
    let of = |kind: Kind| {
        let some = asked.keys().filter(|(of, ..)| *of == kind);
        to_json("key", &some.map(|(_, home, name)| (home, name)).collect::<Vec<_>>())
    };
    let [entries, addresses, external_ids, documents, lines] = COME_IN_HUNDREDS.map(of);
    let (entries, addresses, external_ids, documents, lines) =
        (entries?, addresses?, external_ids?, documents?, lines?);
    let found = query_scalar!(
        r#"SELECT json_group_array(json_array(kind, home, name, hex(version))) AS "found!: String" FROM (
            SELECT 0 AS kind, t.home, lower(hex(t.id)) AS name, t.version FROM jsonb_each(?) a
                CROSS JOIN directory_entries t ON t.home = a.value ->> 0 AND t.id = unhex(a.value ->> 1)
            UNION ALL SELECT 1, t.home, t.address, t.version FROM jsonb_each(?) a
                CROSS JOIN invited_addresses t ON t.home = a.value ->> 0 AND t.address = a.value ->> 1
            UNION ALL SELECT 2, t.home, t.external_id, t.version FROM jsonb_each(?) a
                CROSS JOIN account_external_ids t ON t.home = a.value ->> 0 AND t.external_id = a.value ->> 1
            UNION ALL SELECT 3, t.home, t.name, t.version FROM jsonb_each(?) a
                CROSS JOIN documents t ON t.home = a.value ->> 0 AND t.name = a.value ->> 1
            UNION ALL SELECT 4, t.home, t.name, t.version FROM jsonb_each(?) a
                CROSS JOIN feed_lines t ON t.home = a.value ->> 0 AND t.name = a.value ->> 1)"#,
        entries,
        addresses,
        external_ids,
        documents,
        lines
    );
    let found = found.fetch_one(connection).await?;
    for (kind, home, name, version) in from_json::<Vec<(usize, i64, String, Uuid)>>("version", &found)? {
        let kind = *COME_IN_HUNDREDS.get(kind).ok_or_else(|| bad("kind", kind))?;
        if let Some((home, key)) = asked.remove(&(kind, home, name))
            && let Some(site) = ground.sites.get_mut(&home)
        {
            site.versions.insert(key, CommitId::from_uuid(version));
        }
    }
    Ok(())
}

impl Answer {
    fn fill(&self, ground: &mut Ground<'_>) -> Result<(), Fault> {
        let mut sites: BTreeMap<i64, &mut Site<'_>> =
            ground.sites.values_mut().map(|site| (site.number, site)).collect();
        for (home, id) in from_json::<Vec<(i64, Uuid)>>("applied", &self.applied)? {
            at(&mut sites, home)?.applied.insert(CommitId::from_uuid(id));
        }
        for (home, name, sum) in from_json::<Vec<(i64, String, i64)>>("tallies", &self.tallies)? {
            let tally = Tally::from_name(&name).ok_or_else(|| bad("tally", &name))?;
            at(&mut sites, home)?.tallies.insert(tally, sum);
        }
        let versions: [(&str, ToKey); 6] = [
            (&self.organizations, |_| Key::Organization),
            (&self.accounts, |id| Key::Account(AccountId::from_uuid(id))),
            (&self.members, |id| Key::Member(UserId::from_uuid(id))),
            (&self.api_keys, |id| Key::ApiKey(ApiKeyId::from_uuid(id))),
            (&self.users, |_| Key::User),
            (&self.memberships, |id| Key::Membership(OrganizationId::from_uuid(id))),
        ];
        for (rows, key) in versions {
            for (home, id, version) in from_json::<Vec<(i64, Uuid, Uuid)>>("version", rows)? {
                at(&mut sites, home)?.versions.insert(key(id), CommitId::from_uuid(version));
            }
        }
        Ok(())
    }
}

fn at<'s, 'a>(sites: &'s mut BTreeMap<i64, &mut Site<'a>>, home: i64) -> Result<&'s mut Site<'a>, Fault> {
    sites.get_mut(&home).map(|site| &mut **site).ok_or_else(|| bad("home", home))
}

async fn answer(connection: &mut SqliteConnection, question: &Question) -> Result<Answer, Fault> {
    let (homes, sent) = (to_json("home", &question.homes)?, to_json("id", &question.sent)?);
    let counting = to_json("home", &question.counting)?;
    let (organizations, accounts) = (question.of(Kind::Organization)?, question.of(Kind::Account)?);
    let (members, api_keys) = (question.of(Kind::Member)?, question.of(Kind::ApiKey)?);
    let (users, memberships) = (question.of(Kind::User)?, question.of(Kind::Membership)?);
    let answer = query_as!(
        Answer,
        r#"SELECT CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "clock!: i64",
        (SELECT json_group_array(json_array(name, home, seq, time, hex(hash))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value) AS "places!: String",
        (SELECT json_group_array(json_array(home, hex(id))) FROM (
            SELECT t.home, t.commit_id AS id FROM json_each(?) a CROSS JOIN homes h ON h.name = a.value ->> 0
                CROSS JOIN log t ON t.home = h.home AND t.commit_id = unhex(a.value ->> 1)
            UNION ALL SELECT t.home, t.id FROM json_each(?) a CROSS JOIN homes h ON h.name = a.value ->> 0
                CROSS JOIN commits t ON t.home = h.home AND t.id = unhex(a.value ->> 1)
        )) AS "applied!: String",
        (SELECT json_group_array(json_array(t.home, t.tally, t.sum)) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value CROSS JOIN tallies t ON t.home = h.home) AS "tallies!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0 CROSS JOIN organizations t ON t.home = h.home
        ) AS "organizations!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0
            CROSS JOIN accounts t ON t.home = h.home AND t.id = unhex(a.value ->> 1)) AS "accounts!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.user_id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0
            CROSS JOIN members t ON t.home = h.home AND t.user_id = unhex(a.value ->> 1)) AS "members!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0
            CROSS JOIN api_keys t ON t.home = h.home AND t.id = unhex(a.value ->> 1)) AS "api_keys!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0 CROSS JOIN users t ON t.home = h.home) AS "users!: String",
        (SELECT json_group_array(json_array(t.home, hex(t.organization_id), hex(t.version))) FROM json_each(?) a
            CROSS JOIN homes h ON h.name = a.value ->> 0
            CROSS JOIN memberships t ON t.home = h.home AND t.organization_id = unhex(a.value ->> 1)
        ) AS "memberships!: String""#,
        homes,
        sent,
        sent,
        counting,
        organizations,
        accounts,
        members,
        api_keys,
        users,
        memberships
    );
    Ok(answer.fetch_one(connection).await?)
}
