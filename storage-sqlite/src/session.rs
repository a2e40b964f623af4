//! A connection within a transaction. One that is left half-way is closed, never used again.

use sqlx::pool::PoolConnection;
use sqlx::{Executor, Sqlite, SqliteConnection, SqlitePool};

/// What every read begins with: the first SELECT takes the snapshot.
pub(crate) const READ: &str = "BEGIN";
/// What every write begins with: the lock comes first, so that nothing read can be stale.
pub(crate) const WRITE: &str = "BEGIN IMMEDIATE";

/// A connection with an open transaction.
pub(crate) struct Session {
    connection: PoolConnection<Sqlite>,
    open: bool,
}

impl Session {
    /// Takes a connection and begins.
    pub(crate) async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Self, sqlx::Error> {
        Self::begin_on(pool.acquire().await?, statement).await
    }

    /// Begins on a connection.
    pub(crate) async fn begin_on(
        connection: PoolConnection<Sqlite>,
        statement: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let mut session = Self { connection, open: true };
        if let Err(error) = session.connection.execute(statement).await {
            session.roll_back_quietly().await;
            return Err(error);
        }
        Ok(session)
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Makes everything durable and lets the connection go.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        match self.connection.execute("COMMIT").await {
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// After a BEGIN that failed: usually there is nothing to undo, and the connection is as good as before.
    async fn roll_back_quietly(mut self) {
        let nothing = |error: &sqlx::Error| error.to_string().contains("no transaction is active");
        match self.connection.execute("ROLLBACK").await {
            Ok(_) => self.open = false,
            Err(error) => self.open = !nothing(&error),
        }
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
