//! The store: every call runs in a task that is not the caller's, and goes on when the caller goes away.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use roster_core::gather::{self, Gather, Limits, NoAnswer};
use roster_core::health::{Description, Durability, Inspection};
use roster_core::home::{Home, Key, Tally};
use roster_core::id::UserId;
use roster_core::listing::{Listing, Page, PageRequest};
use roster_core::load::Load;
use roster_core::log::{LogFilter, Logged};
use roster_core::presence::{Presence, Stay};
use roster_core::report::{Survey, Take, Walk};
use roster_core::store::{
    AccessFacts, AccessKey, ChangeSet, Dump, Read, Store, StoreClock, StoreError, StoreErrorKind, Stored,
};
use sqlx::query_scalar;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::commit::Outcome;
use crate::config::PostgresConfig;
use crate::error::{Fault, OpenError};
use crate::glance::{Glance, OrganizationGlance, UserGlance};
use crate::load::Stopped;
use crate::plain::Plain;
use crate::pool::{CALL_LIMIT, Held, Pool};
use crate::session::{READ, Session, WRITE};
use crate::writer::Writer;
use crate::{access, dump, forget, glance, list, load, log, open, presence, read, report, schema};

/// How many groups of checks go at a time, and of the reads that requests begin with.
const READ_GROUPS: usize = 2;
/// The most questions of a group.
pub(crate) const GROUP: usize = 64;
/// The most calls that wait to be sent.
pub(crate) const WAITING: usize = 1_024;
/// The most reads that wait to be sent, as many as a server has connections of callers.
const READS_WAITING: usize = 4_096;
/// How long one try of a group takes, before another connection is tried.
const TRY: Duration = Duration::from_secs(5);

/// The Postgres store.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    base: Base,
    checks: Arc<Gather<AccessKey, Result<AccessFacts, StoreError>>>,
    organizations: Arc<Gather<OrganizationGlance, Result<Read, StoreError>>>,
    users: Arc<Gather<UserGlance, Result<Read, StoreError>>>,
    writer: Writer,
}

/// What every call works with.
#[derive(Clone, Debug)]
struct Base {
    pool: Pool,
    clock: StoreClock,
}

impl PostgresStore {
    /// Opens a database that has Roster's tables. Needs a Tokio runtime.
    pub async fn open(config: PostgresConfig, clock: StoreClock) -> Result<Self, OpenError> {
        let base = Base { pool: open::open(&config).await?, clock };
        let limits = Limits {
            groups: READ_GROUPS,
            questions: GROUP,
            lanes: 1,
            waiting: WAITING,
            patience: config.acquire_timeout,
        };
        let by = base.clone();
        let check = move |asks| {
            let by = by.clone();
            gather::apart(asks, move |asks| by.clone().check(asks))
        };
        let by = base.clone();
        let look_at_organizations = move |asks| {
            let by = by.clone();
            gather::apart(asks, move |asks| by.clone().look_at_organizations(asks))
        };
        let by = base.clone();
        let look_at_users = move |asks| {
            let by = by.clone();
            gather::apart(asks, move |asks| by.clone().look_at_users(asks))
        };
        let checks = Gather::new(limits, |_| None, check);
        let limits = Limits { waiting: READS_WAITING, ..limits };
        let organizations = Gather::new(limits, |_| None, look_at_organizations);
        let users = Gather::new(limits, |_| None, look_at_users);
        let writer = Writer::new(base.pool.clone(), base.clock.clone(), &config);
        Ok(Self { base, checks, organizations, users, writer })
    }

    /// Makes the tables, or brings older ones up to this program's schema.
    pub async fn migrate(config: &PostgresConfig) -> Result<(), OpenError> {
        open::migrate(config).await
    }

    /// Looks at everything that would refuse an opening, and changes nothing; at the key only where there is one.
    pub async fn inspect(config: &PostgresConfig, with_key: bool) -> Result<Inspection, OpenError> {
        open::inspect(config, with_key).await
    }

    /// Waits for the calls under way and closes all connections. Calls after that are answered `Unavailable`.
    pub async fn close(&self) {
        self.checks.rest().await;
        self.organizations.rest().await;
        self.users.rest().await;
        self.writer.rest().await;
        self.base.pool.close().await;
    }
}

/// An answer to each of many questions.
type Each<A> = Result<Vec<Result<A, StoreError>>, StoreError>;

