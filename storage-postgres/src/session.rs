//! A connection within a transaction. One that is left half-way is closed, never used again.

use std::time::Duration;

use sqlx::{Executor, PgConnection};
use tokio::time::timeout;

use crate::error::Fault;
use crate::pool::{Held, Pool};

/// What a read of several statements begins with: all of them see one snapshot. Listings are planned for what they are
/// asked.
pub(crate) const READ: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = auto";
/// What every write begins with: each statement sees what was committed before it, so the lock comes first.
pub(crate) const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// How long the end of a transaction may take: longer than the server takes for any statement.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A connection with an open transaction.
pub(crate) struct Session {
    held: Held,
}

impl Session {
    /// Takes a connection and begins. One that has broken while it rested is passed over.
    pub(crate) async fn begin(pool: &Pool, statement: &'static str) -> Result<Self, Fault> {
        let mut held = pool.take().await?;
        match held.connection().execute(statement).await.map_err(Fault::from) {
            Err(fault) if fault.is_broken_connection() => {
                drop(held);
                held = pool.take().await?;
                held.connection().execute(statement).await?;
            }
            begun => {
                begun?;
            }
        }
        Ok(Self { held })
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.held.connection()
    }

    /// Makes everything durable and lets the connection go.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        in_time(self.held.connection().execute("COMMIT")).await?;
        self.held.give_back();
        Ok(())
    }

    /// Undoes everything after a fault. A connection that it has broken is closed, which undoes it too.
    pub(crate) async fn roll_back_after(self, fault: &Fault) {
        if !fault.is_broken_connection() {
            self.roll_back().await;
        }
    }

    /// Undoes everything and lets the connection go. If that fails the connection is closed, which undoes it too.
    pub(crate) async fn roll_back(mut self) {
        match in_time(self.held.connection().execute("ROLLBACK")).await {
            Ok(_) => self.held.give_back(),
            Err(error) => {
                tracing::warn!(%error, "a transaction could not be rolled back; its connection is closed");
            }
        }
    }
}

/// One statement that ends a transaction. Whoever does not hear of it in time closes the connection.
async fn in_time<T>(ending: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    timeout(END_LIMIT, ending).await.map_err(late)?
}
