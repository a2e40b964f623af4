//! Who hears what operations and the store do, to count it. Nothing is decided by it, and no name in it comes from a
//! request.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::health::Description;
use crate::home::{Home, Key, Tally};
use crate::id::UserId;
use crate::listing::{Listing, Page, PageRequest};
use crate::load::Load;
use crate::log::{LogFilter, Logged};
use crate::news::News;
use crate::presence::{Presence, Stay};
use crate::report::{Survey, Take};
use crate::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreError, StoreErrorKind,
    Stored,
};

/// Hears of everything that can be counted.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A call of the store has ended, after some time.
    fn store_called(&self, call: &'static str, outcome: &'static str, took: Duration);

    /// A commit came to nothing, since others had changed what the operation read.
    fn conflicted(&self, operation: &'static str);

    /// The operation is decided afresh after that.
    fn retried(&self, operation: &'static str);

    /// A rule refuses an operation, with a code of the API contract.
    fn refused(&self, operation: &'static str, code: &str);

    /// A webhook has tried to send an event: `delivered`, or why it failed.
    fn sent(&self, outcome: &'static str);

    /// So many deliveries of webhooks wait for another attempt, in the whole deployment; the oldest was begun so long ago.
    fn waiting(&self, deliveries: u64, oldest: Duration);

    /// Mail for so many waited when the outbox was looked at, in the whole deployment, the oldest for so long.
    fn mail_waiting(&self, mails: u64, oldest: Duration);

    /// What so many sources have sent was there to be applied when it was looked for, in the whole deployment, the oldest for
    /// so long.
    fn sources_waiting(&self, sources: u64, oldest: Duration);

    /// So many jobs of a kind wait for a worker, in the whole deployment, the oldest for so long.
    fn jobs_waiting(&self, kind: &'static str, jobs: u64, oldest: Duration);

    /// A job was taken, again if whoever had it before did not get on.
    fn job_taken(&self, kind: &'static str, again: bool);

    /// A worker of this process is not at a job any more that it took.
    fn job_left(&self, kind: &'static str);

    /// A job has ended: the status in which it did.
    fn job_ended(&self, kind: &'static str, status: &'static str);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn store_called(&self, _: &'static str, _: &'static str, _: Duration) {}

    fn conflicted(&self, _: &'static str) {}

    fn retried(&self, _: &'static str) {}

    fn refused(&self, _: &'static str, _: &str) {}

    fn sent(&self, _: &'static str) {}

    fn waiting(&self, _: u64, _: Duration) {}

    fn mail_waiting(&self, _: u64, _: Duration) {}

    fn sources_waiting(&self, _: u64, _: Duration) {}

    fn jobs_waiting(&self, _: &'static str, _: u64, _: Duration) {}

    fn job_taken(&self, _: &'static str, _: bool) {}

    fn job_left(&self, _: &'static str) {}

    fn job_ended(&self, _: &'static str, _: &'static str) {}
}

/// The name of an operation: that of its type.
pub fn operation_name<O: ?Sized>() -> &'static str {
    let whole = std::any::type_name::<O>();
    let plain = whole.split('<').next().unwrap_or(whole);
    plain.rsplit("::").next().unwrap_or(plain)
}

/// A store whose calls are heard of, and whose commits wake those who wait for them.
#[derive(Debug)]
pub struct Observed {
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
    news: Arc<News>,
}

impl Observed {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>, observer: Arc<dyn Observer>, news: Arc<News>) -> Self {
        Self { store, observer, news }
    }

    async fn hear<T, E>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, E>> + Send,
        outcome: impl Fn(&E) -> &'static str,
    ) -> Result<T, E> {
        let began = Instant::now();
        let answer = work.await;
        let outcome = answer.as_ref().map_or_else(outcome, |_| "ok");
        self.observer.store_called(call, outcome, began.elapsed());
        answer
    }
}

fn failure(error: &StoreError) -> &'static str {
    match error.kind {
        StoreErrorKind::Unavailable => "unavailable",
        StoreErrorKind::Busy => "busy",
        StoreErrorKind::OutcomeUnknown => "outcome_unknown",
        StoreErrorKind::Corrupt => "corrupt",
    }
}

fn refusal(error: &CommitError) -> &'static str {
    match error {
        CommitError::Conflict(_) => "conflict",
        CommitError::OutOfBounds(_) => "out_of_bounds",
        CommitError::TooLate => "too_late",
        CommitError::Store(error) => failure(error),
    }
}

#[async_trait]
impl Store for Observed {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        self.hear("read", self.store.read(home, keys, tallies), failure).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let outcome = self.hear("commit", self.store.commit(changes), refusal).await;
        self.news.hear(changes, &outcome);
        outcome
    }

    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        self.hear("missing", self.store.missing(homes), failure).await
    }

    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        self.hear("without_receipts", self.store.without_receipts(homes), failure).await
    }

    /// One call, with the outcome of the first set that was refused.
    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let began = Instant::now();
        let answers = self.store.commit_all(sets).await;
        sets.iter().zip(&answers).for_each(|(set, answer)| self.news.hear(set, answer));
        let outcome = answers.iter().find_map(|answer| answer.as_ref().err()).map_or("ok", refusal);
        self.observer.store_called("commit_all", outcome, began.elapsed());
        answers
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        self.hear("list", self.store.list(listing, page), failure).await
    }

    async fn survey(&self, survey: &Arc<Survey>, take: Take<'_>) -> Result<(), StoreError> {
        self.hear("survey", self.store.survey(survey, take), failure).await
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        self.hear("access", self.store.access(asks), failure).await
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        self.hear("log", self.store.log(home, after, limit, filter), failure).await
    }

    async fn unfound(&self, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, StoreError> {
        self.hear("unfound", self.store.unfound(home, entries), failure).await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        self.hear("homes", self.store.homes(after, limit), failure).await
    }

    async fn ends(&self, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, StoreError> {
        self.hear("ends", self.store.ends(after, limit), failure).await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        self.hear("dump", self.store.dump(home), failure).await
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        self.hear("records", self.store.records(home, after, limit), failure).await
    }

    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        self.hear("load", self.store.load(step), failure).await
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        self.hear("forget", self.store.forget(home, subject), failure).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.hear("scrub", self.store.scrub(), failure).await
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        self.hear("enter", self.store.enter(presence), failure).await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.hear("describe", self.store.describe(), failure).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.hear("ping", self.store.ping(), failure).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;
    struct Of<T>(std::marker::PhantomData<T>);

    #[test]
    fn operations_are_named_by_their_type() {
        assert_eq!(operation_name::<Plain>(), "Plain");
        assert_eq!(operation_name::<Of<Option<Plain>>>(), "Of");
        assert_eq!(operation_name::<crate::ops::member::RemoveMember>(), "RemoveMember");
    }
}