impl Base {
    /// The facts of many checks by one statement.
    async fn check(self, asks: Arc<[AccessKey]>) -> Each<AccessFacts> {
        let (store, asks) = (&self, &asks);
        let ask = |mut held: Held| async move {
            let found = access::facts(held.connection(), &store.clock, asks).await;
            (held, found)
        };
        self.together("access", ask).await
    }

    /// The answers of many reads that requests begin with, by one statement too.
    async fn look_at_organizations(self, asks: Arc<[OrganizationGlance]>) -> Each<Read> {
        let (store, asks) = (&self, &asks);
        let ask = |mut held: Held| async move {
            let found = glance::of_organizations(held.connection(), &store.clock, asks).await;
            (held, found)
        };
        self.together("read", ask).await
    }

    /// The same of users.
    async fn look_at_users(self, asks: Arc<[UserGlance]>) -> Each<Read> {
        let (store, asks) = (&self, &asks);
        let ask = |mut held: Held| async move {
            let found = glance::of_users(held.connection(), &store.clock, asks).await;
            (held, found)
        };
        self.together("read", ask).await
    }

    /// One statement for many. It is asked again, on another connection, where the one it had broke.
    async fn together<A, F>(&self, operation: &'static str, ask: impl Fn(Held) -> F) -> Each<A>
    where
        F: Future<Output = (Held, Result<Vec<Result<A, Fault>>, Fault>)>,
    {
        let asked = async {
            let mut again = true;
            loop {
                // A connection that says nothing is not given back.
                let Ok((held, found)) = timeout(TRY, ask(self.take(operation).await?)).await else {
                    if again {
                        again = false;
                        continue;
                    }
                    return Err(unanswered(operation));
                };
                if let Some(answer) = Self::answered(held, operation, again, found) {
                    return answer;
                }
                again = false;
            }
        };
        let answers = timeout(CALL_LIMIT, asked).await.unwrap_or_else(|_| Err(unanswered(operation)))?;
        Ok(answers.into_iter().map(|one| one.map_err(|fault| fault.during(operation))).collect())
    }

    /// A read of several statements, all of one instant. It is done again, on another connection, where the one it had
    /// broke. Nothing is written, so how the end goes does not matter.
    async fn snapshot<T, R>(
        &self,
        operation: &'static str,
        read: impl Fn(Session) -> R,
    ) -> Result<T, StoreError>
    where
        R: Future<Output = (Session, Result<T, Fault>)>,
    {
        let mut again = true;
        loop {
            let begun = Session::begin(&self.pool, READ).await;
            match read(begun.map_err(|fault| fault.during(operation))?).await {
                (session, Ok(found)) => {
                    session.roll_back().await;
                    return Ok(found);
                }
                (session, Err(fault)) => {
                    session.roll_back_after(&fault).await;
                    if !again || !fault.is_broken_connection() {
                        return Err(fault.during(operation));
                    }
                    again = false;
                }
            }
        }
    }

    /// A write of several statements. It is done again, on another connection, where the server has forgotten what the one it
    /// had had prepared: nothing of it is there.
    async fn write<R>(&self, operation: &'static str, write: impl Fn(Session) -> R) -> Result<(), StoreError>
    where
        R: Future<Output = (Session, Result<(), Stopped>)>,
    {
        let mut again = true;
        loop {
            let begun = Session::begin(&self.pool, WRITE).await;
            let (session, stopped) = match write(begun.map_err(|fault| fault.during(operation))?).await {
                (session, Err(stopped)) => (session, stopped),
                (session, Ok(())) => {
                    return session.commit().await.map_err(|error| Fault::from(error).at_commit());
                }
            };
            match stopped {
                Stopped::Refused(error) => {
                    session.roll_back().await;
                    return Err(error);
                }
                Stopped::Fault(fault) => {
                    session.roll_back_after(&fault).await;
                    if !again || !fault.is_of_prepared() {
                        return Err(fault.during(operation));
                    }
                    again = false;
                }
            }
        }
    }

    /// After a read by one statement. `None` if it must be asked again, on another connection: the one it had broke.
    fn answered<T>(
        held: Held,
        operation: &'static str,
        again: bool,
        found: Result<T, Fault>,
    ) -> Option<Result<T, StoreError>> {
        let broken = found.as_ref().is_err_and(Fault::is_broken_connection);
        if broken && again {
            return None;
        }
        if !broken {
            held.give_back();
        }
        Some(found.map_err(|fault| fault.during(operation)))
    }

    async fn take(&self, operation: &'static str) -> Result<Held, StoreError> {
        self.pool.take().await.map_err(|fault| fault.during(operation))
    }
}

/// Runs to the end whatever becomes of the caller.
async fn detached<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |detail: String| StoreError { kind: StoreErrorKind::Unavailable, operation, detail };
    let in_time = async move { timeout(CALL_LIMIT, work).await.map_err(|_| unanswered(operation))? };
    tokio::spawn(in_time.in_current_span()).await.unwrap_or_else(|error| Err(failed(error.to_string())))
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        let glance = Glance::of(home, keys).filter(|_| tallies.is_empty());
        let answers = match glance {
            Some(Glance::Organization(glance)) => Some(self.organizations.ask(vec![glance]).await),
            Some(Glance::User(glance)) => Some(self.users.ask(vec![glance]).await),
            None => None,
        };
        if let Some(answers) = answers {
            let answer = answers.map_err(|why| no_answer("read", why))?.pop();
            return answer.unwrap_or_else(|| Err(stopped("read")));
        }
        let (store, home, keys, tallies) = (self.base.clone(), home.clone(), keys.to_vec(), tallies.to_vec());
        detached("read", async move {
            let mut again = true;
            loop {
                let mut held = store.take("read").await?;
                let found = read::read(held.connection(), &store.clock, &home, &keys, &tallies).await;
                if let Some(answer) = Base::answered(held, "read", again, found) {
                    return answer;
                }
                again = false;
            }
        })
        .await
    }

