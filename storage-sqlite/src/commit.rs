//! One change set within the writer's transaction: every check first, in the contract's order, then every write.

use std::collections::BTreeMap;

use roster_core::home::{Home, Tally};
use roster_core::id::CommitId;
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, Write};
use roster_core::time::Timestamp;
use sqlx::{Executor, SqliteConnection, query, query_scalar};

use crate::error::Fault;
use crate::kind;
use crate::log::{self, Place};

/// How long a commit of a home without a log can be found again: 49 hours, in seconds.
const KEPT_SECONDS: i64 = 49 * 3600;

/// Why a set was not applied.
pub(crate) enum Stopped {
    /// Refused by a check, before anything was written; or nothing but this set is concerned.
    Set(CommitError),
    /// The transaction cannot go on.
    Transaction(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        if fault.is_of_one_set() {
            Self::Set(fault.during("commit").into())
        } else {
            Self::Transaction(fault)
        }
    }
}

impl From<CommitError> for Stopped {
    fn from(error: CommitError) -> Self {
        Self::Set(error)
    }
}

/// Applies one set, wholly or not at all, within an open transaction.
pub(crate) async fn apply(
    connection: &mut SqliteConnection,
    changes: &ChangeSet,
    clock: &StoreClock,
) -> Result<Committed, Stopped> {
    changes.check().map_err(CommitError::from)?;
    let place = log::place(connection, &changes.home).await?;
    if let Some(place) = place
        && was_applied(connection, &changes.home, place.home, changes.id).await?
    {
        return Ok(Committed::Before);
    }
    let now = log::now(connection, clock).await?;
    if changes.not_after.is_some_and(|end| now > end) {
        return Err(CommitError::TooLate.into());
    }
    check_guards(connection, changes, place).await?;
    let sums = sums(connection, changes, place).await?;
    connection.execute("SAVEPOINT one").await.map_err(Fault::from)?;
    match write(connection, changes, place, &sums, now).await {
        Ok(committed) => {
            connection.execute("RELEASE one").await.map_err(Fault::from)?;
            Ok(committed)
        }
        Err(fault) if fault.is_of_one_set() => {
            connection.execute("ROLLBACK TO one; RELEASE one").await.map_err(Fault::from)?;
            Err(fault.into())
        }
        Err(fault) => Err(fault.into()),
    }
}

async fn was_applied(
    connection: &mut SqliteConnection,
    home: &Home,
    number: i64,
    commit: CommitId,
) -> Result<bool, Fault> {
    if home.has_log() {
        return log::holds(connection, number, commit).await;
    }
    let id = commit.uuid();
    let found = query_scalar!("SELECT at FROM commits WHERE home = ? AND id = ?", number, id);
    Ok(found.fetch_optional(connection).await?.is_some())
}

async fn check_guards(
    connection: &mut SqliteConnection,
    changes: &ChangeSet,
    place: Option<Place>,
) -> Result<(), Stopped> {
    for (key, expected) in &changes.guards {
        let found = match place {
            Some(place) => kind::version(connection, place.home, key).await?,
            None => None,
        };
        if found != *expected {
            return Err(CommitError::Conflict(key.clone()).into());
        }
    }
    Ok(())
}

/// What the tallies would be, each within its range after each step.
async fn sums(
    connection: &mut SqliteConnection,
    changes: &ChangeSet,
    place: Option<Place>,
) -> Result<BTreeMap<Tally, i64>, Stopped> {
    let mut sums = BTreeMap::new();
    for write in &changes.writes {
        let Write::Add { tally, by, within } = write else {
            continue;
        };
        let before = match (sums.get(tally), place) {
            (Some(sum), _) => *sum,
            (None, Some(place)) => sum(connection, place.home, *tally).await?,
            (None, None) => 0,
        };
        let after: i64 = before.saturating_add(*by);
        if !within.contains(&after) {
            return Err(CommitError::OutOfBounds(*tally).into());
        }
        sums.insert(*tally, after);
    }
    Ok(sums)
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

async fn write(
    connection: &mut SqliteConnection,
    changes: &ChangeSet,
    place: Option<Place>,
    sums: &BTreeMap<Tally, i64>,
    now: Timestamp,
) -> Result<Committed, Fault> {
    let place = match place {
        Some(place) => place,
        None => log::settle_in(connection, &changes.home).await?,
    };
    for write in &changes.writes {
        match write {
            Write::Put(record) => kind::put(connection, place.home, changes.id, record).await?,
            Write::Remove(key) => kind::remove(connection, place.home, key).await?,
            Write::Add { .. } => {}
        }
    }
    put_sums(connection, place.home, sums).await?;
    match &changes.entry {
        Some(entry) => Ok(Committed::Now(Some(log::append(connection, place, changes.id, entry).await?))),
        None => remember(connection, place.home, changes.id, now).await.map(|()| Committed::Now(None)),
    }
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
