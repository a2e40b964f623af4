//! How a store is opened.

use std::path::PathBuf;
use std::time::Duration;

/// Where the file is and how much is done at a time.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// The database file; it and its folder are made if missing.
    pub path: PathBuf,
    /// SHA-256 over the master key: a file is opened only with the key that it was first opened with.
    pub fingerprint: [u8; 32],
    /// Connections that read, at least 1.
    pub readers: u32,
    /// How long a call waits for another process, or for a free connection, before it is answered `Busy`.
    pub busy_timeout: Duration,
    /// How many calls may wait to write, and how many checks, before more are answered `Busy`.
    pub queue: usize,
}

impl SqliteConfig {
    /// The usual: 4 readers, 5 seconds, 1,024 waiting.
    pub fn new(path: impl Into<PathBuf>, fingerprint: [u8; 32]) -> Self {
        Self {
            path: path.into(),
            fingerprint,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            queue: 1_024,
        }
    }
}
