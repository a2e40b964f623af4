//! What was decided and is on its way to the store below, as whoever decides what comes next sees it: so that the store is
//! at work on one part while the next is decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::together::Names;
use super::{Overlay, Wanted};
use crate::home::{Home, Key, Tally};
use crate::log::Head;
use crate::store::{Read, Stored, Write};

/// What an overlay is about to flush, and nothing of what it has only read.
#[derive(Debug)]
pub(crate) struct UnderWay(BTreeMap<Home, Written>);

/// A home as it will be.
#[derive(Debug)]
struct Written {
    head: Head,
    records: BTreeMap<Key, Option<Arc<Stored>>>,
    tallies: BTreeMap<Tally, i64>,
}

impl UnderWay {
    /// Whether something of a home is among it.
    pub(super) fn is_about(&self, home: &Home) -> bool {
        self.0.contains_key(home)
    }

    /// An answer of the store below as it will be.
    pub(super) fn foresee(&self, wanted: &Wanted, read: &mut Read) {
        let Some(written) = self.0.get(&wanted.home) else { return };
        if read.head.seq == 0 || read.head.time < written.head.time {
            read.head = written.head;
        }
        for key in &wanted.keys {
            match written.records.get(key) {
                Some(Some(stored)) => drop(read.records.insert(key.clone(), Stored::clone(stored))),
                Some(None) => drop(read.records.remove(key)),
                None => {}
            }
        }
        for tally in &wanted.tallies {
            if let Some(sum) = written.tallies.get(tally) {
                read.tallies.insert(*tally, *sum);
            }
        }
    }
}

impl Overlay {
    /// What the next flush will write.
    pub(crate) fn under_way(&self) -> UnderWay {
        let layer = self.layer();
        let mut homes: BTreeMap<Home, Written> = BTreeMap::new();
        for set in &layer.pending {
            let Some(it) = layer.homes.get(&set.home) else { continue };
            let written = homes.entry(set.home.clone()).or_insert_with(|| Written {
                head: it.data.head,
                records: BTreeMap::new(),
                tallies: BTreeMap::new(),
            });
            for write in &set.writes {
                match write {
                    Write::Add { tally, .. } => {
                        let sum = it.data.tallies.get(tally).copied().unwrap_or(0);
                        written.tallies.insert(*tally, sum);
                    }
                    Write::Put(_) | Write::Remove(_) => {
                        let key = write.key();
                        written
                            .records
                            .extend(key.map(|key| (key.clone(), it.data.records.get(&key).cloned())));
                    }
                }
            }
        }
        UnderWay(homes)
    }

    /// What was under way has arrived, under these names: from now on it is read of the store below.
    pub(crate) fn arrived(&self, names: &Names) {
        let layer = &mut *self.layer();
        layer.under_way = None;
        for set in &mut layer.pending {
            names.renew(&mut set.guards);
        }
        for stored in layer.homes.values_mut().flat_map(|it| it.data.records.values_mut()) {
            if let Some(name) = names.of(stored.version) {
                Arc::make_mut(stored).version = name;
            }
        }
    }
}
