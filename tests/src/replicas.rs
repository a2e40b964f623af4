//! A store opened a second time, as another replica has it, or from behind a proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use roster_core::store::{Store, StoreClock};
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_storage_redis::{RedisConfig, RedisStore};
use roster_storage_sqlite::SqliteStore;

use crate::stores::{FINGERPRINT, TestStore, sqlite_config};

/// The same data through an opening of its own, by the same clock. In memory there is only the one.
///
/// # Panics
/// Where it does not open.
pub async fn again(test: &TestStore) -> Arc<dyn Store> {
    let clock = StoreClock::Given(test.clock.clone());
    if let Some(database) = &test.database {
        let config = PostgresConfig { connections: 4, ..PostgresConfig::new(database.url(), FINGERPRINT) };
        return Arc::new(PostgresStore::open(config, clock).await.expect("Postgres opens again"));
    }
    if let Some(keyspace) = &test.keyspace {
        return Arc::new(RedisStore::open(keyspace.config(), clock).await.expect("Redis opens again"));
    }
    match &test.dir {
        Some(dir) => {
            let store = SqliteStore::open(sqlite_config(dir), clock).await;
            Arc::new(store.expect("SQLite opens again"))
        }
        None => Arc::clone(&test.store),
    }
}

/// Stores of one server, which a proxy can stand before. The nodes of a cluster send their clients to each other.
pub const BEHIND_ONE_ADDRESS: [&str; 2] = ["postgres", "redis"];

fn url_of(test: &TestStore) -> Url {
    let database = test.database.as_ref().map(crate::databases::Database::url);
    let url = database.or_else(|| test.keyspace.as_ref().map(|keyspace| keyspace.url().to_owned()));
    url.expect("a store on a server").parse().expect("an address")
}

/// Where the server is.
///
/// # Panics
/// Where the store is not [`BEHIND_ONE_ADDRESS`].
pub async fn server_of(test: &TestStore) -> SocketAddr {
    let (url, usual) = (url_of(test), if test.database.is_some() { 5432 } else { 6379 });
    let host = url.host_str().expect("a host").to_owned();
    let found = tokio::net::lookup_host((host, url.port().unwrap_or(usual))).await;
    found.expect("the server's host").next().expect("the server's address")
}

/// The same data by way of an address; over one connection where the store has several, for which a call waits so long.
///
/// # Panics
/// Where the store is not [`BEHIND_ONE_ADDRESS`], or does not open.
pub async fn by_way_of(test: &TestStore, address: SocketAddr, patience: Duration) -> Arc<dyn Store> {
    let (mut url, clock) = (url_of(test), StoreClock::Given(test.clock.clone()));
    url.set_ip_host(address.ip()).expect("a host");
    url.set_port(Some(address.port())).expect("a port");
    if let Some(keyspace) = &test.keyspace {
        let config = RedisConfig { url: url.to_string(), ..keyspace.config() };
        return Arc::new(RedisStore::open(config, clock).await.expect("Redis opens by another way"));
    }
    let config = PostgresConfig {
        connections: 1,
        acquire_timeout: patience,
        ..PostgresConfig::new(url.to_string(), FINGERPRINT)
    };
    Arc::new(PostgresStore::open(config, clock).await.expect("Postgres opens by another way"))
}
