//! The store: every call runs in a task that is not the caller's, and goes on when the caller goes away.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use roster_core::gather::{self, Gather, Limits, NoAnswer};
use roster_core::health::{Description, Durability, Inspection};
use roster_core::home::{Home, Key, Tally};
use roster_core::id::UserId;
use roster_core::listing::{Listing, Page, PageRequest};
use roster_core::load::Load;
use roster_core::log::{LogFilter, Logged};
use roster_core::presence::{Presence, Stay};
use roster_core::report::{Line, Survey, Take, Walk};
use roster_core::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreClock, StoreError,
    StoreErrorKind, Stored,
};
use sqlx::{Executor, Row, query_scalar};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::config::SqliteConfig;
use crate::error::{Fault, OpenError};
use crate::glance::Glance;
use crate::plain::Plain;
use crate::pool::Pool;
use crate::session::{READ, Session, WRITE};
use crate::writer::{MAX_SETS, Writer};
use crate::{access, dump, forget, glance, inspect, list, load, log, open, presence, read, report, schema};

/// Checks, and reads that requests begin with, that go together, and how many such groups at a time.
const GROUP: usize = 64;
const GROUPS: usize = 2;
/// The most of such reads that wait to be sent: two for each connection of a caller that a server has.
const READS_WAITING: usize = 8_192;

/// The `SQLite` store.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    readers: Pool,
    /// How many slices of reports are read at a time: one reader stays for everybody else.
    surveys: Arc<Semaphore>,
    writer: Arc<Writer>,
    checks: Arc<Gather<AccessKey, Result<AccessFacts, StoreError>>>,
    glances: Arc<Gather<Glance, Result<Read, StoreError>>>,
    clock: StoreClock,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens a file; makes it, with its folder, if it is missing. Needs a Tokio runtime.
    pub async fn open(config: SqliteConfig, clock: StoreClock) -> Result<Self, OpenError> {
        let pools = open::open(&config).await?;
        let writer = Arc::new(Writer::new(pools.writer, clock.clone(), config.queue));
        let limits = Limits {
            groups: GROUPS,
            questions: GROUP,
            lanes: 1,
            waiting: config.queue,
            patience: config.busy_timeout,
        };
        let with = (pools.readers.clone(), clock.clone());
        let check = move |asks| {
            let (readers, now) = with.clone();
            gather::apart(asks, move |asks| check(readers.clone(), now.clone(), asks))
        };
        let with = (pools.readers.clone(), clock.clone());
        let glance = move |asks| {
            let (readers, now) = with.clone();
            gather::apart(asks, move |asks| glance(readers.clone(), now.clone(), asks))
        };
        let checks = Gather::new(limits, |_| None, check);
        let glances = Gather::new(Limits { waiting: READS_WAITING, ..limits }, |_| None, glance);
        let surveys = usize::try_from(config.readers).unwrap_or(1).saturating_sub(1).max(1);
        let surveys = Arc::new(Semaphore::new(surveys));
        Ok(Self { readers: pools.readers, writer, checks, glances, clock, path: config.path, surveys })
    }

    /// Brings an older file up to this program's schema.
    pub async fn migrate(config: &SqliteConfig) -> Result<(), OpenError> {
        open::migrate(config).await
    }

    /// Looks at everything that would refuse an opening, and changes nothing; at the key only where there is one.
    pub async fn inspect(config: &SqliteConfig, with_key: bool) -> Inspection {
        inspect::inspect(config, with_key).await
    }

    /// Waits for the calls under way and closes the file. Calls after that are answered `Unavailable`.
    pub async fn close(&self) {
        self.checks.rest().await;
        self.glances.rest().await;
        self.readers.close().await;
        self.writer.pool().close().await;
    }

    async fn begin(&self, operation: &'static str) -> Result<Session, StoreError> {
        Session::begin(&self.readers, READ).await.map_err(|error| Fault::from(error).during(operation))
    }
}

