//! The store: every call that writes runs in a task of its own, which goes on when the caller goes away.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use redis::cmd;
use roster_core::health::{Description, Durability, Inspection};
use roster_core::home::{Home, Key, Tally};
use roster_core::id::UserId;
use roster_core::listing::{Listing, Page, PageRequest};
use roster_core::load::Load;
use roster_core::log::{LogFilter, Logged};
use roster_core::presence::{Presence, Stay};
use roster_core::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreClock, StoreError,
    StoreErrorKind, Stored,
};

use crate::config::RedisConfig;
use crate::connection::Connection;
use crate::error::{Fault, OpenError};
use crate::head::Seen;
use crate::keys::{self, HomeKeys};
use crate::record::SCHEMA;
use crate::scripts::Scripts;
use crate::{access, commit, dump, forget, list, load, log, open, presence, read, registry};

/// How often a commit whose answer was lost is sent again: the store knows its id.
const RESENDS: u32 = 2;
type Outcome = Result<Committed, CommitError>;

/// The Redis store.
#[derive(Clone, Debug)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

/// What every call needs.
#[derive(Debug)]
pub(crate) struct Inner {
    /// For calls whose answers are short.
    pub(crate) quick: Connection,
    /// For calls whose answers may be long, so that no short one waits behind them.
    pub(crate) bulk: Connection,
    pub(crate) scripts: Scripts,
    pub(crate) prefix: String,
    pub(crate) clock: StoreClock,
    pub(crate) seen: Seen,
    pub(crate) durability: Durability,
}

impl Inner {
    pub(crate) fn keys(&self, home: &Home) -> HomeKeys {
        HomeKeys::of(&self.prefix, home)
    }
}

impl RedisStore {
    /// Opens what `migrate` has prepared. Needs a Tokio runtime.
    pub async fn open(config: RedisConfig, clock: StoreClock) -> Result<Self, OpenError> {
        let (quick, bulk) = open::open(&config).await?;
        let scripts = Scripts::new();
        for script in scripts.all() {
            let loaded = script.load_async(&mut quick.clone()).await;
            loaded.map_err(|source| OpenError::Redis { source })?;
        }
        let (prefix, seen, durability) = (config.prefix, Seen::default(), config.durability);
        Ok(Self { inner: Arc::new(Inner { quick, bulk, scripts, prefix, clock, seen, durability }) })
    }

    /// Prepares a Redis that holds nothing of Roster's yet under this prefix.
    pub async fn migrate(config: &RedisConfig) -> Result<(), OpenError> {
        open::migrate(config).await
    }

    /// Looks at everything that would refuse an opening, and changes nothing; at the key only where there is one.
    pub async fn inspect(config: &RedisConfig, with_key: bool) -> Result<Inspection, OpenError> {
        open::inspect(config, with_key).await
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Sets in one go, those of one home in their order. Where the answers were lost the store is asked one set after the
    /// other, and once it does not answer, not again: what is behind that stays unknown, or was never sent.
    async fn commit_some(inner: &Inner, sets: &[&ChangeSet]) -> Vec<Outcome> {
        let mut outcomes = match commit::commit_many(inner, sets).await {
            commit::Sent::All(outcomes) => outcomes,
            commit::Sent::Nothing => sets.iter().map(|_| Err(not_sent().into())).collect(),
        };
        for (set, outcome) in sets.iter().zip(&mut outcomes) {
            if !is_unknown(outcome) && !is_not_sent(outcome) {
                continue;
            }
            match commit_again(inner, set).await {
                Err(CommitError::Store(error)) if is_unknown(outcome) => {
                    tracing::debug!(%error, "what became of a commit is not known");
                    break;
                }
                told => *outcome = told,
            }
            if is_unknown(outcome) || is_unreached(outcome) {
                break;
            }
        }
        outcomes
    }
}

/// Which sets go one after the other.
struct Lanes {
    /// By their numbers, those of one home in one lane and in their order.
    all: Vec<Vec<usize>>,
    /// The most lanes that are under way at a time.
    at_a_time: usize,
}

impl Lanes {
    /// The most sets of one lane that are sent in one go.
    const TOGETHER: usize = 500;
    /// The most sets of a lane that is of several homes, so that nobody else waits long behind them.
    const MIXED: usize = 64;

