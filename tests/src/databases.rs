//! Databases of tests on the Postgres server that `ROSTER_TEST_POSTGRES_URL` names: one a store, empty or a copy of
//! another. What a test has done with goes to the next one, in this process or another, emptied and filled again.

mod refill;

use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use roster_core::log::digest;
use roster_storage_postgres::schema::MIGRATIONS;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use crate::stores::FINGERPRINT;

/// Names the server, as one who may make databases; as a superuser they are used again.
pub const SERVER: &str = "ROSTER_TEST_POSTGRES_URL";

/// Databases that nobody uses now, in the one that [`SERVER`] names.
const FREE: &str = "CREATE TABLE IF NOT EXISTS roster_test_free
    (name text PRIMARY KEY, template text NOT NULL, used bigint NOT NULL)";
const GIVE_BACK: &str = "INSERT INTO roster_test_free (name, template, used)
    SELECT $1, $2, $3 FROM pg_roles WHERE rolname = current_user AND rolsuper";
const TAKE: &str = "DELETE FROM roster_test_free WHERE name =
    (SELECT name FROM roster_test_free WHERE template = $1 LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING name, used";

/// A database, given to others or dropped when this is.
#[derive(Debug)]
pub struct Database {
    name: String,
    /// How often it has been taken; nothing for one that goes to nobody else.
    used: Option<i64>,
    /// Whether statements were run in it that may have changed more than rows.
    is_changed: AtomicBool,
}

fn server() -> PgConnectOptions {
    let url = env::var(SERVER).unwrap_or_else(|_| {
        panic!("{SERVER} is not set: run `cargo xtask test`, which starts a server, or name one; or leave Postgres out by ROSTER_TEST_BACKENDS=memory,sqlite")
    });
    PgConnectOptions::from_str(&url)
        .unwrap_or_else(|error| panic!("{SERVER}: {error}"))
        .disable_statement_logging()
}

fn url_of(name: &str) -> String {
    server().database(name).to_url_lossy().to_string()
}

fn fresh_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    // Numbers of processes come back; databases outlive their process.
    let random = RandomState::new().build_hasher().finish();
    format!("roster_test_{random:x}_{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// Ends all connections to a database, and waits until they have ended.
async fn cut_off(connection: &mut PgConnection, name: &str) {
    let cut = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
    let cut = sqlx::query(cut).bind(name).fetch_one(connection).await.expect("nobody is connected");
    let _how_many: i64 = cut.get(0);
}

async fn execute(connection: &mut PgConnection, statement: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// The name of the database that all are copies of, made by whoever comes first. Other migrations make another one.
///
/// # Panics
/// Where no server is named, or it refuses.
pub async fn template() -> String {
    static THERE: OnceCell<()> = OnceCell::const_new();
    THERE.get_or_init(make_template).await;
    template_name()
}

fn template_name() -> String {
    let migrations = MIGRATIONS.iter().flat_map(|migration| migration.checksum.to_vec());
    let digest = digest(&migrations.collect::<Vec<u8>>());
    format!("roster_test_template_{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

async fn make_template() {
    let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
    // One at a time, in this process and in others.
    execute(&mut connection, "SELECT pg_advisory_lock(7263)".to_owned()).await;
    execute(&mut connection, FREE.to_owned()).await;
    connection.close().await.expect("the connection closes");
    kept(&template_name(), async |url| {
        PostgresStore::migrate(&PostgresConfig::new(url, FINGERPRINT)).await.expect("the tables are made");
    })
    .await;
}

/// Makes a database that others are copies of and that stays, unless it is there: an empty one is filled, then named.
///
/// # Panics
/// Where no server is named, or it refuses.
pub(crate) async fn kept(name: &str, fill: impl AsyncFnOnce(String)) {
    let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name);
    // One at a time, in this process and in others.
    execute(&mut connection, "SELECT pg_advisory_lock(7263)".to_owned()).await;
    let found = found.fetch_optional(&mut connection).await.expect("the list of databases");
    if found.is_none() {
        let making = format!("{name}_making");
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)")).await;
        execute(&mut connection, format!("CREATE DATABASE {making} TEMPLATE template0 ENCODING 'UTF8'"))
            .await;
        fill(url_of(&making)).await;
        cut_off(&mut connection, &making).await;
        execute(&mut connection, format!("ALTER DATABASE {making} RENAME TO {name}")).await;
    }
    connection.close().await.expect("the connection closes");
}

impl Database {
    /// A copy of a database. Whoever is connected to that one may be cut off, and connects again.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn like(other: &str) -> Self {
        let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
        let taken = sqlx::query(TAKE).bind(template_name()).fetch_optional(&mut connection).await;
        let made = match taken.expect("the list of databases that nobody uses") {
            Some(row) => Self::refilled(&mut connection, row.get(0), row.get::<i64, _>(1) + 1, other).await,
            None => None,
        };
        let made = match made {
            Some(made) => made,
            None => Self::copied(&mut connection, other).await,
        };
        connection.close().await.expect("the connection closes");
        made
    }

    /// Nothing where that fails: whoever makes a copy of the same one cuts off all that read it, this too.
    async fn refilled(connection: &mut PgConnection, name: String, used: i64, other: &str) -> Option<Self> {
        cut_off(connection, &name).await;
        let connect =
            async |name: &str| server().database(name).connect().await.expect("the database answers");
        let (mut target, mut source) = (connect(&name).await, connect(other).await);
        if let Err(error) = refill::refill(&mut target, &mut source, used).await {
            println!("{name} cannot be made a copy of {other} ({error}); another database is");
            execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            return None;
        }
        for connection in [target, source] {
            connection.close().await.expect("the connection closes");
        }
        Some(Self { name, used: Some(used), is_changed: AtomicBool::new(false) })
    }

    async fn copied(connection: &mut PgConnection, other: &str) -> Self {
        let name = fresh_name();
        execute(connection, "SELECT pg_advisory_lock(7264)".to_owned()).await;
        cut_off(connection, other).await;
        execute(connection, format!("CREATE DATABASE {name} TEMPLATE {other}")).await;
        Self { name, used: Some(0), is_changed: AtomicBool::new(false) }
    }

    /// An empty one, made with these words of SQL behind its name.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn empty(options: &str) -> Self {
        let name = fresh_name();
        let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
        execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).await;
        connection.close().await.expect("the connection closes");
        Self { name, used: None, is_changed: AtomicBool::new(true) }
    }

    /// Runs a statement in it. Nobody uses it again after this.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn execute(&self, statement: &str) {
        self.is_changed.store(true, Ordering::SeqCst);
        let mut connection = server().database(&self.name).connect().await.expect("the database answers");
        execute(&mut connection, statement.to_owned()).await;
        connection.close().await.expect("the connection closes");
    }

    /// How many connections to it idle within a transaction.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn open_transactions(&self) -> i64 {
        let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
        let idle = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = $1 AND state LIKE 'idle in transaction%'";
        let idle = sqlx::query(idle).bind(&self.name).fetch_one(&mut connection).await;
        let count = idle.expect("the list of connections").get(0);
        connection.close().await.expect("the connection closes");
        count
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn url(&self) -> String {
        url_of(&self.name)
    }
}

impl Drop for Database {
    /// In a thread and a runtime of its own, since the test's is on its way out.
    fn drop(&mut self) {
        let (name, changed) = (self.name.clone(), self.is_changed.load(Ordering::SeqCst));
        let used = self.used.filter(|_| !changed);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(let_go(&name, used))?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        });
        // A database that stays goes with the server.
        let _kept = dropped.join();
    }
}

/// Gives it back, or drops it where nobody may use it again.
async fn let_go(name: &str, used: Option<i64>) -> Result<(), sqlx::Error> {
    let mut connection = server().connect().await?;
    let mut is_given = false;
    if let Some(used) = used {
        let giving = sqlx::query(GIVE_BACK).bind(name).bind(template_name()).bind(used);
        is_given = giving.execute(&mut connection).await?.rows_affected() == 1;
    }
    if !is_given {
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}
