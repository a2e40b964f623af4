//! Change sets within the writer's transaction. One statement reads all that the checks need; the sets are judged in
//! memory, in the contract's order, each on what those before it leave; then what is left of them is written.

use std::collections::BTreeMap;

use roster_core::home::Tally;
use roster_core::id::CommitId;
use roster_core::judge::{Change, Ground};
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock};
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};

use crate::error::Fault;
use crate::log::{self, Place};
use crate::{kind, standing};

/// How long a commit of a home without a log can be found again: 49 hours, in seconds.
const KEPT_SECONDS: i64 = 49 * 3600;

/// How a set ended.
pub(crate) type Outcome = Result<Committed, CommitError>;

/// Applies sets within an open transaction, each wholly or not at all, with an outcome each. After a fault nothing is
/// as it should be, and the transaction must be undone.
pub(crate) async fn apply(
    connection: &mut SqliteConnection,
    sets: &[ChangeSet],
    clock: &StoreClock,
) -> Result<Vec<Outcome>, Fault> {
    let (mut ground, now) = standing::read(connection, sets, clock).await?;
    let outcomes = sets.iter().map(|set| ground.judge(set, now)).collect();
    write(connection, ground, now).await?;
    Ok(outcomes)
}

/// What is left of the sets.
async fn write(connection: &mut SqliteConnection, ground: Ground<'_>, now: Timestamp) -> Result<(), Fault> {
    for site in ground.sites.into_values() {
        let home = site.number;
        for (key, change) in &site.changed {
            match change {
                Change::Put(commit, record) => kind::put(connection, home, *commit, record).await?,
                Change::Remove => kind::remove(connection, home, key).await?,
            }
        }
        let sums = site.counted.iter().map(|tally| (*tally, site.tallies[tally])).collect();
        put_sums(connection, home, &sums).await?;
        for appended in &site.entries {
            let place = Place { home, head: appended.head };
            log::append(connection, place, appended.commit, appended.entry).await?;
        }
        for commit in site.without_entry {
            remember(connection, home, commit, now).await?;
        }
    }
    Ok(())
}

/// How a tally stands.
pub(crate) async fn sum(connection: &mut SqliteConnection, home: i64, tally: Tally) -> Result<i64, Fault> {
    let name = tally.name();
    let sum = query_scalar!("SELECT sum FROM tallies WHERE home = ? AND tally = ?", home, name);
    Ok(sum.fetch_optional(connection).await?.unwrap_or(0))
}

/// Puts tallies.
pub(crate) async fn put_sums(
    connection: &mut SqliteConnection,
    home: i64,
    sums: &BTreeMap<Tally, i64>,
) -> Result<(), Fault> {
    for (tally, sum) in sums {
        let name = tally.name();
        query!(
            "INSERT INTO tallies (home, tally, sum) VALUES (?, ?, ?)
             ON CONFLICT (home, tally) DO UPDATE SET sum = excluded.sum",
            home,
            name,
            sum
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Where there is no log, a commit is remembered beside the records; the oldest are let go a few at a time.
async fn remember(
    connection: &mut SqliteConnection,
    home: i64,
    commit: CommitId,
    now: Timestamp,
) -> Result<(), Fault> {
    let (id, at, forgotten) = (commit.uuid(), now.micros(), now.plus_seconds(-KEPT_SECONDS).micros());
    query!(
        "DELETE FROM commits WHERE (home, id) IN (SELECT home, id FROM commits WHERE at < ? ORDER BY at LIMIT 16)",
        forgotten
    )
    .execute(&mut *connection)
    .await?;
    query!("INSERT INTO commits (home, id, at) VALUES (?, ?, ?)", home, id, at).execute(connection).await?;
    Ok(())
}
