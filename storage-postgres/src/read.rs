//! Records, tallies and the log head of one home, in one statement, so in one snapshot and one round trip.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Tally};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock, Stored};
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};

use crate::error::Fault;
use crate::kind::{self, Kind, Names};
use crate::row::{bad, exact, from_hex_some, from_json, parse};
use crate::{list, log};

/// What a row holds that is no record.
const HEAD: i32 = -1;
const TALLY: i32 = -2;

/// One row of the answer, in JSON: columns differ by kind.
struct Line {
    what: i32,
    row: String,
}

/// The clock, and the end of the home's log if it has one.
#[derive(Deserialize)]
struct HeadRow {
    clock: i64,
    seq: Option<i64>,
    time: Option<i64>,
    #[serde(deserialize_with = "from_hex_some")]
    hash: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct TallyRow {
    tally: String,
    sum: i64,
}

/// An answer of `read`.
pub(crate) async fn read(
    connection: &mut PgConnection,
    clock: &StoreClock,
    home: &Home,
    keys: &[Key],
    tallies: &[Tally],
) -> Result<Read, Fault> {
    let asked = Asked::new(keys, tallies);
    let lines = match home {
        Home::Organization(_) => organization(connection, home, &asked).await?,
        Home::User(_) => user(connection, home, &asked).await?,
        Home::Deployment | Home::Stream(..) | Home::Activity(_) | Home::Outbox(_) | Home::Webhooks(_) => {
            deployment(connection, home, &asked).await?
        }
        Home::Claim(_) | Home::Directory(..) => pointers(connection, home, &asked).await?,
        Home::Feed => feed(connection, home, &asked).await?,
    };
    let mut read = Read {
        clock: Timestamp::EPOCH,
        head: Head::start(home),
        records: BTreeMap::new(),
        tallies: tallies.iter().map(|tally| (*tally, 0)).collect(),
    };
    for Line { what, row } in lines {
        match what {
            HEAD => from_json::<HeadRow>("head", &row)?.read_into(&mut read)?,
            TALLY => {
                let TallyRow { tally, sum } = from_json("tally", &row)?;
                let tally = Tally::from_name(&tally).ok_or_else(|| bad("tally", &tally))?;
                read.tallies.entry(tally).and_modify(|kept| *kept = sum);
            }
            number => {
                let stored = kind::decode(Kind::of_number(number)?, &row)?;
                read.records.insert(stored.record.key(), stored);
            }
        }
    }
    if let StoreClock::Given(clock) = clock {
        read.clock = clock.now();
    }
    Ok(read)
}

impl HeadRow {
    fn read_into(self, read: &mut Read) -> Result<(), Fault> {
        read.clock = Timestamp::from_micros(self.clock);
        if let (Some(seq), Some(time), Some(hash)) = (self.seq, self.time, self.hash) {
            let seq = u64::try_from(seq).map_err(|error| bad("seq", error))?;
            read.head = Head { seq, time: Timestamp::from_micros(time), hash: exact("hash", hash)? };
        }
        Ok(())
    }
}

/// The names that are asked for, by kind.
struct Asked {
    names: BTreeMap<Kind, Names>,
    tallies: Vec<String>,
}

impl Asked {
    fn new(keys: &[Key], tallies: &[Tally]) -> Self {
        let mut names: BTreeMap<Kind, Names> = BTreeMap::new();
        for key in keys {
            names.entry(Kind::of(key)).or_default().add(key);
        }
        Self { names, tallies: tallies.iter().map(|tally| tally.name().into_owned()).collect() }
    }

    fn has(&self, kind: Kind) -> bool {
        self.names.contains_key(&kind)
    }

