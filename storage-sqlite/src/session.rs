//! A connection within a transaction. One that is left half-way is closed, never used again.

use sqlx::{Executor, SqliteConnection};

use crate::pool::{Held, Pool};

/// What every read begins with: the first SELECT takes the snapshot.
pub(crate) const READ: &str = "BEGIN";
/// What every write begins with: the lock comes first, so that nothing read can be stale.
pub(crate) const WRITE: &str = "BEGIN IMMEDIATE";

/// A connection with an open transaction.
pub(crate) struct Session {
    held: Held,
}

impl Session {
    /// Takes a connection and begins.
    pub(crate) async fn begin(pool: &Pool, statement: &'static str) -> Result<Self, sqlx::Error> {
        Self::begin_on(pool.take().await?, statement).await
    }

    /// Begins on a connection.
    pub(crate) async fn begin_on(held: Held, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut session = Self { held };
        if let Err(error) = session.held.connection().execute(statement).await {
            session.roll_back_quietly().await;
            return Err(error);
        }
        Ok(session)
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.held.connection()
    }

    /// Makes everything durable and lets the connection go. Where the file is not in its place any more nobody knows
    /// whether it was when this was written.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        match self.held.connection().execute("COMMIT").await {
            Ok(_) => {
                let there = self.held.still_there();
                self.held.give_back();
                there
            }
            Err(error) => {
                self.roll_back().await;
                Err(error)
            }
        }
    }

    /// After a BEGIN that failed: usually there is nothing to undo, and the connection is as good as before.
    async fn roll_back_quietly(mut self) {
        match self.held.connection().execute("ROLLBACK").await {
            Ok(_) => self.held.give_back(),
            Err(error) if is_done(&error) => self.held.give_back(),
            Err(_) => {}
        }
    }

    /// Undoes everything and lets the connection go. `SQLite` may have done so itself, as where the disk is full. If it fails
    /// the connection is closed, which undoes it too.
    pub(crate) async fn roll_back(mut self) {
        match self.held.connection().execute("ROLLBACK").await {
            Ok(_) => self.held.give_back(),
            Err(error) if is_done(&error) => self.held.give_back(),
            Err(error) => {
                tracing::warn!(%error, "a transaction could not be rolled back; its connection is closed");
            }
        }
    }
}

/// Whether there is nothing to undo.
fn is_done(error: &sqlx::Error) -> bool {
    error.to_string().contains("no transaction is active")
}
