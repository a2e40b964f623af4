//! Change sets within one transaction. The homes' rows are locked before anything is read, so that what the checks see
//! cannot change before COMMIT. One statement reads all that the checks need; the sets are judged in memory, in the
//! contract's order, each on what those before it leave; what is left of them is written, many rows to a statement.

use std::collections::BTreeMap;

use roster_core::home::{Home, Tally};
use roster_core::id::CommitId;
use roster_core::judge::{Change, Ground, Site};
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Put};
use crate::log::{self, Place};
use crate::standing;

/// How long a commit of a home without a log can be found again: 49 hours, in seconds.
const KEPT_SECONDS: i64 = 49 * 3600;

/// How a set ended.
pub(crate) type Outcome = Result<Committed, CommitError>;

/// Applies sets within an open transaction, each wholly or not at all, with an outcome each. After a fault nothing is
/// as it should be, and the transaction must be undone.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    sets: &[ChangeSet],
    places: BTreeMap<Home, Place>,
    clock: &StoreClock,
) -> Result<Vec<Outcome>, Fault> {
    let site = |(home, place): (Home, Place)| (home, Site::new(place.home, place.head));
    let mut ground = Ground { sites: places.into_iter().map(site).collect() };
    let now = standing::read(connection, sets, &mut ground).await?;
    let now = if let StoreClock::Given(clock) = clock { clock.now() } else { now };
    let outcomes = sets.iter().map(|set| ground.judge(set, now)).collect();
    write(connection, ground, now).await?;
    Ok(outcomes)
}

/// What is left of the sets.
async fn write(connection: &mut PgConnection, ground: Ground<'_>, now: Timestamp) -> Result<(), Fault> {
    let (mut puts, mut removed) = (Vec::new(), Vec::new());
    let (mut sums, mut entries, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for site in ground.sites.into_values() {
        let home = site.number;
        for (key, change) in site.changed {
            match change {
                Change::Put(commit, it) => puts.push(Put { home, commit, it }),
                Change::Remove => removed.push((home, key)),
            }
        }
        sums.extend(site.counted.iter().map(|tally| (home, *tally, site.tallies[tally])));
        entries.extend(site.entries);
        others.extend(site.without_entry.into_iter().map(|commit| (home, commit)));
    }
    kind::remove_all(connection, &removed).await?;
    kind::put_all(connection, &puts).await?;
    if !sums.is_empty() {
        count(connection, &sums).await?;
    }
    if !entries.is_empty() {
        log::append(connection, &entries).await?;
    }
    if !others.is_empty() {
        remember(connection, &others, now).await?;
    }
    Ok(())
}

/// Puts tallies.
pub(crate) async fn count(connection: &mut PgConnection, sums: &[(i64, Tally, i64)]) -> Result<(), Fault> {
    query!(
        "INSERT INTO tallies (home, tally, sum)
         SELECT home, tally, sum FROM UNNEST($1::bigint[], $2::text[], $3::bigint[]) AS given (home, tally, sum)
         ON CONFLICT (home, tally) DO UPDATE SET sum = excluded.sum",
        &sums.iter().map(|(home, ..)| *home).collect::<Vec<_>>(),
        &sums.iter().map(|(_, tally, _)| tally.name().into_owned()).collect::<Vec<_>>(),
        &sums.iter().map(|(.., sum)| *sum).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Where there is no log, commits are remembered beside the records. As many of the oldest are let go as come, and a few
/// more.
async fn remember(
    connection: &mut PgConnection,
    commits: &[(i64, CommitId)],
    now: Timestamp,
) -> Result<(), Fault> {
    let homes: Vec<i64> = commits.iter().map(|(home, _)| *home).collect();
    let ids: Vec<Uuid> = commits.iter().map(|(_, commit)| commit.uuid()).collect();
    query!(
        "WITH old AS (
             SELECT home, id FROM commits WHERE at < $4 ORDER BY at LIMIT $5 FOR UPDATE SKIP LOCKED
         ), forgotten AS (
             DELETE FROM commits USING old WHERE commits.home = old.home AND commits.id = old.id
         )
         INSERT INTO commits (home, id, at)
         SELECT home, id, $3 FROM UNNEST($1::bigint[], $2::uuid[]) AS given (home, id)",
        &homes,
        &ids,
        now.micros(),
        now.plus_seconds(-KEPT_SECONDS).micros(),
        i64::try_from(commits.len()).unwrap_or(i64::MAX).saturating_add(16)
    )
    .execute(connection)
    .await?;
    Ok(())
}
