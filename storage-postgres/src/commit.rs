//! Change sets within one transaction. The homes' rows are locked before anything is read, so that what the checks see
//! cannot change before COMMIT. One statement reads all that the checks need; the sets are judged in memory, in the
//! contract's order, each on what those before it leave; what is left of them is written, many rows to a statement.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::CommitId;
use roster_core::log::Head;
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, Write};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Put};
use crate::log::{self, Appended, Place};
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
    let mut ground = Ground::new(places);
    let now = standing::read(connection, sets, &mut ground).await?;
    let now = if let StoreClock::Given(clock) = clock { clock.now() } else { now };
    let outcomes = sets.iter().map(|set| ground.judge(set, now)).collect();
    ground.write(connection, now).await?;
    Ok(outcomes)
}

/// What the sets stand on, and what becomes of it.
#[derive(Default)]
pub(crate) struct Ground<'a> {
    pub(crate) sites: BTreeMap<Home, Site<'a>>,
}

/// One home.
pub(crate) struct Site<'a> {
    pub(crate) number: i64,
    /// Commits with these ids were applied.
    pub(crate) applied: BTreeSet<CommitId>,
    /// The versions that guarded keys bear.
    pub(crate) versions: BTreeMap<Key, CommitId>,
    pub(crate) tallies: BTreeMap<Tally, i64>,
    head: Head,
    changed: BTreeMap<Key, Change<'a>>,
    counted: BTreeSet<Tally>,
    entries: Vec<Appended<'a>>,
    without_entry: Vec<CommitId>,
}

/// What becomes of a record.
enum Change<'a> {
    Put(CommitId, &'a Record),
    Remove,
}

impl<'a> Ground<'a> {
    fn new(places: BTreeMap<Home, Place>) -> Self {
        let site = |(home, place)| (home, Site::new(place));
        Self { sites: places.into_iter().map(site).collect() }
    }

    /// Every check in the contract's order; a set that passes changes what those after it see.
    fn judge(&mut self, set: &'a ChangeSet, now: Timestamp) -> Outcome {
        set.check()?;
        let Some(site) = self.sites.get_mut(&set.home) else {
            return Err(Fault::homeless(&set.home).during("commit").into());
        };
        if site.applied.contains(&set.id) {
            return Ok(Committed::Before);
        }
        if set.not_after.is_some_and(|end| now > end) {
            return Err(CommitError::TooLate);
        }
        for (key, expected) in &set.guards {
            if site.versions.get(key) != expected.as_ref() {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        let sums = site.sums(set)?;
        Ok(Committed::Now(site.take(set, sums)))
    }

    async fn write(self, connection: &mut PgConnection, now: Timestamp) -> Result<(), Fault> {
        let mut puts = Vec::new();
        let (mut sums, mut entries, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for site in self.sites.into_values() {
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
}

impl<'a> Site<'a> {
    fn new(Place { home: number, head }: Place) -> Self {
        Self {
            number,
            applied: BTreeSet::new(),
            versions: BTreeMap::new(),
            tallies: BTreeMap::new(),
            head,
            changed: BTreeMap::new(),
            counted: BTreeSet::new(),
            entries: Vec::new(),
            without_entry: Vec::new(),
        }
    }

    /// What the tallies would be, each within its range after each step.
    fn sums(&self, set: &ChangeSet) -> Result<BTreeMap<Tally, i64>, CommitError> {
        let mut sums = BTreeMap::new();
        for write in &set.writes {
            let Write::Add { tally, by, within } = write else {
                continue;
            };
            let before: i64 = sums.get(tally).or_else(|| self.tallies.get(tally)).copied().unwrap_or(0);
            let after = before.saturating_add(*by);
            if !within.contains(&after) {
                return Err(CommitError::OutOfBounds(*tally));
            }
            sums.insert(*tally, after);
        }
        Ok(sums)
    }

    /// The set is applied. The head after it, where there is a log.
    fn take(&mut self, set: &'a ChangeSet, sums: BTreeMap<Tally, i64>) -> Option<Head> {
        self.applied.insert(set.id);
        for write in &set.writes {
            match write {
                Write::Put(record) => {
                    self.versions.insert(record.key(), set.id);
                    self.changed.insert(record.key(), Change::Put(set.id, record));
                }
                Write::Remove(key) => {
                    self.versions.remove(key);
                    self.changed.insert(key.clone(), Change::Remove);
                }
                Write::Add { .. } => {}
            }
        }
        self.counted.extend(sums.keys());
        self.tallies.extend(sums);
        let Some(entry) = &set.entry else {
            self.without_entry.push(set.id);
            return None;
        };
        self.head = self.head.after(entry);
        self.entries.push(Appended { home: self.number, head: self.head, commit: set.id, entry });
        Some(self.head)
    }
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

/// Where there is no log, a commit is remembered beside the records; the oldest are let go a few at a time.
async fn remember(
    connection: &mut PgConnection,
    commits: &[(i64, CommitId)],
    now: Timestamp,
) -> Result<(), Fault> {
    let homes: Vec<i64> = commits.iter().map(|(home, _)| *home).collect();
    let ids: Vec<Uuid> = commits.iter().map(|(_, commit)| commit.uuid()).collect();
    query!(
        "WITH old AS (
             SELECT home, id FROM commits WHERE at < $4 ORDER BY at LIMIT 16 FOR UPDATE SKIP LOCKED
         ), forgotten AS (
             DELETE FROM commits USING old WHERE commits.home = old.home AND commits.id = old.id
         )
         INSERT INTO commits (home, id, at)
         SELECT home, id, $3 FROM UNNEST($1::bigint[], $2::uuid[]) AS given (home, id)",
        &homes,
        &ids,
        now.micros(),
        now.plus_seconds(-KEPT_SECONDS).micros()
    )
    .execute(connection)
    .await?;
    Ok(())
}
