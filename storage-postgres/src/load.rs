//! Filling an empty database with what another store holds.

use std::collections::BTreeMap;

use roster_core::home::Home;
use roster_core::id::CommitId;
use roster_core::judge::Appended;
use roster_core::load::{Load, Part, already_there, check_parts, not_begun, not_chained, not_empty, refused};
use roster_core::log::{LogEntry, Logged};
use roster_core::store::{StoreClock, StoreError};
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Kind, Names, Put};
use crate::log;
use crate::{commit, read};

/// Why a step is not taken.
pub(crate) enum Stopped {
    /// It breaks the contract.
    Refused(StoreError),
    /// Postgres fails.
    Fault(Fault),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// One step, within a transaction.
pub(crate) async fn step(
    connection: &mut PgConnection,
    step: Load<'_>,
    clock: &StoreClock,
) -> Result<(), Stopped> {
    let begun = is_half(connection).await?;
    match step {
        Load::Begin if begun || !read::homes(connection, None, 1).await?.is_empty() => {
            Err(not_empty().into())
        }
        Load::Begin => {
            query!("INSERT INTO meta (name, value) VALUES ('half_loaded', 'yes'::bytea)")
                .execute(connection)
                .await?;
            Ok(())
        }
        Load::Parts(_) | Load::End if !begun => Err(not_begun().into()),
        Load::Parts(parts) => {
            check_parts(parts)?;
            load(connection, parts, clock).await
        }
        Load::End => {
            query!("DELETE FROM meta WHERE name = 'half_loaded'").execute(connection).await?;
            Ok(())
        }
    }
}

/// Whether a load was begun here and not ended.
pub(crate) async fn is_half(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let mark = query_scalar!("SELECT value FROM meta WHERE name = 'half_loaded'");
    Ok(mark.fetch_optional(connection).await?.is_some())
}

/// Everything of the parts, many rows to a statement.
async fn load(connection: &mut PgConnection, parts: &[Part], clock: &StoreClock) -> Result<(), Stopped> {
    let homes: BTreeMap<String, &Home> =
        parts.iter().map(|part| (part.home.to_string(), &part.home)).collect();
    log::make(connection, &homes).await?;
    let mut places = log::hold(connection, &homes).await?;
    let (mut puts, mut sums, mut commits) = (Vec::new(), BTreeMap::new(), Vec::new());
    let entries = entries(parts)?;
    let mut given = entries.iter();
    let mut appended = Vec::new();
    for part in parts {
        let place = places.get_mut(&part.home).ok_or_else(|| Fault::homeless(&part.home))?;
        new_only(connection, place.home, part).await?;
        sums.extend(part.tallies.iter().map(|(tally, sum)| ((place.home, *tally), *sum)));
        for stored in &part.records {
            puts.push(Put { home: place.home, commit: stored.version, it: &stored.record });
            if !part.home.has_log() {
                commits.push((place.home, stored.version));
            }
        }
        for (logged, entry) in part.log.iter().zip(given.by_ref()) {
            place.head = place.head.after(entry);
            if place.head != logged.head() {
                return Err(not_chained(&part.home, logged.seq).into());
            }
            appended.push(Appended { home: place.home, head: place.head, commit: logged.commit, entry });
        }
    }
    kind::put_all(connection, &puts).await?;
    if !sums.is_empty() {
        let sums: Vec<_> = sums.into_iter().map(|((home, tally), sum)| (home, tally, sum)).collect();
        commit::count(connection, &sums).await?;
    }
    if !appended.is_empty() {
        log::append(connection, &appended).await?;
    }
    remember(connection, &commits, clock).await?;
    Ok(())
}

fn entries(parts: &[Part]) -> Result<Vec<LogEntry>, StoreError> {
    let all = parts.iter().flat_map(|part| &part.log).map(Logged::entry);
    all.collect::<Result<_, _>>().map_err(|error| refused(error.to_string()))
}

/// Refuses records that are there.
async fn new_only(connection: &mut PgConnection, home: i64, part: &Part) -> Result<(), Stopped> {
    let mut named: BTreeMap<Kind, Names> = BTreeMap::new();
    for stored in &part.records {
        let key = stored.record.key();
        named.entry(Kind::of(&key)).or_default().add(&key);
    }
    for (kind, names) in named {
        if !kind::load(connection, home, kind, &names).await?.is_empty() {
            return Err(already_there(&part.home).into());
        }
    }
    Ok(())
}

/// The commits that last wrote records of homes without a log.
async fn remember(
    connection: &mut PgConnection,
    commits: &[(i64, CommitId)],
    clock: &StoreClock,
) -> Result<(), Fault> {
    if commits.is_empty() {
        return Ok(());
    }
    let at = log::now(connection, clock).await?;
    let homes: Vec<i64> = commits.iter().map(|(home, _)| *home).collect();
    let ids: Vec<Uuid> = commits.iter().map(|(_, commit)| commit.uuid()).collect();
    query!(
        "INSERT INTO commits (home, id, at)
         SELECT home, id, $3 FROM UNNEST($1::bigint[], $2::uuid[]) AS given (home, id) ON CONFLICT DO NOTHING",
        &homes,
        &ids,
        at.micros()
    )
    .execute(connection)
    .await?;
    Ok(())
}
