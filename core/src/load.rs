//! A deployment on its way from one store to another: what is kept arrives as it was, with its numbers, instants,
//! hashes, versions and the values beside the log. What a store derives, it derives again.

use std::collections::{BTreeMap, BTreeSet};

use crate::home::{Home, Tally};
use crate::log::Logged;
use crate::store::{StoreError, StoreErrorKind, Stored};

/// The most records and log entries that one call carries.
pub const MAX_LOAD: usize = 1_000;

/// A step of a load.
#[derive(Clone, Copy, Debug)]
pub enum Load<'a> {
    /// Marks an empty store as one that holds half of a deployment.
    Begin,
    /// Adds to homes; all of these parts or none.
    Parts(&'a [Part]),
    /// Takes the mark away: the deployment is whole.
    End,
}

/// A step that is kept by a task of its own.
#[derive(Clone, Debug)]
pub enum Kept {
    /// See [`Load::Begin`].
    Begin,
    /// See [`Load::Parts`].
    Parts(Vec<Part>),
    /// See [`Load::End`].
    End,
}

impl Load<'_> {
    /// The same, for a task of its own.
    pub fn kept(self) -> Kept {
        match self {
            Self::Begin => Kept::Begin,
            Self::Parts(parts) => Kept::Parts(parts.to_vec()),
            Self::End => Kept::End,
        }
    }
}

impl Kept {
    /// The step.
    pub fn step(&self) -> Load<'_> {
        match self {
            Self::Begin => Load::Begin,
            Self::Parts(parts) => Load::Parts(parts),
            Self::End => Load::End,
        }
    }
}

/// A part of a home.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// The home.
    pub home: Home,
    /// Records that it does not hold yet.
    pub records: Vec<Stored>,
    /// How tallies stand.
    pub tallies: BTreeMap<Tally, i64>,
    /// What follows in its log.
    pub log: Vec<Logged>,
}

impl Part {
    /// A part with nothing in it.
    pub const fn of(home: Home) -> Self {
        Self { home, records: Vec::new(), tallies: BTreeMap::new(), log: Vec::new() }
    }

    /// How many records and entries it holds.
    pub fn size(&self) -> usize {
        self.records.len() + self.log.len()
    }
}

/// What every store refuses, before anything else, as a mistake of the caller's.
pub fn check_parts(parts: &[Part]) -> Result<(), StoreError> {
    if parts.iter().map(Part::size).sum::<usize>() > MAX_LOAD {
        return Err(refused(format!("more than {MAX_LOAD} records and entries")));
    }
    let mut seen = BTreeSet::new();
    for part in parts {
        let twice = part.records.iter().any(|stored| !seen.insert((&part.home, stored.record.key())));
        if twice {
            return Err(already_there(&part.home));
        }
        let strange = part.records.iter().map(|stored| stored.record.key()).find(|key| !part.home.holds(key));
        if let Some(key) = strange {
            return Err(refused(format!("{key:?} does not belong in {}", part.home)));
        }
        if !part.log.is_empty() && !part.home.has_log() {
            return Err(refused(format!("{} has no log", part.home)));
        }
    }
    Ok(())
}

/// A step that a store does not take.
pub fn refused(detail: String) -> StoreError {
    StoreError { kind: StoreErrorKind::Corrupt, operation: "load", detail }
}

/// The refusal to fill a store that is not empty.
pub fn not_empty() -> StoreError {
    refused("the store is not empty: a deployment is loaded into an empty one only".to_owned())
}

/// The refusal of parts, or of an end, without a beginning.
pub fn not_begun() -> StoreError {
    refused("no load was begun on this store".to_owned())
}

/// The refusal of an entry that does not go on from the one before.
pub fn not_chained(home: &Home, seq: u64) -> StoreError {
    refused(format!("entry {seq} of {home} does not go on from the one before it"))
}

/// The refusal of a record that is there.
pub fn already_there(home: &Home) -> StoreError {
    refused(format!("a record of {home} is there already"))
}
