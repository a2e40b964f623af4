//! A connection within a transaction. One that is left half-way is closed, never used again.

use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, PgPool, Postgres};

/// What a read of several statements begins with: all of them see one snapshot.
pub(crate) const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// What every write begins with: each statement sees what was committed before it, so the lock comes first.
pub(crate) const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// A connection with an open transaction.
pub(crate) struct Session {
    connection: PoolConnection<Postgres>,
    open: bool,
}

impl Session {
    /// Takes a connection and begins.
    pub(crate) async fn begin(pool: &PgPool, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut session = Self { connection: pool.acquire().await?, open: true };
        session.connection.execute(statement).await?;
        Ok(session)
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Makes everything durable and lets the connection go.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("COMMIT").await?;
        self.open = false;
        Ok(())
    }

    /// Undoes everything and lets the connection go. If that fails the connection is closed, which undoes it too.
    pub(crate) async fn roll_back(mut self) {
        match self.connection.execute("ROLLBACK").await {
            Ok(_) => self.open = false,
            Err(error) => {
                tracing::warn!(%error, "a transaction could not be rolled back; its connection is closed");
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open {
            self.connection.close_on_drop();
        }
    }
}