    fn of(&self, kind: Kind) -> Names {
        self.names.get(&kind).cloned().unwrap_or_default()
    }
}

async fn organization(connection: &mut PgConnection, home: &Home, asked: &Asked) -> Result<Vec<Line>, Fault> {
    let lines = query_as!(
        Line,
        r#"WITH place AS MATERIALIZED (SELECT home, seq, time, hash FROM homes WHERE name = $1)
        SELECT -1 AS "what!", row_to_json(r)::text AS "row!" FROM (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, seq, time,
                encode(hash, 'hex') AS hash FROM (VALUES (1)) one LEFT JOIN place ON true) r
        UNION ALL SELECT -2, row_to_json(r)::text FROM (
            SELECT tally, sum FROM tallies JOIN place USING (home) WHERE tally = ANY ($2)) r
        UNION ALL SELECT 0, row_to_json(r)::text FROM (
            SELECT id, external_id, name, slug, status, owner_id, purchased, settings, traits, posts, created_at, version
            FROM organizations JOIN place USING (home) WHERE $3) r
        UNION ALL SELECT 1, row_to_json(r)::text FROM (
            SELECT id, external_id, name, status, traits, posts, created_at, version
            FROM accounts JOIN place USING (home) WHERE id = ANY ($4)) r
        UNION ALL SELECT 2, row_to_json(r)::text FROM (
            SELECT external_id, account_id, version
            FROM account_external_ids JOIN place USING (home) WHERE external_id = ANY ($5)) r
        UNION ALL SELECT 3, row_to_json(r)::text FROM (
            SELECT user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, deleted_at, epoch, email,
                name, external_id, version, coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text
                FROM member_access a WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS accounts
            FROM members m JOIN place USING (home) WHERE user_id = ANY ($6)) r
        UNION ALL SELECT 4, row_to_json(r)::text FROM (
            SELECT id, name, organization_role, encode(secret_hash, 'hex') AS secret_hash, prefix, expires_at,
                user_id, encode(old_hash, 'hex') AS old_hash, old_until, created_at, version, coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text
                FROM api_key_access a WHERE a.home = k.home AND a.key_id = k.id), '[]') AS accounts
            FROM api_keys k JOIN place USING (home) WHERE id = ANY ($7)) r
        UNION ALL SELECT 5, row_to_json(r)::text FROM (
            SELECT id, from_user_id, to_user_id, previous_owner_role, state, expires_at, created_at, version
            FROM transfers JOIN place USING (home) WHERE id = ANY ($8)) r
        UNION ALL SELECT 11, row_to_json(r)::text FROM (
            SELECT encode(id, 'hex') AS id, encode(digest, 'hex') AS digest, encode(seed, 'hex') AS seed, seed_millis,
                encode(answer, 'hex') AS answer, created_at, version
            FROM receipts JOIN place USING (home) WHERE id = ANY ($9)) r
        UNION ALL SELECT 12, row_to_json(r)::text FROM (
            SELECT id, name, permissions, replaced_by, created_at, version
            FROM roles JOIN place USING (home) WHERE id = ANY ($10)) r
        UNION ALL SELECT 16, row_to_json(r)::text FROM (
            SELECT id, email, name, organization_role, status, invited_by, holds_seat, link, life, sent_at, expires_at,
                created_at, accepted_by, ended_at, version,
                coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text
                FROM invitation_access a WHERE a.home = i.home AND a.invitation_id = i.id), '[]') AS accounts
            FROM invitations i JOIN place USING (home) WHERE id = ANY ($11)) r
        UNION ALL SELECT 17, row_to_json(r)::text FROM (
            SELECT address, invitation_id, version
            FROM invited_addresses JOIN place USING (home) WHERE address = ANY ($12)) r
        UNION ALL SELECT 18, row_to_json(r)::text FROM (
            SELECT name, encode(content, 'hex') AS content, version
            FROM documents JOIN place USING (home) WHERE name = ANY ($13)) r
        UNION ALL SELECT 19, row_to_json(r)::text FROM (
            SELECT id, kind, kind_number, external_id, owner_id, after_number, account_id, title, created_at, version
            FROM holdings JOIN place USING (home) WHERE name = ANY ($14)) r"#,
        home.to_string(),
        &asked.tallies,
        asked.has(Kind::Organization),
        &asked.of(Kind::Account).ids,
        &asked.of(Kind::AccountExternalId).texts,
        &asked.of(Kind::Member).ids,
        &asked.of(Kind::ApiKey).ids,
        &asked.of(Kind::Transfer).ids,
        &asked.of(Kind::Receipt).bytes,
        &asked.of(Kind::Role).ids,
        &asked.of(Kind::Invitation).ids,
        &asked.of(Kind::InvitedAddress).texts,
        &asked.of(Kind::Document).texts,
        &asked.of(Kind::Holding).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

