//! A store that reads through to another and keeps its commits in memory: what a dry run runs on. Its commits can be
//! flushed to the store below in large groups, so that a run does exactly what its dry run reported.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::health::Description;
use crate::home::{Home, Key, Tally};
use crate::listing::{Listing, Page, PageRequest};
use crate::load::{Load, refused};
use crate::log::{LogFilter, Logged};
use crate::memory::data::{HomeData, page_of};
use crate::presence::{Presence, Stay};
use crate::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreError, StoreErrorKind,
    Stored,
};
use crate::time::Timestamp;

/// How many change sets go to the store below at a time.
const GROUP: usize = 500;

/// The overlay. A directory, the homes and the log are those of the store below; `access` is not answered.
#[derive(Debug)]
pub struct Overlay {
    base: Arc<dyn Store>,
    layer: Mutex<Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    clock: Option<Timestamp>,
    homes: BTreeMap<Home, HomeData>,
    pending: Vec<ChangeSet>,
}

impl Overlay {
    /// An overlay without commits.
    pub fn new(base: Arc<dyn Store>) -> Self {
        Self { base, layer: Mutex::default() }
    }

    /// The store below.
    pub fn base(&self) -> Arc<dyn Store> {
        Arc::clone(&self.base)
    }

    fn layer(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the instant of the store below afresh: everything until the next call is judged by it.
    pub async fn tick(&self) -> Result<(), StoreError> {
        let read = self.base.read(&Home::Deployment, &[], &[]).await?;
        self.layer().clock = Some(read.now());
        Ok(())
    }

    /// Commits to the store below what was committed here: pointers first, then people, then organizations.
    /// On an error what has been flushed stays, and the overlay must not be used again.
    pub async fn flush(&self) -> Result<(), CommitError> {
        let mut pending = std::mem::take(&mut self.layer().pending);
        pending.sort_by_key(|set| rank(&set.home));
        for wave in pending.chunk_by(|a, b| rank(&a.home) == rank(&b.home)) {
            for group in wave.chunks(GROUP) {
                for outcome in self.base.commit_all(group).await {
                    outcome?;
                }
            }
        }
        Ok(())
    }

    /// Gives up what was to be flushed: for one that never will be.
    pub fn forget(&self) {
        self.layer().pending = Vec::new();
    }

    /// Brings a home into memory, once.
    async fn hold(&self, home: &Home) -> Result<Timestamp, StoreError> {
        let known = {
            let layer = self.layer();
            layer.clock.filter(|_| layer.homes.contains_key(home))
        };
        if let Some(clock) = known {
            return Ok(clock);
        }
        let read = self.base.read(home, &[], &[]).await?;
        let dump = self.base.dump(home).await?;
        let mut layer = self.layer();
        layer.homes.entry(home.clone()).or_insert_with(|| HomeData::from_dump(dump));
        Ok(*layer.clock.get_or_insert(read.clock))
    }
}

/// Pointers are committed before what they lead to.
const fn rank(home: &Home) -> u8 {
    match home {
        Home::Claim(_) | Home::Directory(..) => 0,
        Home::User(_) => 1,
        Home::Organization(_) => 2,
        Home::Deployment | Home::Feed | Home::Stream(..) | Home::Activity(_) => 3,
    }
}

#[async_trait]
impl Store for Overlay {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        let clock = self.hold(home).await?;
        let layer = self.layer();
        Ok(layer.homes.get(home).unwrap_or(&HomeData::new(home)).read(clock, keys, tallies))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let clock = self.hold(&changes.home).await?;
        let mut layer = self.layer();
        let home = layer.homes.entry(changes.home.clone()).or_insert_with(|| HomeData::new(&changes.home));
        let done = home.commit(changes, clock)?;
        layer.pending.push(changes.clone());
        Ok(done)
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let mut outcomes = Vec::with_capacity(sets.len());
        for set in sets {
            outcomes.push(self.commit(set).await);
        }
        outcomes
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let Some(home) = listing.home() else {
            return self.base.list(listing, page).await;
        };
        let clock = self.hold(&home).await?;
        let layer = self.layer();
        Ok(page_of(&layer.homes.get(&home).into_iter().collect::<Vec<_>>(), listing, page, clock))
    }

    async fn access(&self, _: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        Err(StoreError {
            kind: StoreErrorKind::Unavailable,
            operation: "access",
            detail: "an overlay answers no checks: ask the store below".into(),
        })
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        self.base.log(home, after, limit, filter).await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        self.base.homes(after, limit).await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        self.hold(home).await?;
        Ok(self.layer().homes.get(home).unwrap_or(&HomeData::new(home)).dump())
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        self.hold(home).await?;
        Ok(self.layer().homes.get(home).unwrap_or(&HomeData::new(home)).records_after(after, limit))
    }

    async fn load(&self, _: Load<'_>) -> Result<(), StoreError> {
        Err(refused("an overlay is not filled: fill the store below".into()))
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        self.base.enter(presence).await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.base.describe().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.base.ping().await
    }
}
