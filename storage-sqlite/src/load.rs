//! Filling an empty file with what another store holds.

use std::collections::BTreeSet;

use roster_core::home::Key;
use roster_core::judge::Appended;
use roster_core::load::{Load, Part, already_there, check_parts, not_begun, not_chained, not_empty, refused};
use roster_core::log::Logged;
use roster_core::store::{StoreClock, StoreError, Stored};
use sqlx::{SqliteConnection, query, query_scalar};

use crate::error::Fault;
use crate::kind::{self, Put};
use crate::read::{self, by_kind};
use crate::row::{bad, to_json};
use crate::{commit, log};

/// Why a step is not taken.
pub(crate) enum Stopped {
    /// It breaks the contract.
    Refused(StoreError),
    /// `SQLite` fails.
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

impl From<Stopped> for StoreError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(error) => error,
            Stopped::Fault(fault) => fault.during("load"),
        }
    }
}

/// One step, within the writer's transaction.
pub(crate) async fn step(
    connection: &mut SqliteConnection,
    step: Load<'_>,
    clock: &StoreClock,
) -> Result<(), Stopped> {
    let begun = is_half(connection).await?;
    match step {
        Load::Begin if begun || !read::homes(connection, None, 1).await?.is_empty() => {
            Err(not_empty().into())
        }
        Load::Begin => {
            query!("INSERT INTO meta (name, value) VALUES ('half_loaded', x'01')")
                .execute(connection)
                .await?;
            Ok(())
        }
        Load::Parts(_) | Load::End if !begun => Err(not_begun().into()),
        Load::Parts(parts) => {
            check_parts(parts)?;
            for part in parts {
                load(connection, part, clock).await?;
            }
            Ok(())
        }
        Load::End => {
            query!("DELETE FROM meta WHERE name = 'half_loaded'").execute(connection).await?;
            Ok(())
        }
    }
}

/// Whether a load was begun here and not ended.
pub(crate) async fn is_half(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let mark = query_scalar!("SELECT value FROM meta WHERE name = 'half_loaded'");
    Ok(mark.fetch_optional(connection).await?.is_some())
}

async fn load<'p>(
    connection: &mut SqliteConnection,
    part: &'p Part,
    clock: &StoreClock,
) -> Result<(), Stopped> {
    let found = log::place(connection, &part.home).await?;
    let place = match found {
        Some(place) => Some(place),
        None => log::settle_in(connection, &[&part.home]).await?.pop().map(|(_, place)| place),
    };
    let place = place.ok_or_else(|| bad("home", &part.home))?;
    let keys: Vec<Key> = part.records.iter().map(|stored| stored.record.key()).collect();
    for (kind, names) in by_kind(&keys) {
        let names = to_json("key", &names)?;
        if !kind::load(connection, place.home, kind, &names).await?.is_empty() {
            return Err(already_there(&part.home).into());
        }
    }
    let put = |stored: &'p Stored| Put { home: place.home, commit: stored.version, it: &stored.record };
    kind::put_all(connection, &part.records.iter().map(put).collect::<Vec<_>>()).await?;
    if !part.home.has_log() {
        remember(connection, place.home, part, clock).await?;
    }
    let sums: Vec<_> = part.tallies.iter().map(|(tally, sum)| (place.home, *tally, *sum)).collect();
    commit::count(connection, &sums).await?;
    let entries = part.log.iter().map(Logged::entry).collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(|error| refused(error.to_string()))?;
    let (mut head, mut appended) = (place.head, Vec::with_capacity(entries.len()));
    for (logged, entry) in part.log.iter().zip(&entries) {
        head = head.after(entry);
        if head != logged.head() {
            return Err(not_chained(&part.home, logged.seq).into());
        }
        appended.push(Appended { home: place.home, head, commit: logged.commit, entry });
    }
    Ok(log::append(connection, &appended).await?)
}

/// The commits that last wrote these records.
async fn remember(
    connection: &mut SqliteConnection,
    home: i64,
    part: &Part,
    clock: &StoreClock,
) -> Result<(), Fault> {
    let at = log::now(connection, clock).await?.micros();
    let versions: BTreeSet<_> = part.records.iter().map(|stored| stored.version).collect();
    for version in versions {
        let id = version.uuid();
        query!("INSERT OR IGNORE INTO commits (home, id, at) VALUES (?, ?, ?)", home, id, at)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