    /// One server takes the sets of many homes in one go. In a cluster each home is somewhere.
    fn of(sets: &[ChangeSet], is_cluster: bool) -> Self {
        let mut homes: BTreeMap<&Home, Vec<usize>> = BTreeMap::new();
        for (n, set) in sets.iter().enumerate() {
            homes.entry(&set.home).or_default().push(n);
        }
        let homes = homes.into_values();
        if is_cluster {
            return Self { all: homes.collect(), at_a_time: 64 };
        }
        let mut all: Vec<Vec<usize>> = Vec::new();
        for numbers in homes {
            match all.last_mut().filter(|lane| lane.len() + numbers.len() <= Self::MIXED) {
                Some(lane) => lane.extend(numbers),
                None => all.push(numbers),
            }
        }
        Self { all, at_a_time: 4 }
    }
}

fn not_sent() -> StoreError {
    let detail = "not sent: the store did not answer the one before".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation: "commit_all", detail }
}

fn is_not_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CommitError::Store(error)) if error.operation == "commit_all")
}

fn is_unreached(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CommitError::Store(error)) if error.kind == StoreErrorKind::Unavailable)
}

/// One set; where its answer was lost, the store is asked what became of it.
async fn commit_again(inner: &Inner, changes: &ChangeSet) -> Outcome {
    let mut outcome = commit::commit(inner, changes).await;
    for n in 1..=RESENDS {
        if !is_unknown(&outcome) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(n) * 100)).await;
        match commit::commit(inner, changes).await {
            Err(CommitError::Store(_)) => {}
            told => outcome = told,
        }
    }
    outcome
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CommitError::Store(error)) if error.kind == StoreErrorKind::OutcomeUnknown)
}

fn lost(operation: &'static str) -> StoreError {
    let detail = "the work stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::OutcomeUnknown, operation, detail }
}

/// Runs to the end whatever becomes of the caller.
async fn detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::spawn(work).await.ok()
}

#[async_trait]
impl Store for RedisStore {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        read::read(&self.inner, home, keys, tallies).await.map_err(|fault| fault.during("read"))
    }

    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        registry::missing(&self.inner, homes).await.map_err(|fault| fault.during("missing"))
    }

    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let found = load::without_receipts(&self.inner, homes).await;
        found.map_err(|fault| fault.during("without_receipts"))
    }

    async fn commit(&self, changes: &ChangeSet) -> Outcome {
        let (inner, changes) = (Arc::clone(&self.inner), changes.clone());
        let done = detached(async move { commit_again(&inner, &changes).await }).await;
        done.unwrap_or_else(|| Err(lost("commit").into()))
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let (inner, sets) = (Arc::clone(&self.inner), sets.to_vec());
        let many = sets.len();
        let work = async move {
            let lanes = Lanes::of(&sets, inner.quick.is_cluster());
            let (inner, sets) = (&inner, &sets);
            let each = lanes.all.into_iter().map(|numbers| async move {
                let mut outcomes = Vec::with_capacity(numbers.len());
                for some in numbers.chunks(Lanes::TOGETHER) {
                    if outcomes.last().is_some_and(|last| is_unknown(last) || is_unreached(last)) {
                        outcomes.extend(some.iter().map(|_| Err(not_sent().into())));
                        continue;
                    }
                    let some: Vec<&ChangeSet> = some.iter().map(|n| &sets[*n]).collect();
                    outcomes.extend(Self::commit_some(inner, &some).await);
                }
                numbers.into_iter().zip(outcomes)
            });
            let done: Vec<_> = stream::iter(each).buffer_unordered(lanes.at_a_time).collect().await;
            let mut outcomes: Vec<(usize, Outcome)> = done.into_iter().flatten().collect();
            outcomes.sort_by_key(|(n, _)| *n);
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        };
        let done: Option<Vec<Outcome>> = detached(work).await;
        done.unwrap_or_else(|| (0..many).map(|_| Err(lost("commit_all").into())).collect())
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        list::list(&self.inner, listing, page).await.map_err(|fault| fault.during("list"))
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        access::facts(&self.inner, asks).await.map_err(|fault| fault.during("access"))
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        log::entries(&self.inner, home, after, limit, filter).await.map_err(|fault| fault.during("log"))
    }

    async fn unfound(&self, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, StoreError> {
        log::unfound(&self.inner, home, entries).await.map_err(|fault| fault.during("unfound"))
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        registry::homes(&self.inner, after, limit).await.map_err(|fault| fault.during("homes"))
    }

    async fn ends(&self, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, StoreError> {
        registry::ends(&self.inner, after, limit).await.map_err(|fault| fault.during("ends"))
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        dump::dump(&self.inner, home).await.map_err(|fault| fault.during("dump"))
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        load::records(&self.inner, home, after, limit).await.map_err(|fault| fault.during("records"))
    }

    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        let (inner, kept) = (Arc::clone(&self.inner), step.kept());
        let done = detached(async move { load::step(&inner, kept.step()).await }).await;
        done.unwrap_or_else(|| Err(lost("load")))
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        let (inner, home) = (Arc::clone(&self.inner), home.clone());
        let done = detached(async move { forget::forget(&inner, &home, subject).await }).await;
        done.map_or_else(|| Err(lost("forget")), |done| done.map_err(|fault| fault.during("forget")))
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        let entered = presence::enter(Arc::clone(&self.inner), presence).await;
        entered.map_err(|fault| fault.during("enter"))
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let mut command = cmd("HGET");
        command.arg(keys::meta(&self.inner.prefix)).arg("schema");
        let schema: Result<Option<i64>, _> = self.inner.quick.command(&command).await;
        let schema = schema.map_err(|error| Fault::from(error).during("describe"))?.unwrap_or_default();
        let (durability, known_schema) = (self.inner.durability, SCHEMA.into());
        Ok(Description { backend: "redis", durability, schema, known_schema })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Who is a replica now, or stands before one, is not ready though it answers.
        self.inner.quick.doubt();
        let mut command = cmd("EXISTS");
        command.arg(keys::meta(&self.inner.prefix));
        let there: Result<u64, _> = self.inner.quick.command(&command).await;
        match there {
            Ok(0) => Err(emptied("ping")),
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::from(error).during("ping")),
        }
    }
}

