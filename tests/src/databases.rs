//! Databases of tests on the Postgres server that `ROSTER_TEST_POSTGRES_URL` names: one a store, dropped with it.

use std::env;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use roster_storage_postgres::{PostgresConfig, PostgresStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use crate::stores::FINGERPRINT;

/// Names the server, as one who may make databases.
pub const SERVER: &str = "ROSTER_TEST_POSTGRES_URL";

/// The database that all are copies of, made by whoever comes first. Whose name has the tables' own version in it.
const TEMPLATE: &str = "roster_test_template";

/// A database, dropped when this is.
#[derive(Debug)]
pub struct Database {
    name: String,
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
    format!("roster_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}

async fn execute(connection: &mut PgConnection, statement: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// The template's name, once it is there.
///
/// # Panics
/// Where no server is named, or it refuses.
pub async fn template() -> String {
    let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
    // One at a time, in this process and in others.
    execute(&mut connection, "SELECT pg_advisory_lock(7263)".to_owned()).await;
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(TEMPLATE);
    let found = found.fetch_optional(&mut connection).await.expect("the list of databases");
    if found.is_none() {
        let making = format!("{TEMPLATE}_making");
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)")).await;
        execute(&mut connection, format!("CREATE DATABASE {making} TEMPLATE template0 ENCODING 'UTF8'"))
            .await;
        let config = PostgresConfig::new(url_of(&making), FINGERPRINT);
        PostgresStore::migrate(&config).await.expect("the tables are made");
        execute(&mut connection, format!("ALTER DATABASE {making} RENAME TO {TEMPLATE}")).await;
    }
    connection.close().await.expect("the connection closes");
    TEMPLATE.to_owned()
}

impl Database {
    /// A copy of a database. Whoever is connected to that one is cut off, and connects again.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn like(other: &str) -> Self {
        let name = fresh_name();
        let mut connection = server().connect().await.expect("the Postgres server of the tests answers");
        execute(&mut connection, "SELECT pg_advisory_lock(7264)".to_owned()).await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
        let cut = sqlx::query(cut).bind(other).fetch_one(&mut connection).await.expect("nobody is connected");
        let _how_many: i64 = cut.get(0);
        execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {other}")).await;
        connection.close().await.expect("the connection closes");
        Self { name }
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
        Self { name }
    }

    /// Runs a statement in it.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn execute(&self, statement: &str) {
        let mut connection = server().database(&self.name).connect().await.expect("the database answers");
        execute(&mut connection, statement.to_owned()).await;
        connection.close().await.expect("the connection closes");
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
        let name = self.name.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = server().connect().await?;
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                connection.close().await
            })?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        });
        // A database that stays goes with the server.
        let _kept = dropped.join();
    }
}