    async fn missing(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let (store, homes) = (self.base.clone(), homes.to_vec());
        detached("missing", async move {
            let mut again = true;
            loop {
                let mut held = store.take("missing").await?;
                let found = read::missing(held.connection(), &homes).await;
                if let Some(answer) = Base::answered(held, "missing", again, found) {
                    return answer;
                }
                again = false;
            }
        })
        .await
    }

    async fn without_receipts(&self, homes: &[Home]) -> Result<BTreeSet<Home>, StoreError> {
        let (store, homes) = (self.base.clone(), homes.to_vec());
        detached("without_receipts", async move {
            let mut again = true;
            loop {
                let mut held = store.take("without_receipts").await?;
                let found = read::without_receipts(held.connection(), &homes).await;
                if let Some(answer) = Base::answered(held, "without_receipts", again, found) {
                    return answer;
                }
                again = false;
            }
        })
        .await
    }

    async fn commit(&self, changes: &ChangeSet) -> Outcome {
        let (writer, set) = (self.writer.clone(), changes.clone());
        let work = async move { writer.commit(set).await };
        tokio::spawn(work.in_current_span()).await.unwrap_or_else(|_| Err(lost("commit").into()))
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let (writer, many) = (self.writer.clone(), sets.to_vec());
        let work = async move { writer.commit_all(&many).await };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or_else(|_| sets.iter().map(|_| Err(lost("commit_all").into())).collect())
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let (store, listing, page) = (self.base.clone(), listing.clone(), page.clone());
        detached("list", async move {
            if let Some(plain) = Plain::of(&listing, &page) {
                let mut again = true;
                loop {
                    let mut held = store.take("list").await?;
                    let found = plain.list(held.connection(), &store.clock).await;
                    if let Some(answer) = Base::answered(held, "list", again, found) {
                        return answer;
                    }
                    again = false;
                }
            }
            let (store, listing, page) = (&store, &listing, &page);
            let read = |mut session: Session| async move {
                let found = list::list(session.connection(), &store.clock, listing, page).await;
                (session, found)
            };
            store.snapshot("list", read).await
        })
        .await
    }

    /// The next slice is read while core looks at the one before it.
    async fn survey(&self, survey: &Arc<Survey>, take: Take<'_>) -> Result<(), StoreError> {
        let (mut ready, mut next) = (Vec::new(), Some(Walk::default()));
        while let Some(walk) = next {
            let (store, survey) = (self.base.clone(), Arc::clone(survey));
            let reading = detached("survey", async move {
                let (store, survey, walk) = (&store, &survey, &walk);
                let read = |mut session: Session| async move {
                    let found = report::slice(session.connection(), &store.clock, survey, walk.clone()).await;
                    (session, found)
                };
                store.snapshot("survey", read).await
            });
            let (found, ()) = tokio::join!(reading, async { ready.iter().for_each(&mut *take) });
            (ready, next) = found?;
        }
        ready.iter().for_each(take);
        Ok(())
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
        let (store, home, filter) = (self.base.clone(), home.clone(), filter.clone());
        detached("log", async move {
            let (store, home, filter) = (&store, &home, &filter);
            let read = |mut session: Session| async move {
                let found = log::entries(session.connection(), home, after, limit, filter).await;
                (session, found)
            };
            store.snapshot("log", read).await
        })
        .await
    }

