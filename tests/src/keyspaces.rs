//! Places for stores of tests on the Redis that `ROSTER_TEST_REDIS_URL` names, or on the Redis Cluster of
//! `ROSTER_TEST_REDIS_CLUSTER_URL`: one prefix of keys a store, removed with it.

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Client, Connection, cmd};
use roster_storage_redis::RedisConfig;

use crate::stores::FINGERPRINT;

/// Names the server.
pub const SERVER: &str = "ROSTER_TEST_REDIS_URL";
/// Names the masters of a cluster, with commas between.
pub const CLUSTER: &str = "ROSTER_TEST_REDIS_CLUSTER_URL";

/// A prefix of its own.
#[derive(Debug)]
pub struct Keyspace {
    url: String,
    prefix: String,
}

impl Keyspace {
    /// A fresh one on the server, or on the cluster.
    ///
    /// # Panics
    /// Where none is named.
    pub fn fresh(variable: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let url = env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run `cargo xtask test`, which starts servers, or name one; or leave Redis out by ROSTER_TEST_BACKENDS=memory,sqlite")
        });
        // Numbers of processes come back; the server may outlive many runs.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        Self { url, prefix: format!("test-{}-{nanos:x}-{n}:", std::process::id()) }
    }

    /// How a store in it is opened.
    pub fn config(&self) -> RedisConfig {
        RedisConfig { prefix: self.prefix.clone(), ..RedisConfig::new(self.url.clone(), FINGERPRINT) }
    }

    /// What all its keys begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The address of its server, or of several nodes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another on the same server, holding the same.
    ///
    /// # Panics
    /// Where the server refuses.
    pub fn copied(&self) -> Self {
        let variable = if self.url.contains(',') { CLUSTER } else { SERVER };
        let copy = Self { url: self.url.clone(), ..Self::fresh(variable) };
        for mut node in self.nodes() {
            for key in self.keys(&mut node) {
                let behind = &key[self.prefix.len()..];
                let to = [copy.prefix.as_bytes(), behind].concat();
                let copied: i64 = cmd("COPY").arg(&key).arg(to).query(&mut node).expect("a key is copied");
                assert_eq!(copied, 1, "a key is copied");
            }
        }
        copy
    }

    /// A connection to each node.
    ///
    /// # Panics
    /// Where one does not answer.
    pub fn nodes(&self) -> Vec<Connection> {
        let open = |url| Client::open(url).and_then(|client| client.get_connection());
        let nodes = self.url.split(',').map(open).collect::<Result<_, _>>();
        nodes.expect("the Redis servers of the tests answer")
    }

    fn keys(&self, node: &mut Connection) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(1_000);
            let (next, found): (u64, Vec<Vec<u8>>) = scan.query(node).expect("the keys are listed");
            keys.extend(found);
            cursor = next;
            if cursor == 0 {
                return keys;
            }
        }
    }
}
