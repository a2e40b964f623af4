//! Change sets of one transaction, judged in memory: every check in the contract's order, each set on what those before
//! it leave. For stores that can hold homes still, read all that the checks need, and write what is left of the sets.

use std::collections::{BTreeMap, BTreeSet};

use crate::home::{Home, Key, Record, Tally};
use crate::id::CommitId;
use crate::log::{Head, LogEntry};
use crate::store::{ChangeSet, CommitError, Committed, StoreError, StoreErrorKind, Write};
use crate::time::Timestamp;

/// What sets stand on, and what becomes of it.
#[derive(Debug, Default)]
pub struct Ground<'a> {
    /// The homes, each held still.
    pub sites: BTreeMap<Home, Site<'a>>,
}

/// One home.
#[derive(Debug)]
pub struct Site<'a> {
    /// The store's own number of it.
    pub number: i64,
    /// Commits with these ids were applied.
    pub applied: BTreeSet<CommitId>,
    /// The versions that guarded keys bear.
    pub versions: BTreeMap<Key, CommitId>,
    /// How the tallies stand that the sets add to.
    pub tallies: BTreeMap<Tally, i64>,
    /// The end of the log.
    pub head: Head,
    /// What becomes of records: each key once.
    pub changed: BTreeMap<Key, Change<'a>>,
    /// Tallies that are to be put.
    pub counted: BTreeSet<Tally>,
    /// Entries to append, in their order.
    pub entries: Vec<Appended<'a>>,
    /// Commits of a home without a log.
    pub without_entry: Vec<CommitId>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// Put by a commit.
    Put(CommitId, &'a Record),
    /// Removed.
    Remove,
}

/// An entry at its place: the next number, a time that never goes back, and the hash that chains it.
#[derive(Clone, Copy, Debug)]
pub struct Appended<'a> {
    /// The store's own number of the home.
    pub home: i64,
    /// The end of the log with the entry.
    pub head: Head,
    /// Whose it is.
    pub commit: CommitId,
    /// The entry.
    pub entry: &'a LogEntry,
}

impl<'a> Ground<'a> {
    /// Every check in the contract's order; a set that passes changes what those after it see.
    pub fn judge(&mut self, set: &'a ChangeSet, now: Timestamp) -> Result<Committed, CommitError> {
        set.check()?;
        let Some(site) = self.sites.get_mut(&set.home) else {
            let detail = format!("{} was not made", set.home);
            return Err(StoreError { kind: StoreErrorKind::Corrupt, operation: "commit", detail }.into());
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
}

impl<'a> Site<'a> {
    /// A home of which nothing else is known yet.
    pub const fn new(number: i64, head: Head) -> Self {
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