    async fn unfound(&self, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, StoreError> {
        let (store, home, entries) = (self.base.clone(), home.clone(), entries.to_vec());
        detached("unfound", async move {
            let mut again = true;
            loop {
                let mut held = store.take("unfound").await?;
                let found = log::unfound(held.connection(), &home, &entries).await;
                if let Some(answer) = Base::answered(held, "unfound", again, found) {
                    return answer;
                }
                again = false;
            }
        })
        .await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        let (store, after) = (self.base.clone(), after.cloned());
        detached("homes", async move {
            let after = after.as_ref();
            let read = |mut session: Session| async move {
                let found = read::homes(session.connection(), after, limit).await;
                (session, found)
            };
            store.snapshot("homes", read).await
        })
        .await
    }

    async fn ends(&self, after: &Home, limit: u16) -> Result<Vec<(Home, u64)>, StoreError> {
        let (store, after) = (self.base.clone(), after.clone());
        detached("ends", async move {
            let after = &after;
            let read = |mut session: Session| async move {
                let found = read::ends(session.connection(), after, limit).await;
                (session, found)
            };
            store.snapshot("ends", read).await
        })
        .await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        let (store, home) = (self.base.clone(), home.clone());
        detached("dump", async move {
            let home = &home;
            let read = |mut session: Session| async move {
                let found = dump::dump(session.connection(), home).await;
                (session, found)
            };
            store.snapshot("dump", read).await
        })
        .await
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        let (store, home, after) = (self.base.clone(), home.clone(), after.cloned());
        detached("records", async move {
            let (home, after) = (&home, &after);
            let read = |mut session: Session| async move {
                let found = read::records(session.connection(), home, after.as_ref(), limit).await;
                (session, found)
            };
            store.snapshot("records", read).await
        })
        .await
    }

    async fn load(&self, step: Load<'_>) -> Result<(), StoreError> {
        let (store, kept) = (self.base.clone(), step.kept());
        // A step is many statements, and over a slow line they take long; each of them has its limit.
        let work = async move {
            let (kept, clock) = (&kept, &store.clock);
            let write = |mut session: Session| async move {
                let done = load::step(session.connection(), kept.step(), clock).await;
                (session, done)
            };
            store.write("load", write).await
        };
        tokio::spawn(work.in_current_span()).await.unwrap_or_else(|_| Err(lost("load")))
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        let (store, home) = (self.base.clone(), home.clone());
        detached("forget", async move {
            let home = &home;
            let write = |mut session: Session| async move {
                let done = forget::forget(session.connection(), home, subject).await;
                (session, done.map_err(Stopped::from))
            };
            store.write("forget", write).await
        })
        .await
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        let options = self.base.pool.options().clone();
        detached("enter", async move {
            presence::enter(options, presence).await.map_err(|fault| fault.during("enter"))
        })
        .await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let store = self.base.clone();
        detached("describe", async move {
            let read = |mut session: Session| async move {
                let found = open::applied(session.connection()).await.map_err(Fault::from);
                (session, found)
            };
            let schema = store.snapshot("describe", read).await?;
            let (backend, durability, known_schema) = ("postgres", Durability::Full, schema::newest());
            Ok(Description { backend, durability, schema, known_schema })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let store = self.base.clone();
        detached("ping", async move {
            let read = |mut session: Session| async move {
                let found = query_scalar!("SELECT count(*) FROM meta").fetch_one(session.connection()).await;
                (session, found.map(drop).map_err(Fault::from))
            };
            store.snapshot("ping", read).await
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

fn unanswered(operation: &'static str) -> StoreError {
    let detail = "the database does not answer".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation, detail }
}

pub(crate) fn busy(operation: &'static str) -> StoreError {
    let detail = "too many calls are waiting".to_owned();
    StoreError { kind: StoreErrorKind::Busy, operation, detail }
}

fn stopped(operation: &'static str) -> StoreError {
    let detail = "the work stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::Unavailable, operation, detail }
}

pub(crate) fn lost(operation: &'static str) -> StoreError {
    let detail = "the work stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::OutcomeUnknown, operation, detail }
}
