//! The store: every call runs in a task of its own, which goes on when the caller goes away.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use roster_core::home::{Home, Key, Tally};
use roster_core::id::UserId;
use roster_core::listing::{Listing, Page, PageRequest};
use roster_core::log::Logged;
use roster_core::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreClock, StoreError,
    StoreErrorKind,
};
use sqlx::{Executor, PgConnection, PgPool, query_scalar};

use crate::commit::{Stopped, apply, hold_all};
use crate::config::PostgresConfig;
use crate::error::{Fault, OpenError};
use crate::session::{READ, Session, WRITE};
use crate::{access, dump, list, log, open, read};

/// The most change sets that one transaction carries.
const MAX_SETS: usize = 500;
/// How often a commit whose answer was lost is sent again: the store knows its id.
const RESENDS: u32 = 2;

type Outcome = Result<Committed, CommitError>;

/// The Postgres store.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
    clock: StoreClock,
}

impl PostgresStore {
    /// Opens a database that has Roster's tables. Needs a Tokio runtime.
    pub async fn open(config: PostgresConfig, clock: StoreClock) -> Result<Self, OpenError> {
        Ok(Self { pool: open::open(&config).await?, clock })
    }

    /// Makes the tables, or brings older ones up to this program's schema.
    pub async fn migrate(config: &PostgresConfig) -> Result<(), OpenError> {
        open::migrate(config).await
    }

    /// Waits for the calls under way and closes all connections. Calls after that are answered `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// One set in a transaction of its own.
    async fn commit_one(&self, changes: &ChangeSet) -> Outcome {
        let mut session = Session::begin(&self.pool, WRITE).await.map_err(|error| during(&error.into()))?;
        match apply(session.connection(), changes, &self.clock).await {
            Ok(committed @ Committed::Now(_)) => match session.commit().await {
                Ok(()) => Ok(committed),
                Err(error) => Err(Fault::from(error).at_commit().into()),
            },
            Ok(Committed::Before) => {
                session.roll_back().await;
                Ok(Committed::Before)
            }
            Err(stopped) => {
                session.roll_back().await;
                Err(match stopped {
                    Stopped::Set(error) => error,
                    Stopped::Transaction(fault) => during(&fault),
                })
            }
        }
    }

    /// Many sets in one transaction, each by itself.
    async fn commit_many(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let mut session = match Session::begin(&self.pool, WRITE).await {
            Ok(session) => session,
            Err(error) => return all(sets, &Fault::from(error).during("commit_all")),
        };
        let outcomes = match apply_many(session.connection(), sets, &self.clock).await {
            Ok(outcomes) => outcomes,
            Err(fault) => {
                session.roll_back().await;
                return all(sets, &fault.during("commit_all"));
            }
        };
        match session.commit().await {
            Ok(()) => outcomes,
            // Nobody is told anything that rests on a set which may not be there.
            Err(error) => all(sets, &Fault::from(error).at_commit()),
        }
    }

    async fn begin(&self, operation: &'static str) -> Result<Session, StoreError> {
        Session::begin(&self.pool, READ).await.map_err(|error| Fault::from(error).during(operation))
    }
}

async fn apply_many(
    connection: &mut PgConnection,
    sets: &[ChangeSet],
    clock: &StoreClock,
) -> Result<Vec<Outcome>, Fault> {
    hold_all(connection, sets).await?;
    let mut outcomes = Vec::with_capacity(sets.len());
    for set in sets {
        connection.execute("SAVEPOINT one").await?;
        let end = match apply(connection, set, clock).await {
            Ok(committed) => {
                outcomes.push(Ok(committed));
                "RELEASE one"
            }
            Err(Stopped::Set(error)) => {
                outcomes.push(Err(error));
                "ROLLBACK TO one; RELEASE one"
            }
            Err(Stopped::Transaction(fault)) => return Err(fault),
        };
        connection.execute(end).await?;
    }
    Ok(outcomes)
}

fn during(fault: &Fault) -> CommitError {
    fault.during("commit").into()
}

fn all(sets: &[ChangeSet], error: &StoreError) -> Vec<Outcome> {
    sets.iter().map(|_| Err(error.clone().into())).collect()
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Err(CommitError::Store(error)) if error.kind == StoreErrorKind::OutcomeUnknown)
}

/// Runs to the end whatever becomes of the caller.
async fn detached<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        Err(StoreError { kind: StoreErrorKind::Unavailable, operation, detail: error.to_string() })
    })
}

/// Ends a snapshot. Nothing was written, so how that goes does not matter.
async fn end<T>(session: Session, operation: &'static str, found: Result<T, Fault>) -> Result<T, StoreError> {
    session.roll_back().await;
    found.map_err(|fault| fault.during(operation))
}

#[async_trait]
impl Store for PostgresStore {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        let (store, home, keys, tallies) = (self.clone(), home.clone(), keys.to_vec(), tallies.to_vec());
        detached("read", async move {
            let mut session = store.begin("read").await?;
            let found = read::read(session.connection(), &store.clock, &home, &keys, &tallies).await;
            end(session, "read", found).await
        })
        .await
    }

    async fn commit(&self, changes: &ChangeSet) -> Outcome {
        let (store, changes) = (self.clone(), changes.clone());
        let work = async move {
            let mut outcome = store.commit_one(&changes).await;
            for n in 1..=RESENDS {
                if !is_unknown(&outcome) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(u64::from(n) * 100)).await;
                match store.commit_one(&changes).await {
                    Err(CommitError::Store(_)) => {}
                    told => outcome = told,
                }
            }
            outcome
        };
        tokio::spawn(work).await.unwrap_or_else(|_| Err(lost("commit").into()))
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Outcome> {
        let (store, many) = (self.clone(), sets.to_vec());
        let work = async move {
            let mut outcomes = Vec::with_capacity(many.len());
            for chunk in many.chunks(MAX_SETS) {
                outcomes.extend(store.commit_many(chunk).await);
            }
            outcomes
        };
        tokio::spawn(work)
            .await
            .unwrap_or_else(|_| sets.iter().map(|_| Err(lost("commit_all").into())).collect())
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let (store, listing, page) = (self.clone(), listing.clone(), page.clone());
        detached("list", async move {
            let mut session = store.begin("list").await?;
            let found = list::list(session.connection(), &store.clock, &listing, &page).await;
            end(session, "list", found).await
        })
        .await
    }

    async fn access(&self, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        let (store, asks) = (self.clone(), asks.to_vec());
        detached("access", async move {
            let connection = store.pool.acquire().await.map_err(Fault::from);
            let found = match connection {
                Ok(mut connection) => access::facts(&mut connection, &store.clock, &asks).await,
                Err(fault) => Err(fault),
            };
            found.map_err(|fault| fault.during("access"))
        })
        .await
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        user: Option<UserId>,
    ) -> Result<Vec<Logged>, StoreError> {
        let (store, home) = (self.clone(), home.clone());
        detached("log", async move {
            let mut session = store.begin("log").await?;
            let found = log::entries(session.connection(), &home, after, limit, user).await;
            end(session, "log", found).await
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

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        let (store, home) = (self.clone(), home.clone());
        detached("dump", async move {
            let mut session = store.begin("dump").await?;
            let found = dump::dump(session.connection(), &home).await;
            end(session, "dump", found).await
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

fn lost(operation: &'static str) -> StoreError {
    let detail = "the work stopped half-way".to_owned();
    StoreError { kind: StoreErrorKind::OutcomeUnknown, operation, detail }
}
