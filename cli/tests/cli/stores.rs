//! The stores that the program is tried on: those in `ROSTER_TEST_BACKENDS`, or all that are not in memory.

use std::cell::Cell;
use std::env;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// What the program can keep things in.
const ALL: [&str; 4] = ["sqlite", "postgres", "redis", "redis-cluster"];

thread_local! {
    static HERE: Cell<&'static str> = const { Cell::new("sqlite") };
}

/// Does something on a store, if it is one of those to be tested; places that it makes are on that store.
pub fn on(store: &'static str, tell: impl FnOnce()) {
    let wanted = env::var("ROSTER_TEST_BACKENDS").unwrap_or_else(|_| ALL.join(","));
    if wanted.split(',').any(|wanted| wanted.trim() == store) {
        HERE.set(store);
        tell();
    }
}

/// The store of this test.
pub fn here() -> &'static str {
    HERE.get()
}

/// Tests, each on every store.
macro_rules! on_every_store {
    ($($(#[$attribute:meta])* fn $name:ident() $story:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn story() $story

            #[test]
            fn on_sqlite() {
                crate::stores::on("sqlite", story);
            }

            #[test]
            fn on_postgres() {
                crate::stores::on("postgres", story);
            }

            #[test]
            fn on_redis() {
                crate::stores::on("redis", story);
            }

            #[test]
            fn on_redis_cluster() {
                crate::stores::on("redis-cluster", story);
            }
        }
    )*};
}
pub(crate) use on_every_store;

/// What `roster.toml` says so that a new place is on the store of this test; nothing for the default.
pub fn configuration() -> Option<(String, Option<Database>)> {
    let store = HERE.get();
    let section = |backend: &str, rest: String| {
        format!("[storage]\nbackend = \"{backend}\"\n[storage.{backend}]\n{rest}\n")
    };
    match store {
        "sqlite" => None,
        "postgres" => {
            let database = Database::fresh();
            Some((
                section("postgres", format!("url = \"{}\"\nconnections = 4", database.url())),
                Some(database),
            ))
        }
        "redis" => Some((section("redis", redis("ROSTER_TEST_REDIS_URL")), None)),
        "redis-cluster" => Some((section("redis", redis("ROSTER_TEST_REDIS_CLUSTER_URL")), None)),
        other => panic!("{other} is no store"),
    }
}

fn redis(variable: &str) -> String {
    format!("url = \"{}\"\nprefix = \"{}:\"", server(variable), fresh_name())
}

fn server(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run `cargo xtask test`, or leave the store out by ROSTER_TEST_BACKENDS"
        )
    })
}

fn fresh_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let random = RandomState::new().build_hasher().finish();
    format!("cli_{random:x}_{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// A database of its own, dropped with this.
pub struct Database(String);

impl Database {
    fn fresh() -> Self {
        let database = Self(fresh_name());
        execute(format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", database.0));
        database
    }

    fn url(&self) -> String {
        options().database(&self.0).to_url_lossy().to_string()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        execute(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0));
    }
}

fn options() -> PgConnectOptions {
    server("ROSTER_TEST_POSTGRES_URL").parse::<PgConnectOptions>().unwrap().disable_statement_logging()
}

fn execute(statement: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options().connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}