/// A slice of a report, and the snapshot in which it was begun.
struct Slice {
    session: Session,
    begun: report::Begun,
    _room: OwnedSemaphorePermit,
}

/// The lines of a slice, in a while.
type Completing = Pin<Box<dyn Future<Output = Result<Vec<Line>, StoreError>> + Send>>;

/// So many slices of a report are completed at a time, beside one that is begun.
const COMPLETED_BESIDE: usize = 2;

fn begin_slice(
    store: &SqliteStore,
    survey: &Arc<Survey>,
    walk: Walk,
) -> impl Future<Output = Result<(Slice, Option<Walk>), StoreError>> + use<> {
    let (store, survey) = (store.clone(), Arc::clone(survey));
    detached("survey", async move {
        let room = Arc::clone(&store.surveys).acquire_owned().await.map_err(|_| stopped("survey"))?;
        let mut session = store.begin("survey").await?;
        match report::begin(session.connection(), &store.clock, &survey, walk).await {
            Ok((begun, rest)) => Ok((Slice { session, begun, _room: room }, rest)),
            Err(fault) => end(session, "survey", Err(fault)).await,
        }
    })
}

fn complete_slice(
    survey: &Arc<Survey>,
    slice: Slice,
) -> impl Future<Output = Result<Vec<Line>, StoreError>> + use<> {
    let survey = Arc::clone(survey);
    detached("survey", async move {
        let Slice { mut session, begun, _room } = slice;
        let found = report::complete(session.connection(), &survey, begun).await;
        end(session, "survey", found).await
    })
}

/// The facts of many checks. One statement is a snapshot by itself.
async fn check(
    readers: Pool,
    clock: StoreClock,
    asks: Arc<[AccessKey]>,
) -> Result<Vec<Result<AccessFacts, StoreError>>, StoreError> {
    let mut held = readers.take().await.map_err(|error| Fault::from(error).during("access"))?;
    let found = access::facts(held.connection(), &clock, &asks).await;
    held.give_back_after(&found);
    each("access", found)
}

/// The answers of many reads that requests begin with, by one statement too.
async fn glance(
    readers: Pool,
    clock: StoreClock,
    asks: Arc<[Glance]>,
) -> Result<Vec<Result<Read, StoreError>>, StoreError> {
    let mut held = readers.take().await.map_err(|error| Fault::from(error).during("read"))?;
    let found = glance::read(held.connection(), &clock, &asks).await;
    held.give_back_after(&found);
    each("read", found)
}

/// As the contract has it.
fn each<T>(
    operation: &'static str,
    found: Result<Vec<Result<T, Fault>>, Fault>,
) -> Result<Vec<Result<T, StoreError>>, StoreError> {
    let found = found.map_err(|fault| fault.during(operation))?;
    Ok(found.into_iter().map(|one| one.map_err(|fault| fault.during(operation))).collect())
}

/// Begins at once, and runs to the end whatever becomes of the caller.
fn detached<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> impl Future<Output = Result<T, StoreError>> {
    let work = tokio::spawn(work.in_current_span());
    async move {
        work.await.unwrap_or_else(|error| {
            Err(StoreError { kind: StoreErrorKind::Unavailable, operation, detail: error.to_string() })
        })
    }
}