async fn user(connection: &mut PgConnection, home: &Home, asked: &Asked) -> Result<Vec<Line>, Fault> {
    let lines = query_as!(
        Line,
        r#"WITH place AS MATERIALIZED (SELECT home, seq, time, hash FROM homes WHERE name = $1)
        SELECT -1 AS "what!", row_to_json(r)::text AS "row!" FROM (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, seq, time,
                encode(hash, 'hex') AS hash FROM (VALUES (1)) one LEFT JOIN place ON true) r
        UNION ALL SELECT -2, row_to_json(r)::text FROM (
            SELECT tally, sum FROM tallies JOIN place USING (home) WHERE tally = ANY ($2)) r
        UNION ALL SELECT 6, row_to_json(r)::text FROM (
            SELECT id, external_id, email, name, status, suspended_at, traits, cuts, cut_at, created_at, version
            FROM users JOIN place USING (home) WHERE $3) r
        UNION ALL SELECT 7, row_to_json(r)::text FROM (
            SELECT organization_id, version FROM memberships JOIN place USING (home)
            WHERE organization_id = ANY ($4)) r
        UNION ALL SELECT 11, row_to_json(r)::text FROM (
            SELECT encode(id, 'hex') AS id, encode(digest, 'hex') AS digest, encode(seed, 'hex') AS seed, seed_millis,
                encode(answer, 'hex') AS answer, created_at, version
            FROM receipts JOIN place USING (home) WHERE id = ANY ($5)) r
        UNION ALL SELECT 13, row_to_json(r)::text FROM (
            SELECT password_hash, generation, set_by, changed_at, version
            FROM credentials JOIN place USING (home) WHERE $6) r
        UNION ALL SELECT 14, row_to_json(r)::text FROM (
            SELECT id, encode(secret_hash, 'hex') AS secret_hash, generation, created_at, last_used_at, expires_at, version
            FROM sessions JOIN place USING (home) WHERE id = ANY ($7)) r
        UNION ALL SELECT 15, row_to_json(r)::text FROM (
            SELECT id, created_at, expires_at, used_at, version
            FROM password_resets JOIN place USING (home) WHERE $8) r
        UNION ALL SELECT 18, row_to_json(r)::text FROM (
            SELECT name, encode(content, 'hex') AS content, version
            FROM documents JOIN place USING (home) WHERE name = ANY ($9)) r"#,
        home.to_string(),
        &asked.tallies,
        asked.has(Kind::User),
        &asked.of(Kind::Membership).ids,
        &asked.of(Kind::Receipt).bytes,
        asked.has(Kind::Credential),
        &asked.of(Kind::Session).ids,
        asked.has(Kind::PasswordReset),
        &asked.of(Kind::Document).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

async fn deployment(connection: &mut PgConnection, home: &Home, asked: &Asked) -> Result<Vec<Line>, Fault> {
    let lines = query_as!(
        Line,
        r#"WITH place AS MATERIALIZED (SELECT home, seq, time, hash FROM homes WHERE name = $1)
        SELECT -1 AS "what!", row_to_json(r)::text AS "row!" FROM (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, seq, time,
                encode(hash, 'hex') AS hash FROM (VALUES (1)) one LEFT JOIN place ON true) r
        UNION ALL SELECT -2, row_to_json(r)::text FROM (
            SELECT tally, sum FROM tallies JOIN place USING (home) WHERE tally = ANY ($2)) r
        UNION ALL SELECT 8, row_to_json(r)::text FROM (
            SELECT id, name, encode(secret_hash, 'hex') AS secret_hash, prefix, created_at, version
            FROM operator_keys JOIN place USING (home) WHERE id = ANY ($3)) r
        UNION ALL SELECT 11, row_to_json(r)::text FROM (
            SELECT encode(id, 'hex') AS id, encode(digest, 'hex') AS digest, encode(seed, 'hex') AS seed, seed_millis,
                encode(answer, 'hex') AS answer, created_at, version
            FROM receipts JOIN place USING (home) WHERE id = ANY ($4)) r
        UNION ALL SELECT 18, row_to_json(r)::text FROM (
            SELECT name, encode(content, 'hex') AS content, version
            FROM documents JOIN place USING (home) WHERE name = ANY ($5)) r"#,
        home.to_string(),
        &asked.tallies,
        &asked.of(Kind::OperatorKey).ids,
        &asked.of(Kind::Receipt).bytes,
        &asked.of(Kind::Document).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

/// Claims and parts of directories.
async fn pointers(connection: &mut PgConnection, home: &Home, asked: &Asked) -> Result<Vec<Line>, Fault> {
    let lines = query_as!(
        Line,
        r#"WITH place AS MATERIALIZED (SELECT home, seq, time, hash FROM homes WHERE name = $1)
        SELECT -1 AS "what!", row_to_json(r)::text AS "row!" FROM (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, seq, time,
                encode(hash, 'hex') AS hash FROM (VALUES (1)) one LEFT JOIN place ON true) r
        UNION ALL SELECT -2, row_to_json(r)::text FROM (
            SELECT tally, sum FROM tallies JOIN place USING (home) WHERE tally = ANY ($2)) r
        UNION ALL SELECT 9, row_to_json(r)::text FROM (
            SELECT target_kind, target_id, since, version FROM claims JOIN place USING (home) WHERE $3) r
        UNION ALL SELECT 10, row_to_json(r)::text FROM (
            SELECT kind, id, search, active, version FROM directory_entries JOIN place USING (home)
            WHERE id = ANY ($4)) r"#,
        home.to_string(),
        &asked.tallies,
        asked.has(Kind::Claim),
        &asked.of(Kind::DirectoryEntry).ids
    );
    Ok(lines.fetch_all(connection).await?)
}

async fn feed(connection: &mut PgConnection, home: &Home, asked: &Asked) -> Result<Vec<Line>, Fault> {
    let lines = query_as!(
        Line,
        r#"WITH place AS MATERIALIZED (SELECT home, seq, time, hash FROM homes WHERE name = $1)
        SELECT -1 AS "what!", row_to_json(r)::text AS "row!" FROM (
            SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, seq, time,
                encode(hash, 'hex') AS hash FROM (VALUES (1)) one LEFT JOIN place ON true) r
        UNION ALL SELECT 90, row_to_json(r)::text FROM (
            SELECT t.name, t.reached, t.at, t.spans, t.version FROM place CROSS JOIN UNNEST($2::text[]) AS asked (name)
            CROSS JOIN LATERAL (SELECT * FROM feed_lines f WHERE f.home = place.home AND f.name = asked.name LIMIT 1) t
            ) r"#,
        home.to_string(),
        &asked.of(Kind::Feed).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

/// An answer of `ends`.
pub(crate) async fn ends(
    connection: &mut PgConnection,
    after: &Home,
    limit: u16,
) -> Result<Vec<(Home, u64)>, Fault> {
    let (after, limit) = (after.to_string(), i64::from(limit));
    let rows = query!(
        "SELECT name, seq FROM homes WHERE name > $1 AND seq > 0 ORDER BY name LIMIT $2",
        after,
        limit
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    let end = |seq| u64::try_from(seq).map_err(|error| bad("seq", error));
    rows.map(|row| Ok((parse("name", &row.name)?, end(row.seq)?))).collect()
}

/// An answer of `homes`: those with an entry or a record.
pub(crate) async fn homes(
    connection: &mut PgConnection,
    after: Option<&Home>,
    limit: u16,
) -> Result<Vec<Home>, Fault> {
    let (after, limit) = (after.map(ToString::to_string).unwrap_or_default(), i64::from(limit));
    let names = query_scalar!(
        "SELECT name FROM homes h
         WHERE name > $1 AND (seq > 0 OR EXISTS (SELECT 1 FROM claims c WHERE c.home = h.home)
             OR EXISTS (SELECT 1 FROM directory_entries d WHERE d.home = h.home)
             OR EXISTS (SELECT 1 FROM feed_lines f WHERE f.home = h.home)
             OR EXISTS (SELECT 1 FROM documents o WHERE o.home = h.home))
         ORDER BY name LIMIT $2",
        after,
        limit
    );
    names.fetch_all(connection).await?.iter().map(|name| parse("name", name)).collect()
}

/// An answer of `missing`.
pub(crate) async fn missing(connection: &mut PgConnection, homes: &[Home]) -> Result<BTreeSet<Home>, Fault> {
    let asked: Vec<String> = homes.iter().map(ToString::to_string).collect();
    let there = query_scalar!("SELECT name FROM homes WHERE name = ANY($1)", &asked);
    let there: BTreeSet<String> = there.fetch_all(connection).await?.into_iter().collect();
    Ok(homes.iter().filter(|home| !there.contains(&home.to_string())).cloned().collect())
}

/// An answer of `without_receipts`.
pub(crate) async fn without_receipts(
    connection: &mut PgConnection,
    homes: &[Home],
) -> Result<BTreeSet<Home>, Fault> {
    let asked: Vec<String> = homes.iter().map(ToString::to_string).collect();
    let holding = query_scalar!(
        "SELECT name FROM homes h WHERE name = ANY($1)
         AND EXISTS (SELECT 1 FROM receipts r WHERE r.home = h.home)",
        &asked
    );
    let holding: BTreeSet<String> = holding.fetch_all(connection).await?.into_iter().collect();
    Ok(homes.iter().filter(|home| !holding.contains(&home.to_string())).cloned().collect())
}

/// An answer of `records`: kinds come in the order of their keys, and within a kind names sort as keys do.
pub(crate) async fn records(
    connection: &mut PgConnection,
    home: &Home,
    after: Option<&Key>,
    limit: u16,
) -> Result<Vec<Stored>, Fault> {
    let mut found = Vec::new();
    let Some(place) = log::place(connection, home).await? else {
        return Ok(found);
    };
    let after = after.map(|key| {
        let mut name = Names::default();
        name.add(key);
        (Kind::of(key), name)
    });
    for kind in Kind::of_home(home) {
        let name = match &after {
            Some((passed, _)) if passed > kind => continue,
            Some((same, name)) if same == kind => Some(name),
            Some(_) | None => None,
        };
        let room = i64::from(limit) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        let Some(names) = list::names(connection, place.home, *kind, name, room).await? else {
            continue;
        };
        let mut records = kind::load(connection, place.home, *kind, &names).await?;
        records.sort_by_cached_key(|stored| stored.record.key());
        found.extend(records);
    }
    Ok(found)
}