fn emptied(operation: &'static str) -> StoreError {
    let detail = "what it held under this prefix is gone".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation, detail }
}

#[cfg(test)]
mod tests {
    use roster_core::id::{CommitId, OrganizationId};
    use uuid::Uuid;

    use super::*;

    /// Of each home so many, one home after the other and once more the other way round.
    fn sets(many: &[usize]) -> Vec<ChangeSet> {
        let homes =
            (0_u128..).zip(many).map(|(n, many)| (OrganizationId::from_uuid(Uuid::from_u128(n)), many));
        let of_home = |(id, many): (OrganizationId, &usize)| {
            let (id, home) = (CommitId::from_uuid(Uuid::nil()), Home::Organization(id));
            let set = ChangeSet { id, home, not_after: None, guards: [].into(), writes: vec![], entry: None };
            std::iter::repeat_n(set, *many)
        };
        let there: Vec<ChangeSet> = homes.flat_map(of_home).collect();
        there.iter().chain(there.iter().rev()).cloned().collect()
    }

    /// A home's sets are in one lane, in their order; nobody waits behind more than a few of others.
    #[test]
    fn a_home_has_one_lane() {
        for (many, lanes) in [(vec![1; 70], 3), (vec![600, 1, 1], 2), (vec![20, 20], 2), (vec![], 0)] {
            for is_cluster in [false, true] {
                let sets = sets(&many);
                let cut = Lanes::of(&sets, is_cluster);
                assert_eq!(cut.all.len(), if is_cluster { many.len() } else { lanes }, "{many:?}");
                let mut seen: Vec<usize> = cut.all.iter().flatten().copied().collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..sets.len()).collect::<Vec<_>>());
                let mut of: BTreeMap<&Home, usize> = BTreeMap::new();
                for (n, lane) in cut.all.iter().enumerate() {
                    let homes: BTreeSet<&Home> = lane.iter().map(|set| &sets[*set].home).collect();
                    assert!(homes.len() == 1 || lane.len() <= Lanes::MIXED, "{}", lane.len());
                    for home in homes {
                        assert_eq!(*of.entry(home).or_insert(n), n, "in another lane");
                        let own = lane.iter().filter(|set| sets[**set].home == *home);
                        assert!(own.is_sorted());
                    }
                }
            }
        }
    }
}
