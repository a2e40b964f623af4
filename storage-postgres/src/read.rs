//! Records, tallies and the log head of one home, in one snapshot.

use std::collections::BTreeMap;

use roster_core::home::{Home, Key, Tally};
use roster_core::log::Head;
use roster_core::store::{Read, StoreClock};
use sqlx::{PgConnection, query_scalar};

use crate::error::Fault;
use crate::kind::{self, Kind, Names};
use crate::row::parse;
use crate::{commit, log};

/// An answer of `read`.
pub(crate) async fn read(
    connection: &mut PgConnection,
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
    let Some(place) = place else { return Ok(read) };
    for (kind, names) in by_kind(keys) {
        for stored in kind::load(connection, place.home, kind, &names).await? {
            read.records.insert(stored.record.key(), stored);
        }
    }
    if !tallies.is_empty() {
        let kept = commit::tallies(connection, place.home).await?;
        for (tally, sum) in &mut read.tallies {
            *sum = kept.get(tally.name()).copied().unwrap_or(0);
        }
    }
    Ok(read)
}

/// The names to load of each kind.
fn by_kind(keys: &[Key]) -> BTreeMap<Kind, Names> {
    let mut names: BTreeMap<Kind, Names> = BTreeMap::new();
    for key in keys {
        names.entry(Kind::of(key)).or_default().add(key);
    }
    names
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
             OR EXISTS (SELECT 1 FROM directory_entries d WHERE d.home = h.home))
         ORDER BY name LIMIT $2",
        after,
        limit
    );
    names.fetch_all(connection).await?.iter().map(|name| parse("name", name)).collect()
}
