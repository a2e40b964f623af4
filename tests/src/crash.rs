//! Stores that fail at a commit, and stores at which every call waits a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind};

use crate::gate::Hook;

/// What becomes of the commit at which the store fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It is not done.
    Commit,
    /// It is done, and nobody hears of it.
    Answer,
}

/// What comes after the failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Afterwards {
    /// The store answers again: who asked may tidy up.
    Up,
    /// Nothing answers any more: the process is gone.
    Down,
}

/// Fails at one commit.
#[derive(Debug)]
pub struct Crash {
    at: usize,
    loss: Loss,
    afterwards: Afterwards,
    commits: AtomicUsize,
    down: AtomicBool,
}

impl Crash {
    /// Fails at the n-th commit, counted from 0.
    pub fn at(n: usize, loss: Loss, afterwards: Afterwards) -> Arc<Self> {
        let (commits, down) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { at: n, loss, afterwards, commits, down })
    }

    /// Never fails: counts.
    pub fn never() -> Arc<Self> {
        Self::at(usize::MAX, Loss::Commit, Afterwards::Up)
    }

    /// How many commits were asked for.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    fn up(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(failure(StoreErrorKind::Unavailable)) } else { Ok(()) }
    }
}

fn failure(kind: StoreErrorKind) -> StoreError {
    StoreError { kind, operation: "commit", detail: "a test cut it off".into() }
}

#[async_trait]
impl Hook for Crash {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        self.up()?;
        if self.commits.fetch_add(1, Ordering::SeqCst) != self.at {
            return store.commit(changes).await;
        }
        self.down.store(self.afterwards == Afterwards::Down, Ordering::SeqCst);
        match self.loss {
            Loss::Commit => Err(failure(StoreErrorKind::Unavailable).into()),
            Loss::Answer => {
                store.commit(changes).await?;
                Err(failure(StoreErrorKind::OutcomeUnknown).into())
            }
        }
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        self.up()
    }
}

/// Lets the caller wait before and after each call, so that it can be dropped there.
#[derive(Debug)]
pub struct Slow;

#[async_trait]
impl Hook for Slow {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        tokio::task::yield_now().await;
        let done = store.commit(changes).await;
        tokio::task::yield_now().await;
        done
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        Ok(())
    }
}
