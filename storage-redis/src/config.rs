//! How a store is opened.

use std::fmt;
use std::time::Duration;

use roster_core::health::Durability;

/// Where Redis is and what is asked of it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://USER:PASSWORD@HOST:PORT/NUMBER` or `rediss://…`; several with commas between are nodes of one Redis
    /// Cluster.
    pub url: String,
    /// SHA-256 over the master key: a store is opened only with the key that it was first opened with.
    pub fingerprint: [u8; 32],
    /// What every key begins with, so that several deployments can share one Redis.
    pub prefix: String,
    /// Whether a power cut may take about the last second of what was acknowledged: whether `appendfsync everysec` is
    /// accepted beside `always`.
    pub durability: Durability,
    /// What `appendfsync` is, where the server does not let itself be asked (`CONFIG` renamed or forbidden).
    pub declared_appendfsync: Option<String>,
    /// How long a connection may take to come about.
    pub connection_timeout: Duration,
    /// How long an answer may take.
    pub response_timeout: Duration,
}

impl RedisConfig {
    /// The usual: keys begin with `roster:`, nothing acknowledged may be lost, 5 seconds for a connection, 15 for an
    /// answer.
    pub fn new(url: impl Into<String>, fingerprint: [u8; 32]) -> Self {
        Self {
            url: url.into(),
            fingerprint,
            prefix: "roster:".to_owned(),
            durability: Durability::Full,
            declared_appendfsync: None,
            connection_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(15),
        }
    }

    /// The addresses: one is a single node, several are a cluster.
    pub fn urls(&self) -> Vec<&str> {
        self.url.split(',').map(str::trim).filter(|url| !url.is_empty()).collect()
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &"(hidden)")
            .field("prefix", &self.prefix)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
