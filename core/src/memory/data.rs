//! One home in memory, with the order of checks that the contract names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::home::{Due, Home, Key, Tally};
use crate::id::{CommitId, Version};
use crate::listing::{Listing, Page, PageRequest, Row};
use crate::load::{Part, already_there, not_chained, refused};
use crate::log::{Head, LogEntry, Logged};
use crate::model::ReceiptId;
use crate::store::{ChangeSet, CommitError, Committed, Dump, Read, StoreError, Stored, Write};
use crate::time::Timestamp;

/// Everything of one home. Also the layer that an overlay keeps.
#[derive(Clone, Debug)]
pub struct HomeData {
    /// The end of the log.
    pub head: Head,
    /// Records by key, each by itself: most homes hold few, and a map makes room for more.
    pub records: BTreeMap<Key, Arc<Stored>>,
    /// Tallies that were ever added to.
    pub tallies: BTreeMap<Tally, i64>,
    /// The log, oldest first.
    pub log: Vec<Logged>,
    done: BTreeSet<CommitId>,
}

impl HomeData {
    /// A home without anything in it.
    pub fn new(home: &Home) -> Self {
        Self {
            head: Head::start(home),
            records: BTreeMap::new(),
            tallies: BTreeMap::new(),
            log: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    /// Whether nothing was ever kept.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.log.is_empty()
    }

    /// An answer of `read`.
    pub fn read(&self, clock: Timestamp, keys: &[Key], tallies: &[Tally]) -> Read {
        Read {
            clock,
            head: self.head,
            records: keys
                .iter()
                .filter_map(|key| Some((key.clone(), Stored::clone(self.records.get(key)?))))
                .collect(),
            tallies: tallies
                .iter()
                .map(|tally| (*tally, self.tallies.get(tally).copied().unwrap_or(0)))
                .collect(),
        }
    }

    /// Checks everything, then writes everything.
    pub fn commit(&mut self, changes: &ChangeSet, now: Timestamp) -> Result<Committed, CommitError> {
        changes.check()?;
        if self.done.contains(&changes.id) {
            return Ok(Committed::Before);
        }
        if changes.not_after.is_some_and(|end| now > end) {
            return Err(CommitError::TooLate);
        }
        for (key, expected) in &changes.guards {
            if self.version(key) != *expected {
                return Err(CommitError::Conflict(key.clone()));
            }
        }
        let mut sums = BTreeMap::new();
        for write in &changes.writes {
            if let Write::Add { tally, by, within } = write {
                let sum = sums.entry(*tally).or_insert_with(|| self.tallies.get(tally).copied().unwrap_or(0));
                *sum = sum.saturating_add(*by);
                if !within.contains(sum) {
                    return Err(CommitError::OutOfBounds(*tally));
                }
            }
        }
        self.tallies.extend(sums);
        self.write(changes);
        self.done.insert(changes.id);
        Ok(Committed::Now(changes.entry.as_ref().map(|entry| self.append(changes.id, entry))))
    }

    /// Forgets which commits it has seen: for one to whom none is sent again.
    pub(crate) fn forget_commits(&mut self) {
        self.done.clear();
    }

    fn version(&self, key: &Key) -> Option<Version> {
        self.records.get(key).map(|stored| stored.version)
    }

    fn write(&mut self, changes: &ChangeSet) {
        for write in &changes.writes {
            match write {
                Write::Put(record) => {
                    let stored = Stored { record: record.clone(), version: changes.id };
                    self.records.insert(record.key(), Arc::new(stored));
                }
                Write::Remove(key) => {
                    self.records.remove(key);
                }
                Write::Add { .. } => {}
            }
        }
    }

    fn append(&mut self, commit: CommitId, entry: &LogEntry) -> Head {
        self.head = self.head.after(entry);
        self.log.push(Logged {
            seq: self.head.seq,
            time: self.head.time,
            hash: self.head.hash,
            commit,
            body: entry.body.clone(),
            personal: entry.personal.clone(),
        });
        self.head
    }

    /// An answer of `records`.
    pub fn records_after(&self, after: Option<&Key>, limit: u16) -> Vec<Stored> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.records.range::<Key, _>((from, Bound::Unbounded));
        found.take(limit.into()).map(|(_, stored)| Stored::clone(stored)).collect()
    }

    /// Whether any record is a receipt.
    pub fn has_receipts(&self) -> bool {
        let first = Key::Receipt(ReceiptId([0; 32]));
        self.records.range(first..).next().is_some_and(|(key, _)| matches!(key, Key::Receipt(_)))
    }

    /// Adds what another store holds.
    pub fn load(&mut self, part: &Part) -> Result<(), StoreError> {
        for stored in &part.records {
            if self.records.insert(stored.record.key(), Arc::new(stored.clone())).is_some() {
                return Err(already_there(&part.home));
            }
            if !part.home.has_log() {
                self.done.insert(stored.version);
            }
        }
        self.tallies.extend(&part.tallies);
        for logged in &part.log {
            let entry = logged.entry().map_err(|error| refused(error.to_string()))?;
            if self.append(logged.commit, &entry) != logged.head() {
                return Err(not_chained(&part.home, logged.seq));
            }
            self.done.insert(logged.commit);
        }
        Ok(())
    }

    /// An answer of `dump`.
    pub fn dump(&self) -> Dump {
        let mut due: Vec<Due> = self.records.values().filter_map(|stored| stored.record.due()).collect();
        due.sort();
        Dump {
            head: self.head,
            records: self.records.values().map(|stored| Stored::clone(stored)).collect(),
            tallies: self
                .tallies
                .iter()
                .filter(|(_, sum)| **sum != 0)
                .map(|(tally, sum)| (*tally, *sum))
                .collect(),
            due,
        }
    }
}

/// A page of a listing over some homes: the reference for every store.
pub fn page_of(homes: &[&HomeData], listing: &Listing, page: &PageRequest, clock: Timestamp) -> Page {
    let head = homes.iter().map(|home| home.head.time).max().unwrap_or(Timestamp::EPOCH);
    let now = clock.max(head);
    let row = |stored: &Arc<Stored>| {
        let position = listing.position(&stored.record, now)?;
        Some(Row { position, stored: Stored::clone(stored) })
    };
    let mut rows: Vec<Row> = homes.iter().flat_map(|home| home.records.values()).filter_map(row).collect();
    let descending = matches!(listing, Listing::Members { descending: true, .. });
    rows.sort_by(|a, b| if descending { b.position.cmp(&a.position) } else { a.position.cmp(&b.position) });
    if let Some(after) = &page.after {
        rows.retain(|row| if descending { row.position < *after } else { row.position > *after });
    }
    let more = rows.len() > usize::from(page.limit);
    rows.truncate(usize::from(page.limit));
    Page { now, rows, more }
}
