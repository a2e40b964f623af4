//! What many tests begin with: put into each kind of store once, by the first process that needs it; every test takes a
//! copy of that. A copy takes a tenth of the time of the requests that made it.

use std::env::{current_exe, temp_dir};
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use redis::cmd;
use roster_core::copy::copy;
use roster_core::log::{digest, hex};
use roster_core::memory::MemoryStore;
use roster_core::store::{Clock, Store, StoreClock};
use roster_core::time::Timestamp;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_storage_redis::RedisStore;
use roster_storage_sqlite::SqliteStore;
use tempfile::tempdir;
use tokio::task::spawn_blocking;

use crate::databases::{Database, kept, template};
use crate::keyspaces::{CLUSTER, Keyspace, SERVER};
use crate::stores::{
    FINGERPRINT, ManualClock, TestStore, in_keyspace, in_memory, on_postgres, sqlite_config, sqlite_file,
    sqlite_like,
};

/// The content of a store, to be copied.
#[derive(Debug)]
pub struct Held {
    memory: Arc<MemoryStore>,
    now: Timestamp,
    /// Of what is held and of the program: what has it outlives a process.
    name: String,
}

impl Held {
    /// What a store in memory holds now.
    ///
    /// # Panics
    /// Where the store is another one.
    pub async fn of(test: &TestStore) -> Self {
        let memory = Arc::clone(test.memory.as_ref().expect("a store in memory"));
        let name = name_of(&memory).await;
        Self { memory, now: test.clock.now(), name }
    }

    /// A store that holds it, by a clock that stands where that of the first stood.
    ///
    /// # Panics
    /// Where the name of the store is unknown, or it refuses.
    pub async fn on(&self, store: &str) -> TestStore {
        let clock = self.clock();
        match store {
            "memory" => in_memory(self.memory.copied(clock.clone()), clock),
            "sqlite" => sqlite_like(&self.in_files().await, clock).await,
            "postgres" => {
                let database = Database::like(&self.in_database().await).await;
                let store = on_postgres(&database, &clock).await;
                TestStore { database: Some(database), ..TestStore::new("postgres", store, clock) }
            }
            "redis" => in_keyspace("redis", self.in_keys(SERVER).await.copied(), clock).await,
            "redis-cluster" => {
                in_keyspace("redis-cluster", self.in_keys(CLUSTER).await.copied(), clock).await
            }
            other => panic!("{other} is not a store"),
        }
    }

    fn clock(&self) -> Arc<ManualClock> {
        let clock = Arc::new(ManualClock::default());
        clock.set(self.now);
        clock
    }

    async fn fill(&self, store: &dyn Store) {
        let copied = copy(&*self.memory, store, &|| true, &mut |_| {}).await;
        let _how_much = copied.expect("a new store takes it");
    }

    /// The folder with the files of a `SQLite` store that nobody has open.
    async fn in_files(&self) -> PathBuf {
        let folder = temp_dir().join(&self.name);
        let _one_at_a_time = turn().await;
        // Who tidies the temporary folder may leave this one empty.
        if !sqlite_file(&folder).exists() {
            let made = tempdir().expect("a temporary folder");
            let store = SqliteStore::open(sqlite_config(&made), StoreClock::Given(self.clock())).await;
            let store = store.expect("a new SQLite store opens");
            self.fill(&store).await;
            store.close().await;
            // Whole from the first moment that it has this name.
            fs::rename(made.keep(), &folder).expect("the folder gets its name");
        }
        folder
    }

    /// The name of a Postgres database.
    async fn in_database(&self) -> String {
        let _for_all_others_too = template().await;
        kept(&self.name, async |url| {
            let config = PostgresConfig::new(url, FINGERPRINT);
            PostgresStore::migrate(&config).await.expect("the tables are made");
            let store = PostgresStore::open(config, StoreClock::Given(self.clock())).await;
            let store = store.expect("a new Postgres store opens");
            self.fill(&store).await;
            store.close().await;
        })
        .await;
        self.name.clone()
    }

    /// The keys on a Redis, under a prefix that a key of this name tells.
    async fn in_keys(&self, variable: &str) -> Keyspace {
        let _one_at_a_time = turn().await;
        let made = Keyspace::fresh(variable);
        let told: Vec<Option<String>> = made.all(vec![cmd("GET").arg(&self.name).to_owned()]);
        if let Some(prefix) = told.into_iter().flatten().next() {
            return made.lasting(prefix);
        }
        RedisStore::migrate(&made.config()).await.expect("a new Redis store is prepared");
        let store = RedisStore::open(made.config(), StoreClock::Given(self.clock())).await;
        self.fill(&store.expect("a new Redis store opens")).await;
        let prefix = made.prefix().to_owned();
        let _said: Vec<String> = made.all(vec![cmd("SET").arg(&self.name).arg(&prefix).to_owned()]);
        made.lasting(prefix)
    }
}

/// A name from all that is in a store (a log by the hash of its end) and from the program that would put it elsewhere, whose
/// stores may keep it otherwise after a change.
async fn name_of(store: &MemoryStore) -> String {
    let mut held = Vec::new();
    let (mut after, limit) = (None, 200);
    loop {
        let homes = store.homes(after.as_ref(), limit).await.expect("memory answers");
        for home in &homes {
            let dump = store.dump(home).await.expect("memory answers");
            held.extend(format!("{home} {dump:?}").into_bytes());
        }
        match homes.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    let program = current_exe().expect("the path of this program");
    // This very one, though another may have its path by now.
    let itself = fs::metadata("/proc/self/exe").or_else(|_| fs::metadata(&program));
    let changed = itself.and_then(|it| it.modified()).expect("the time of this program");
    held.extend(format!("{} {changed:?}", program.display()).into_bytes());
    format!("roster_test_held_{}", &hex(&digest(&held))[..16])
}

/// Waits for whoever came before, in this process and in others; the next may go when it is dropped.
async fn turn() -> File {
    let lock = || {
        let path = temp_dir().join("roster_test_held.lock");
        let file = File::options().create(true).append(true).open(&path);
        let locked = file.and_then(|file| file.lock().map(|()| file));
        locked.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    spawn_blocking(lock).await.expect("a turn")
}
