//! Records, tallies and the log head of one home, in one snapshot.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Tally};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock, Stored};
use sqlx::{SqliteConnection, query_scalar};

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::row::{from_json, parse, to_json};
use crate::{commit, list, log};

/// The number of no home.
const NOWHERE: i64 = 0;

/// An answer of `read`, after as many journeys whether the home is there or not, so that time tells less of who has an address
/// (I3, L8).
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    home: &Home,
    keys: &[Key],
    tallies: &[Tally],
) -> Result<Read, Fault> {
    let place = log::place(connection, home).await?;
    let mut read = Read {
        clock: log::now(connection, clock).await?,
        head: place.map_or_else(|| Head::start(home), |place| place.head),
        records: BTreeMap::new(),
        tallies: tallies.iter().map(|tally| (*tally, 0)).collect(),
    };
    let number = place.map_or(NOWHERE, |place| place.home);
    for (kind, names) in by_kind(keys) {
        for stored in kind::load(connection, number, kind, &to_json("key", &names)?).await? {
            read.records.insert(stored.record.key(), stored);
        }
    }
    for (tally, sum) in &mut read.tallies {
        *sum = commit::sum(connection, number, *tally).await?;
    }
    Ok(read)
}

/// An answer of `records`: kinds come in the order of their keys, and within a kind names sort as keys do.
pub(crate) async fn records(
    connection: &mut SqliteConnection,
    home: &Home,
    after: Option<&Key>,
    limit: u16,
) -> Result<Vec<Stored>, Fault> {
    let mut found = Vec::new();
    let Some(place) = log::place(connection, home).await? else {
        return Ok(found);
    };
    let after = after.map(Kind::of);
    for kind in Kind::of_home(home) {
        let name = match &after {
            Some((passed, _)) if passed > kind => continue,
            Some((same, name)) if same == kind => Some(name.as_str()),
            Some(_) | None => None,
        };
        let room = i64::from(limit) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        let Some(names) = list::names(connection, place.home, *kind, name, room).await? else {
            continue;
        };
        let mut records = kind::load(connection, place.home, *kind, &to_json("key", &names)?).await?;
        records.sort_by_cached_key(|stored| stored.record.key());
        found.extend(records);
    }
    Ok(found)
}

/// An answer of `missing`.
pub(crate) async fn missing(
    connection: &mut SqliteConnection,
    homes: &[Home],
) -> Result<BTreeSet<Home>, Fault> {
    let names = to_json("home", &homes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let names = query_scalar!(
        r#"SELECT json_group_array(value) AS "names!: String" FROM json_each(?)
           WHERE NOT EXISTS (SELECT 1 FROM homes WHERE name = value)"#,
        names
    );
    let names: Vec<String> = from_json("home", &names.fetch_one(connection).await?)?;
    names.iter().map(|name| parse("name", name)).collect()
}

/// An answer of `without_receipts`.
pub(crate) async fn without_receipts(
    connection: &mut SqliteConnection,
    homes: &[Home],
) -> Result<BTreeSet<Home>, Fault> {
    let names = to_json("home", &homes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let names = query_scalar!(
        r#"SELECT json_group_array(value) AS "names!: String" FROM json_each(?)
           WHERE NOT EXISTS (SELECT 1 FROM homes CROSS JOIN receipts USING (home) WHERE homes.name = value)"#,
        names
    );
    let names: Vec<String> = from_json("home", &names.fetch_one(connection).await?)?;
    names.iter().map(|name| parse("name", name)).collect()
}

/// The names to load of each kind.
pub(crate) fn by_kind(keys: &[Key]) -> BTreeMap<Kind, Vec<String>> {
    let mut names: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for key in keys {
        let (kind, name) = Kind::of(key);
        names.entry(kind).or_default().push(name);
    }
    names
}

/// An answer of `ends`.
pub(crate) async fn ends(
    connection: &mut SqliteConnection,
    after: &Home,
    limit: u16,
) -> Result<Vec<(Home, u64)>, Fault> {
    let (after, limit) = (after.to_string(), i64::from(limit));
    // Packed, since each row is a message from another thread.
    let ends = query_scalar!(
        r#"SELECT json_group_array(json_array(name, seq)) AS "ends!: String"
           FROM (SELECT name, seq FROM homes WHERE name > ? AND seq > 0 ORDER BY name LIMIT ?)"#,
        after,
        limit
    );
    let ends: Vec<(String, u64)> = from_json("ends", &ends.fetch_one(connection).await?)?;
    ends.into_iter().map(|(name, end)| Ok((parse("name", &name)?, end))).collect()
}

/// An answer of `homes`: those with an entry or a record.
pub(crate) async fn homes(
    connection: &mut SqliteConnection,
    after: Option<&Home>,
    limit: u16,
) -> Result<Vec<Home>, Fault> {
    let (after, limit) = (after.map(ToString::to_string).unwrap_or_default(), i64::from(limit));
    let names = query_scalar!(
        "SELECT name FROM homes h
         WHERE name > ? AND (seq > 0 OR EXISTS (SELECT 1 FROM claims c WHERE c.home = h.home)
             OR EXISTS (SELECT 1 FROM directory_entries d WHERE d.home = h.home)
             OR EXISTS (SELECT 1 FROM feed_lines f WHERE f.home = h.home)
             OR EXISTS (SELECT 1 FROM documents o WHERE o.home = h.home))
         ORDER BY name LIMIT ?",
        after,
        limit
    );
    names.fetch_all(connection).await?.iter().map(|name| parse("name", name)).collect()
}
