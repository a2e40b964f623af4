//! Connections that are kept open. Each is used by one call at a time, and comes back only if it is clean: whoever
//! took it says so. So a connection need not be tried out before and after every call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::Fault;

/// One that has rested longer than this is tried out before it is used.
const FRESH: Duration = Duration::from_secs(1);
/// How long that may take.
const PING_LIMIT: Duration = Duration::from_secs(1);
/// One that has rested longer than this is closed.
const IDLE_LIMIT: Duration = Duration::from_mins(10);
/// One that is older than this is closed after its call.
const AGE_LIMIT: Duration = Duration::from_mins(30);
/// How long one call may take in all. The server limits each statement, but not how long it takes to hear of a server
/// that is gone without a word.
pub(crate) const CALL_LIMIT: Duration = Duration::from_mins(1);
/// Pauses between attempts to connect to a server that is starting, in milliseconds.
const PAUSES: [u64; 4] = [20, 50, 100, 250];

/// The connections of a store.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    /// Settings of each session: a pooler between would not pass them on as parameters of the start.
    settings: String,
    patience: Duration,
    most: u32,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection that was taken. Unless it is given back it is closed.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Option<PgConnection>,
    made: Instant,
    pool: Pool,
    _room: OwnedSemaphorePermit,
}

impl Pool {
    /// Connects when it must, and waits for a free connection as long as `patience`.
    pub(crate) fn new(options: PgConnectOptions, settings: String, most: u32, patience: Duration) -> Self {
        let (most, idle) = (most.max(1), Mutex::default());
        let room = Arc::new(Semaphore::new(most as usize));
        Self { shared: Arc::new(Shared { options, settings, patience, most, room, idle }) }
    }

    /// How to connect.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.shared.options
    }

    /// A clean connection.
    pub(crate) async fn take(&self) -> Result<Held, Fault> {
        let end = Instant::now() + self.shared.patience;
        let room = match timeout_at(end, Arc::clone(&self.shared.room).acquire_owned()).await {
            Ok(Ok(room)) => room,
            Ok(Err(_closed)) => return Err(Fault::NoConnection(sqlx::Error::PoolClosed)),
            Err(_too_long) => return Err(Fault::NoConnection(sqlx::Error::PoolTimedOut)),
        };
        let found = match self.reuse(end).await {
            Some(kept) => Ok((kept.connection, kept.made)),
            None => match timeout_at(end, self.connect()).await {
                Ok(made) => made.map(|connection| (connection, Instant::now())),
                Err(_too_long) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            },
        };
        let (connection, made) = found.map_err(Fault::NoConnection)?;
        Ok(Held { connection: Some(connection), made, pool: self.clone(), _room: room })
    }

    /// The one that was used last, if it still answers. If it does not the others are no better: a firewall forgets
    /// all that were quiet for long, and says nothing.
    async fn reuse(&self, end: Instant) -> Option<Kept> {
        let mut kept = self.idle().pop()?;
        if kept.since.elapsed() < FRESH {
            return Some(kept);
        }
        let limit = end.min(Instant::now() + PING_LIMIT);
        if kept.since.elapsed() < IDLE_LIMIT
            && matches!(timeout_at(limit, kept.connection.ping()).await, Ok(Ok(())))
        {
            return Some(kept);
        }
        self.forget();
        None
    }

    /// A new one; one that is refused because the server is starting is tried again.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(PAUSES[PAUSES.len() - 1]));
        loop {
            match self.shared.options.connect().await {
                Ok(mut connection) => {
                    let settings = sqlx::AssertSqlSafe(self.shared.settings.clone());
                    connection.execute(sqlx::raw_sql(settings)).await?;
                    // After a failover the address may lead to what is a standby now.
                    if !sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await? {
                        return Ok(connection);
                    }
                    sleep(Duration::from_millis(pauses.next().unwrap_or_default())).await;
                }
                Err(error) if is_passing(&error) => {
                    sleep(Duration::from_millis(pauses.next().unwrap_or_default())).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the calls under way and closes all connections. Calls after that are answered `PoolClosed`.
    pub(crate) async fn close(&self) {
        let all = timeout(CALL_LIMIT, self.shared.room.acquire_many(self.shared.most)).await;
        self.shared.room.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for kept in idle {
            // The server sees the connection end in any case.
            kept.connection.close().await.ok();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After one broke in use the others are no better: usually the server has gone.
    fn forget(&self) {
        self.idle().clear();
    }
}

/// Refused now, perhaps not in a moment: the server is starting or full.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(code.as_ref(), "57P03" | "53300"))
        }
        _ => false,
    }
}

impl Held {
    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a held connection is there until it is given back")
    }

    /// Gives it back: no transaction is open in it, and every answer was read.
    pub(crate) fn give_back(mut self) {
        let (now, made) = (Instant::now(), self.made);
        let Some(connection) = self.connection.take() else { return };
        if now.duration_since(made) > AGE_LIMIT || self.pool.shared.room.is_closed() {
            return;
        }
        let mut idle = self.pool.idle();
        idle.push(Kept { connection, made, since: now });
        let aged = idle.iter().take_while(|kept| now.duration_since(kept.since) > IDLE_LIMIT).count();
        drop(idle.drain(..aged));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            self.pool.forget();
        }
    }
}
