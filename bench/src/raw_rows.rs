//! The least that bringing many rows in can be: inserts of many rows at a time, each chunk durable before the next.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use redis::Client;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, QueryBuilder};

/// Rows of a chunk, as many as an import commits together.
const CHUNK: u32 = 250;
const TABLE: &str =
    "CREATE TABLE raw_rows (id bigint PRIMARY KEY, email text, name text, account text, role text)";

/// Inserts so many rows at an address, or into a file in a folder, and prints how long that took.
pub async fn run(at: &str, rows: u32) -> Result<()> {
    let begun = if at.starts_with("redis://") {
        redis(at, rows).await?
    } else if at.starts_with("postgres://") {
        postgres(at, rows).await?
    } else {
        sqlite(Path::new(at), rows).await?
    };
    println!("{}", json!({"count": rows, "seconds": begun.elapsed().as_secs_f64()}));
    Ok(())
}

fn chunks(rows: u32) -> impl Iterator<Item = Vec<u32>> {
    (0..rows.div_ceil(CHUNK)).map(move |n| (n * CHUNK..rows.min((n + 1) * CHUNK)).collect())
}

fn row(n: u32) -> (i64, String, String, String, &'static str) {
    (n.into(), format!("in-{n}@example.com"), format!("Person {n}"), format!("acc-{}", n % 10), "viewer")
}

async fn sqlite(folder: &Path, rows: u32) -> Result<Instant> {
    std::fs::create_dir_all(folder)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(folder.join("rows.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    connection.execute(TABLE).await?;
    let begun = Instant::now();
    for chunk in chunks(rows) {
        let mut insert = QueryBuilder::<sqlx::Sqlite>::new("INSERT INTO raw_rows ");
        insert.push_values(chunk, |mut values, n| {
            let (id, email, name, account, role) = row(n);
            values.push_bind(id).push_bind(email).push_bind(name).push_bind(account).push_bind(role);
        });
        insert.build().execute(&mut connection).await?;
    }
    Ok(begun)
}

async fn postgres(url: &str, rows: u32) -> Result<Instant> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(TABLE).await?;
    let begun = Instant::now();
    for chunk in chunks(rows) {
        let mut insert = QueryBuilder::<sqlx::Postgres>::new("INSERT INTO raw_rows ");
        insert.push_values(chunk, |mut values, n| {
            let (id, email, name, account, role) = row(n);
            values.push_bind(id).push_bind(email).push_bind(name).push_bind(account).push_bind(role);
        });
        insert.build().execute(&mut connection).await?;
    }
    Ok(begun)
}

async fn redis(url: &str, rows: u32) -> Result<Instant> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    let begun = Instant::now();
    for chunk in chunks(rows) {
        let mut pipe = redis::pipe();
        for n in chunk {
            let (id, email, name, account, role) = row(n);
            let fields = [("email", email), ("name", name), ("account", account), ("role", role.to_owned())];
            pipe.hset_multiple(format!("raw-row:{id}"), &fields).ignore();
        }
        let () = pipe.query_async(&mut connection).await?;
    }
    Ok(begun)
}
