//! How a store is opened.

use std::time::Duration;

/// Where the database is and how much is done at a time.
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `sslmode` and the like behind a `?`.
    pub url: String,
    /// SHA-256 over the master key: a database is opened only with the key that it was first opened with.
    pub fingerprint: [u8; 32],
    /// The most connections.
    pub connections: u32,
    /// How long a call waits for a free connection before it is answered `Busy`.
    pub acquire_timeout: Duration,
    /// How long one statement may take, and how long it may wait for a lock.
    pub statement_timeout: Duration,
}

impl PostgresConfig {
    /// The usual: 16 connections, 5 seconds for a connection, 15 for a statement.
    pub fn new(url: impl Into<String>, fingerprint: [u8; 32]) -> Self {
        Self {
            url: url.into(),
            fingerprint,
            connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
        }
    }
}

impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("url", &"(hidden)")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
