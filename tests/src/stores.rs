//! Fresh stores to test on, each with a clock that tests move.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use roster_core::facts::Entropy;
use roster_core::log::digest;
use roster_core::memory::MemoryStore;
use roster_core::store::{Clock, Store, StoreClock};
use roster_core::time::Timestamp;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_storage_redis::RedisStore;
use roster_storage_sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;

use crate::databases::{Database, template};
use crate::keyspaces::{CLUSTER, Keyspace, SERVER};

/// Every store that can be tested.
pub const ALL: [&str; 5] = ["memory", "sqlite", "postgres", "redis", "redis-cluster"];

/// Narrows the stores that are tested: names with commas between.
pub const SELECTION: &str = "ROSTER_TEST_BACKENDS";

/// 2027-01-01T00:00:00Z, where every test clock begins.
pub const START: Timestamp = Timestamp::from_micros(1_798_761_600_000_000);

/// The key fingerprint of every test store.
pub const FINGERPRINT: [u8; 32] = [7; 32];

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(START.micros()))
    }
}

impl ManualClock {
    /// Moves the clock, back too.
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Puts the clock.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Randomness that is the same in every run: the hash of a counter. Ids carry the clock's instant.
#[derive(Debug)]
pub struct CountingEntropy {
    clock: Arc<ManualClock>,
    drawn: AtomicU64,
}

impl CountingEntropy {
    /// Beginning at nothing drawn.
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self::after(clock, 0)
    }

    /// As after so many draws.
    pub fn after(clock: Arc<ManualClock>, drawn: u64) -> Self {
        Self { clock, drawn: AtomicU64::new(drawn) }
    }
}

impl Entropy for CountingEntropy {
    fn bytes(&self) -> [u8; 32] {
        digest(&self.drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes())
    }

    fn millis(&self) -> u64 {
        (self.clock.now().micros() / 1_000).unsigned_abs()
    }
}

/// An empty store; its files go with it.
#[derive(Debug)]
pub struct TestStore {
    /// Which.
    pub name: &'static str,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Where its files are, if it has any.
    pub dir: Option<TempDir>,
    /// Its database on a server, if it has one.
    pub database: Option<Database>,
    /// Its keys on a Redis, if it has any.
    pub keyspace: Option<Keyspace>,
    /// Itself, if it is in memory.
    pub memory: Option<Arc<MemoryStore>>,
}

impl TestStore {
    pub(crate) fn new(name: &'static str, store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        Self { name, store, clock, dir: None, database: None, keyspace: None, memory: None }
    }
}

/// A fresh store by name.
///
/// # Panics
/// Where the name is unknown or the store does not open.
pub async fn fresh(name: &str) -> TestStore {
    let clock = Arc::new(ManualClock::default());
    match name {
        "memory" => in_memory(MemoryStore::new(clock.clone()), clock),
        "sqlite" => {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let config = sqlite_config(&dir);
            let given = StoreClock::Given(clock.clone());
            let store = SqliteStore::open(config, given).await.expect("a new SQLite store opens");
            TestStore { dir: Some(dir), ..TestStore::new("sqlite", Arc::new(store), clock) }
        }
        "postgres" => {
            let database = Database::like(&template().await).await;
            let store = on_postgres(&database, &clock).await;
            TestStore { database: Some(database), ..TestStore::new("postgres", store, clock) }
        }
        "redis" => in_keyspace("redis", Keyspace::fresh(SERVER), clock).await,
        "redis-cluster" => in_keyspace("redis-cluster", Keyspace::fresh(CLUSTER), clock).await,
        other => panic!("{other} is not a store: {SELECTION} takes {}", ALL.join(", ")),
    }
}

pub(crate) fn in_memory(store: MemoryStore, clock: Arc<ManualClock>) -> TestStore {
    let store = Arc::new(store);
    TestStore { memory: Some(Arc::clone(&store)), ..TestStore::new("memory", store, clock) }
}

pub(crate) async fn on_postgres(database: &Database, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    let config = PostgresConfig { connections: 4, ..PostgresConfig::new(database.url(), FINGERPRINT) };
    let store = PostgresStore::open(config, StoreClock::Given(clock.clone())).await;
    Arc::new(store.expect("a new Postgres store opens"))
}

pub(crate) async fn in_keyspace(
    name: &'static str,
    keyspace: Keyspace,
    clock: Arc<ManualClock>,
) -> TestStore {
    RedisStore::migrate(&keyspace.config()).await.expect("a new Redis store is prepared");
    let store = RedisStore::open(keyspace.config(), StoreClock::Given(clock.clone())).await;
    let store = Arc::new(store.expect("a new Redis store opens"));
    TestStore { keyspace: Some(keyspace), ..TestStore::new(name, store, clock) }
}

/// A store that holds what another does, with a clock of its own at the same instant.
///
/// # Panics
/// Where the copy does not open.
pub async fn copied(from: &TestStore) -> TestStore {
    if let Some(memory) = &from.memory {
        let clock = Arc::new(ManualClock::default());
        clock.set(from.clock.now());
        return in_memory(memory.copied(clock.clone()), clock);
    }
    if let Some(database) = &from.database {
        let database = Database::like(database.name()).await;
        let clock = Arc::new(ManualClock::default());
        clock.set(from.clock.now());
        let store = on_postgres(&database, &clock).await;
        return TestStore { database: Some(database), ..TestStore::new("postgres", store, clock) };
    }
    if let Some(keyspace) = &from.keyspace {
        let clock = Arc::new(ManualClock::default());
        clock.set(from.clock.now());
        return in_keyspace(from.name, keyspace.copied(), clock).await;
    }
    let files = from.dir.as_ref().expect("a store with files").path();
    let clock = Arc::new(ManualClock::default());
    clock.set(from.clock.now());
    sqlite_like(files, clock).await
}

/// A `SQLite` store on a copy of a folder.
pub(crate) async fn sqlite_like(files: &Path, clock: Arc<ManualClock>) -> TestStore {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for file in std::fs::read_dir(files).expect("the files") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("a copy");
    }
    let given = StoreClock::Given(clock.clone());
    let store = SqliteStore::open(sqlite_config(&dir), given).await.expect("a copied SQLite store opens");
    TestStore { dir: Some(dir), ..TestStore::new("sqlite", Arc::new(store), clock) }
}

/// How a `SQLite` store in a folder is opened.
pub fn sqlite_config(dir: &TempDir) -> SqliteConfig {
    SqliteConfig::new(sqlite_file(dir.path()), FINGERPRINT)
}

/// Its file.
pub(crate) fn sqlite_file(folder: &Path) -> PathBuf {
    folder.join("roster.db")
}

/// The stores to run on: those named in `ROSTER_TEST_BACKENDS`, or all.
///
/// # Panics
/// Where a name is unknown, so that a slip does not pass as a success.
pub fn selected() -> Vec<&'static str> {
    match env::var(SELECTION) {
        Ok(list) => select(&list).unwrap_or_else(|unknown| {
            panic!("{SELECTION} names {unknown:?}: it takes {}", ALL.join(", "));
        }),
        Err(_) => ALL.to_vec(),
    }
}

fn select(list: &str) -> Result<Vec<&'static str>, String> {
    let known = |name: &str| ALL.into_iter().find(|known| *known == name).ok_or_else(|| name.to_owned());
    list.split(',').map(|name| known(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_store_is_not_passed_over() {
        assert_eq!(select("sqlite, memory"), Ok(vec!["sqlite", "memory"]));
        assert_eq!(select("sqlite,oracle"), Err("oracle".to_owned()));
        assert_eq!(select(""), Err(String::new()));
    }
}
