//! A store with something in between: what a test does to a commit on its way.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use roster_core::health::Description;
use roster_core::home::{Home, Key, Tally};
use roster_core::id::UserId;
use roster_core::listing::{Listing, Page, PageRequest};
use roster_core::load::Load;
use roster_core::log::{LogFilter, Logged};
use roster_core::presence::{Presence, Stay};
use roster_core::report::{Survey, Take};
use roster_core::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreError, Stored,
};
use tokio::sync::Notify;

/// What happens between a caller and the store.
#[async_trait]
pub trait Hook: fmt::Debug + Send + Sync + 'static {
    /// In place of a commit.
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError>;

    /// Before anything is read.
    async fn before_read(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Before anything is read of a home.
    async fn before_read_of(&self, _: &Home) -> Result<(), StoreError> {
        self.before_read().await
    }

    /// Before records of a home are read one after the other, from a key on.
    async fn before_records(&self, home: &Home, _: Option<&Key>) -> Result<(), StoreError> {
        self.before_read_of(home).await
    }
}

/// A store behind a hook.
#[derive(Debug)]
pub struct Between {
    store: Arc<dyn Store>,
    hook: Arc<dyn Hook>,
}

impl Between {
    /// The store with the hook before it.
    pub fn new(store: Arc<dyn Store>, hook: Arc<dyn Hook>) -> Arc<Self> {
        Arc::new(Self { store, hook })
    }
}

#[async_trait]
impl Store for Between {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        self.hook.before_read_of(home).await?;
        self.store.read(home, keys, tallies).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        self.hook.commit(self.store.as_ref(), changes).await
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let mut outcomes = Vec::with_capacity(sets.len());
        for set in sets {
            outcomes.push(self.hook.commit(self.store.as_ref(), set).await);
        }
        outcomes
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        match listing.home() {
            Some(home) => self.hook.before_read_of(&home).await?,
            None => self.hook.before_read().await?,
        }
        self.store.list(listing, page).await
    }

    async fn survey(&self, survey: &Arc<Survey>, take: Take<'_>) -> Result<(), StoreError> {
        self.hook.before_read().await?;
        self.store.survey(survey, take).await
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        self.hook.before_read().await?;
        self.store.access(asks).await
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        self.hook.before_read_of(home).await?;
        self.store.log(home, after, limit, filter).await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        self.hook.before_read().await?;
        self.store.homes(after, limit).await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        self.hook.before_read_of(home).await?;
        self.store.dump(home).await
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        self.hook.before_records(home, after).await?;
        self.store.records(home, after, limit).await
    }

    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        self.store.load(step).await
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        self.hook.before_read_of(home).await?;
        self.store.forget(home, subject).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.hook.before_read().await?;
        self.store.scrub().await
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        self.store.enter(presence).await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.hook.before_read().await?;
        self.store.describe().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.hook.before_read().await?;
        self.store.ping().await
    }
}

/// Whether commits keep what they are guarded by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guards {
    /// As in production.
    On,
    /// Stripped: what a store without them would do.
    Off,
}

/// Holds the first commit to an organization until it is let go.
#[derive(Debug)]
pub struct Gate {
    guards: Guards,
    first: AtomicBool,
    arrived: Notify,
    open: Notify,
}

impl Gate {
    /// A closed gate.
    pub fn closed(guards: Guards) -> Arc<Self> {
        Arc::new(Self { guards, first: AtomicBool::new(true), arrived: Notify::new(), open: Notify::new() })
    }
}

#[async_trait]
impl Hook for Gate {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if matches!(changes.home, Home::Organization(_)) && self.first.swap(false, Ordering::SeqCst) {
            self.arrived.notify_one();
            self.open.notified().await;
        }
        match self.guards {
            Guards::On => store.commit(changes).await,
            Guards::Off => {
                let bare = ChangeSet { guards: std::collections::BTreeMap::new(), ..changes.clone() };
                store.commit(&bare).await
            }
        }
    }
}

/// Holds the n-th commit, to whatever home, until it is let go.
#[derive(Debug)]
pub struct Park {
    at: usize,
    commits: AtomicUsize,
    arrived: Notify,
    open: Notify,
}

impl Park {
    /// At the n-th commit, counted from 0.
    pub fn at(n: usize) -> Arc<Self> {
        let (commits, arrived, open) = (AtomicUsize::new(0), Notify::new(), Notify::new());
        Arc::new(Self { at: n, commits, arrived, open })
    }
}

#[async_trait]
impl Hook for Park {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if self.commits.fetch_add(1, Ordering::SeqCst) == self.at {
            self.arrived.notify_one();
            self.open.notified().await;
        }
        store.commit(changes).await
    }
}

/// Runs an act up to where it is parked, then another from beginning to end, then the rest of the first. Whether the
/// first was parked at all.
///
/// # Panics
/// Where an act panics.
pub async fn within<A, B>(
    parked: (Arc<Park>, impl Future<Output = A> + Send + 'static),
    other: impl Future<Output = B>,
) -> (A, B, bool)
where
    A: Send + 'static,
{
    let mut act = tokio::spawn(Box::pin(parked.1));
    let done = tokio::select! {
        () = parked.0.arrived.notified() => None,
        done = &mut act => Some(done.unwrap()),
    };
    let other = other.await;
    parked.0.open.notify_one();
    match done {
        Some(done) => (done, other, false),
        None => (act.await.unwrap(), other, true),
    }
}

/// Which of two is let go first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// The one named first.
    Left,
    /// The other.
    Right,
}

/// Runs two acts, each behind its gate: both load and decide on the same ground, then one is let go to its end, then
/// the other.
///
/// # Panics
/// Where an act panics.
pub async fn meet<A, B>(
    left: (Arc<Gate>, impl Future<Output = A> + Send + 'static),
    right: (Arc<Gate>, impl Future<Output = B> + Send + 'static),
    first: First,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let mut one = tokio::spawn(Box::pin(left.1));
    let one_done = tokio::select! {
        () = left.0.arrived.notified() => None,
        done = &mut one => Some(done.unwrap()),
    };
    let mut other = tokio::spawn(Box::pin(right.1));
    let other_done = tokio::select! {
        () = right.0.arrived.notified() => None,
        done = &mut other => Some(done.unwrap()),
    };
    left.0.open_when(first == First::Left);
    right.0.open_when(first == First::Right);
    let finish_one = async {
        match one_done {
            Some(done) => done,
            None => one.await.unwrap(),
        }
    };
    let finish_other = async {
        match other_done {
            Some(done) => done,
            None => other.await.unwrap(),
        }
    };
    match first {
        First::Left => {
            let one = finish_one.await;
            right.0.open.notify_one();
            (one, finish_other.await)
        }
        First::Right => {
            let other = finish_other.await;
            left.0.open.notify_one();
            (finish_one.await, other)
        }
    }
}

impl Gate {
    fn open_when(&self, now: bool) {
        if now {
            self.open.notify_one();
        }
    }
}
