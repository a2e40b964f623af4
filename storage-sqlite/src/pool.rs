//! Connections that are kept open. Each is used by one call at a time, and comes back only if it is clean: whoever took
//! it says so. So none is tried out after every call, which is a journey to its thread and back. All are of one file: once
//! its path leads elsewhere none is handed out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::Fault;
use crate::place::Place;

/// The connections of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: SqliteConnectOptions,
    place: Place,
    patience: Duration,
    most: u32,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection that was taken. Unless it is given back it is closed.
#[derive(Debug)]
pub(crate) struct Held {
    connection: Option<SqliteConnection>,
    pool: Pool,
    _room: OwnedSemaphorePermit,
}

impl Pool {
    /// Connects when it must, and waits for a free connection as long as `patience`.
    pub(crate) fn new(options: SqliteConnectOptions, place: Place, most: u32, patience: Duration) -> Self {
        let room = Arc::new(Semaphore::new(most as usize));
        Self { shared: Arc::new(Shared { options, place, patience, most, room, idle: Mutex::default() }) }
    }

    /// Whether the path still leads to the file that is open.
    pub(crate) fn still_there(&self) -> Result<(), sqlx::Error> {
        self.shared.place.still_there().map_err(sqlx::Error::Io)
    }

    /// A clean connection.
    pub(crate) async fn take(&self) -> Result<Held, sqlx::Error> {
        let waited = timeout(self.shared.patience, Arc::clone(&self.shared.room).acquire_owned()).await;
        let room = waited.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        self.still_there()?;
        let idle = self.idle().pop();
        let connection = if let Some(connection) = idle {
            connection
        } else {
            let made = self.shared.options.connect().await?;
            self.still_there()?;
            made
        };
        Ok(Held { connection: Some(connection), pool: self.clone(), _room: room })
    }

    /// Waits for the calls under way and closes all connections. Calls after that are answered `PoolClosed`.
    pub(crate) async fn close(&self) {
        let all = self.shared.room.acquire_many(self.shared.most).await;
        self.shared.room.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "a connection was not closed properly");
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Gives it back after a read by one statement, unless what went wrong may be the connection's.
    pub(crate) fn give_back_after<T>(self, found: &Result<T, Fault>) {
        if found.as_ref().err().is_none_or(Fault::leaves_the_connection) {
            self.give_back();
        }
    }

    /// Whether the path still leads to its file.
    pub(crate) fn still_there(&self) -> Result<(), sqlx::Error> {
        self.pool.still_there()
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a held connection is there until it is given back")
    }

    /// Gives it back: no transaction is open in it, and every answer was read.
    pub(crate) fn give_back(mut self) {
        let connection = self.connection.take();
        self.pool.idle().extend(connection);
    }
}
