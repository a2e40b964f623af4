//! Change sets within the writer's transaction. One statement reads all that the checks need; the sets are judged in
//! memory, in the contract's order, each on what those before it leave; then what is left of them is written.

use roster_core::home::Tally;
use roster_core::id::CommitId;
use roster_core::judge::{Change, Ground};
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock};
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};

use crate::error::Fault;
use crate::kind::{self, Put};
use crate::row::to_json;
use crate::{log, standing};

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

/// What is left of the sets: what comes of many homes goes in one journey a kind.
async fn write(connection: &mut SqliteConnection, ground: Ground<'_>, now: Timestamp) -> Result<(), Fault> {
    let mut puts = Vec::new();
    let (mut sums, mut entries, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for site in ground.sites.into_values() {
        let home = site.number;
        for (key, change) in site.changed {
            match change {
                Change::Put(commit, it) => puts.push(Put { home, commit, it }),
                Change::Remove => kind::remove(connection, home, &key).await?,
            }
        }
        sums.extend(site.counted.iter().map(|tally| (home, *tally, site.tallies[tally])));
        entries.extend(site.entries);
        others.extend(site.without_entry.into_iter().map(|commit| (home, commit)));
    }
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

/// How a tally stands.
pub(crate) async fn sum(connection: &mut SqliteConnection, home: i64, tally: Tally) -> Result<i64, Fault> {
    let name = tally.name();
    let sum = query_scalar!("SELECT sum FROM tallies WHERE home = ? AND tally = ?", home, name);
    Ok(sum.fetch_optional(connection).await?.unwrap_or(0))
}

/// Puts tallies.
pub(crate) async fn count(
    connection: &mut SqliteConnection,
    sums: &[(i64, Tally, i64)],
) -> Result<(), Fault> {
    let rows: Vec<_> = sums.iter().map(|(home, tally, sum)| (home, tally.name(), sum)).collect();
    let rows = to_json("tallies", &rows)?;
    query!(
        "INSERT INTO tallies (home, tally, sum)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?) WHERE true
         ON CONFLICT (home, tally) DO UPDATE SET sum = excluded.sum",
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Where there is no log, commits are remembered beside the records. As many of the oldest are let go as come, and a few
/// more.
async fn remember(
    connection: &mut SqliteConnection,
    commits: &[(i64, CommitId)],
    now: Timestamp,
) -> Result<(), Fault> {
    let rows: Vec<_> =
        commits.iter().map(|(home, commit)| (home, commit.uuid().simple().to_string())).collect();
    let rows = to_json("commits", &rows)?;
    let (at, forgotten) = (now.micros(), now.plus_seconds(-KEPT_SECONDS).micros());
    let many = i64::try_from(commits.len()).unwrap_or(i64::MAX).saturating_add(16);
    query!(
        "DELETE FROM commits WHERE (home, id) IN (SELECT home, id FROM commits WHERE at < ? ORDER BY at LIMIT ?);
         INSERT INTO commits (home, id, at) SELECT value ->> 0, unhex(value ->> 1), ? FROM jsonb_each(?)",
        forgotten,
        many,
        at,
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}