/// Ends a snapshot. Nothing was written, so how that goes does not matter.
async fn end<T>(session: Session, operation: &'static str, found: Result<T, Fault>) -> Result<T, StoreError> {
    session.roll_back().await;
    found.map_err(|fault| fault.during(operation))
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        if let Some(glance) = Glance::of(home, keys).filter(|_| tallies.is_empty()) {
            let mut answers = self.glances.ask(vec![glance]).await.map_err(|why| no_answer("read", why))?;
            return answers.pop().unwrap_or_else(|| Err(stopped("read")));
        }
        let (store, home, keys, tallies) = (self.clone(), home.clone(), keys.to_vec(), tallies.to_vec());
        detached("read", async move {
            let mut session = store.begin("read").await?;
            let found = read::read(session.connection(), &store.clock, &home, &keys, &tallies).await;
            end(session, "read", found).await
        })
        .await
    }

    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let (store, homes) = (self.clone(), homes.to_vec());
        detached("missing", async move {
            let mut held =
                store.readers.take().await.map_err(|error| Fault::from(error).during("missing"))?;
            let found = read::missing(held.connection(), &homes).await;
            held.give_back_after(&found);
            found.map_err(|fault| fault.during("missing"))
        })
        .await
    }

    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let (store, homes) = (self.clone(), homes.to_vec());
        detached("without_receipts", async move {
            let mut held =
                store.readers.take().await.map_err(|error| Fault::from(error).during("without_receipts"))?;
            let found = read::without_receipts(held.connection(), &homes).await;
            held.give_back_after(&found);
            found.map_err(|fault| fault.during("without_receipts"))
        })
        .await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let outcome = self.writer.commit(vec![changes.clone()]).await.pop();
        outcome.unwrap_or_else(|| Err(lost("commit").into()))
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let (writer, chunks) =
            (Arc::clone(&self.writer), sets.chunks(MAX_SETS).map(<[_]>::to_vec).collect::<Vec<_>>());
        let work = async move {
            let mut outcomes = Vec::new();
            for chunk in chunks {
                outcomes.extend(writer.commit(chunk).await);
            }
            outcomes
        };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or_else(|_| sets.iter().map(|_| Err(lost("commit_all").into())).collect())
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let (store, listing, page) = (self.clone(), listing.clone(), page.clone());
        detached("list", async move {
            if let Some(plain) = Plain::of(&listing, &page) {
                let mut held =
                    store.readers.take().await.map_err(|error| Fault::from(error).during("list"))?;
                let found = plain.list(held.connection(), &store.clock).await;
                held.give_back_after(&found);
                return found.map_err(|fault| fault.during("list"));
            }
            let mut session = store.begin("list").await?;
            let found = list::list(session.connection(), &store.clock, &listing, &page).await;
            end(session, "list", found).await
        })
        .await
    }

    /// A slice is begun while those before it are completed, each on a connection of its own, and core looks at those that
    /// are complete.
    async fn survey(&self, survey: &Arc<Survey>, take: Take<'_>) -> Result<(), StoreError> {
        let mut under_way: VecDeque<Completing> = VecDeque::new();
        let mut next = Some(Walk::default());
        loop {
            let begun = next.take().map(|walk| begin_slice(self, survey, walk));
            if under_way.len() == COMPLETED_BESIDE || begun.is_none() {
                match under_way.pop_front() {
                    Some(lines) => lines.await?.iter().for_each(&mut *take),
                    None => return Ok(()),
                }
            }
            if let Some(begun) = begun {
                let (slice, rest) = begun.await?;
                under_way.push_back(Box::pin(complete_slice(survey, slice)));
                next = rest;
            }
        }
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        let answers = self.checks.ask(asks.to_vec()).await.map_err(|why| no_answer("access", why))?;
        answers.into_iter().collect()
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        let (store, home, filter) = (self.clone(), home.clone(), filter.clone());
        detached("log", async move {
            let mut session = store.begin("log").await?;
            let found = log::entries(session.connection(), &home, after, limit, &filter).await;
            end(session, "log", found).await
        })
        .await
    }

    async fn unfound(&self, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, StoreError> {
        let (store, home, entries) = (self.clone(), home.clone(), entries.to_vec());
        detached("unfound", async move {
            let mut held =
                store.readers.take().await.map_err(|error| Fault::from(error).during("unfound"))?;
            let found = log::unfound(held.connection(), &home, &entries).await;
            held.give_back_after(&found);
            found.map_err(|fault| fault.during("unfound"))
        })
        .await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        let (store, after) = (self.clone(), after.cloned());
        detached("homes", async move {
            let mut session = store.begin("homes").await?;
            let found = read::homes(session.connection(), after.as_ref(), limit).await;
            end(session, "homes", found).await
        })
        .await
    }

    async fn ends(&self, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, StoreError> {
        let (store, after) = (self.clone(), after.clone());
        detached("ends", async move {
            let mut session = store.begin("ends").await?;
            let found = read::ends(session.connection(), &after, limit).await;
            end(session, "ends", found).await
        })
        .await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        let (store, home) = (self.clone(), home.clone());
        detached("dump", async move {
            let mut session = store.begin("dump").await?;
            let found = dump::dump(session.connection(), &home).await;
            end(session, "dump", found).await
        })
        .await
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        let (store, home, after) = (self.clone(), home.clone(), after.cloned());
        detached("records", async move {
            let mut session = store.begin("records").await?;
            let found = read::records(session.connection(), &home, after.as_ref(), limit).await;
            end(session, "records", found).await
        })
        .await
    }

    /// In the task of its caller: a connection that is left half-way is closed, which undoes the step.
    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        let begun = Session::begin(self.writer.pool(), WRITE).await;
        let mut session = begun.map_err(|error| Fault::from(error).during("load"))?;
        if let Err(stopped) = load::step(session.connection(), step, &self.clock).await {
            session.roll_back().await;
            return Err(stopped.into());
        }
        session.commit().await.map_err(|error| Fault::from(error).at_commit())
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        let begun = Session::begin(self.writer.pool(), WRITE).await;
        let mut session = begun.map_err(|error| Fault::from(error).during("forget"))?;
        if let Err(fault) = forget::forget(session.connection(), home, subject).await {
            session.roll_back().await;
            return Err(fault.during("forget"));
        }
        session.commit().await.map_err(|error| Fault::from(error).at_commit())
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        let failed = |error: sqlx::Error| Fault::from(error).during("scrub");
        let mut held = self.writer.pool().take().await.map_err(failed)?;
        // It waits for readers as long as anybody waits for the file; that one stays is no error of SQLite's.
        let done = held.connection().fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await.map_err(failed)?;
        held.give_back();
        if done.try_get::<i64, _>(0).map_err(failed)? != 0 {
            return Err(StoreError {
                kind: StoreErrorKind::Busy,
                operation: "scrub",
                detail: "somebody reads what is in the write-ahead log".to_owned(),
            });
        }
        Ok(())
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        presence::enter(&self.path, presence)
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let store = self.clone();
        detached("describe", async move {
            let mut session = store.begin("describe").await?;
            let found = open::applied(session.connection()).await.map_err(Fault::from);
            let schema = end(session, "describe", found).await?;
            let (backend, durability, known_schema) = ("sqlite", Durability::Full, schema::newest());
            Ok(Description { backend, durability, schema, known_schema })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let store = self.clone();
        detached("ping", async move {
            let mut session = store.begin("ping").await?;
            let found = query_scalar!("SELECT count(*) FROM meta").fetch_one(session.connection()).await;
            end(session, "ping", found.map(|_| ()).map_err(Fault::from)).await
        })
        .await
    }
}

fn no_answer(operation: &'static str, why: NoAnswer) -> StoreError {
    match why {
        NoAnswer::Unsent => busy(operation),
        NoAnswer::HalfWay => stopped(operation),
    }
}

fn busy(operation: &'static str) -> StoreError {
    let detail = "too many calls are waiting".to_owned();
    StoreError { kind: StoreErrorKind::Busy, operation, detail }
}

fn stopped(operation: &'static str) -> StoreError {
    let detail = "the work stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation, detail }
}

fn lost(operation: &'static str) -> StoreError {
    let detail = "the writer stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::OutcomeUnknown, operation, detail }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
