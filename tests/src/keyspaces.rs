//! Places for stores of tests on the Redis that `ROSTER_TEST_REDIS_URL` names, or on the Redis Cluster of
//! `ROSTER_TEST_REDIS_CLUSTER_URL`: one prefix of keys a store, removed with it.

use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use redis::cluster::ClusterClient;
use redis::{Client, Cmd, Connection, cmd};
use roster_storage_redis::{RedisConfig, keys_beside, keys_of};

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
    /// Whether its keys stay when this is dropped.
    lasts: bool,
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
        let random = RandomState::new().build_hasher().finish();
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        Self { url, prefix: format!("test-{random:x}-{n}:"), lasts: false }
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
    #[must_use]
    pub fn copied(&self) -> Self {
        let variable = if self.is_cluster() { CLUSTER } else { SERVER };
        let copy = Self::fresh(variable);
        let to = |key: &String| format!("{}{}", copy.prefix, &key[self.prefix.len()..]);
        let commands = self.keys().iter().map(|key| cmd("COPY").arg(key).arg(to(key)).to_owned()).collect();
        let _copied: Vec<i64> = self.all(commands);
        copy
    }

    /// The one with this prefix on the same server; its keys stay.
    #[must_use]
    pub(crate) fn lasting(mut self, prefix: String) -> Self {
        self.prefix = prefix;
        self.lasts = true;
        self
    }

    fn is_cluster(&self) -> bool {
        self.url.contains(',')
    }

    /// Every key that may be there: those beside all homes, and those of each home whose name is known.
    fn keys(&self) -> Vec<String> {
        let beside = keys_beside(&self.prefix);
        let sets = beside.iter().filter(|key| key.contains("{homes:"));
        let names = sets.map(|key| cmd("ZRANGE").arg(key).arg(0).arg(-1).to_owned()).collect();
        let names: Vec<Vec<String>> = self.all(names);
        let homes = names.iter().flatten().map(|name| name.parse().expect("the name of a home"));
        let of_homes = homes.flat_map(|home| keys_of(&self.prefix, &home)).collect::<Vec<_>>();
        of_homes.into_iter().chain(beside).collect()
    }

    /// The answers to many commands, each from the node that keeps its key.
    ///
    /// # Panics
    /// Where one is not answered.
    pub fn all<T: redis::FromRedisValue>(&self, commands: Vec<Cmd>) -> Vec<T> {
        if self.is_cluster() {
            let client = ClusterClient::new(self.url.split(',')).and_then(|client| client.get_connection());
            let mut pipeline = redis::cluster::cluster_pipe();
            for command in commands {
                pipeline.add_command(command);
            }
            return pipeline.query(&mut client.expect("the cluster of the tests answers")).expect("answers");
        }
        let mut pipeline = redis::pipe();
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.query(&mut self.nodes().remove(0)).expect("answers")
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
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        // A test that has failed may have taken its server away.
        if !self.lasts && !std::thread::panicking() {
            let commands = self.keys().iter().map(|key| cmd("UNLINK").arg(key).to_owned()).collect();
            let _removed: Vec<i64> = self.all(commands);
        }
    }
}
