//! The least that a commit to a `SQLite` file can be: one transaction that reads and writes a head row, updates the row
//! and inserts one log row, through one connection that all writers wait for.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor, Row, SqliteConnection};
use tokio::sync::Mutex;

/// Homes, and rows of each.
const HOMES: i64 = 100;
const ROWS: i64 = 1_000;

/// Writes for so long, and prints how it went.
pub async fn run(folder: &Path, writers: usize, millis: u64) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join("raw.db");
    let fresh = !path.exists();
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    if fresh {
        fill(&mut connection).await?;
    }
    let connection = Arc::new(Mutex::new(connection));
    let begun = Instant::now();
    let end = begun + Duration::from_millis(millis);
    let writers = (0..writers)
        .map(|n| tokio::spawn(write(Arc::clone(&connection), i64::try_from(n).unwrap_or(0), end)));
    let mut times = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        times.extend(writer.await??);
    }
    say(times, begun.elapsed());
    Ok(())
}

/// Prints how many there were, how long that took, and how long each.
pub fn say(mut times: Vec<Duration>, took: Duration) {
    let seconds = took.as_secs_f64();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).map_or(0, Duration::as_micros);
    let count = times.len();
    println!(
        "{}",
        serde_json::json!({"count": count, "seconds": seconds, "p50_us": at(50), "p99_us": at(99)})
    );
}

async fn fill(connection: &mut SqliteConnection) -> Result<()> {
    connection
        .execute(
            "CREATE TABLE heads (home INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
             CREATE TABLE facts (home INTEGER NOT NULL, id INTEGER NOT NULL, role TEXT NOT NULL, version BLOB NOT NULL,
                 PRIMARY KEY (home, id)) STRICT, WITHOUT ROWID;
             CREATE TABLE log (home INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
                 PRIMARY KEY (home, seq)) STRICT, WITHOUT ROWID;",
        )
        .await?;
    sqlx::query(
        "INSERT INTO heads WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1 - 1)
         SELECT n, 0, randomblob(32) FROM n",
    )
    .bind(HOMES)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO facts WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < ?1 * ?2 - 1)
         SELECT n / ?2, n % ?2, 'viewer', randomblob(16) FROM n",
    )
    .bind(HOMES)
    .bind(ROWS)
    .execute(connection)
    .await?;
    Ok(())
}

async fn write(connection: Arc<Mutex<SqliteConnection>>, which: i64, end: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut n = which * 7_919;
    while Instant::now() < end {
        let begun = Instant::now();
        n += 1;
        transact(&mut *connection.lock().await, n % HOMES, n * 31 % ROWS).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn transact(connection: &mut SqliteConnection, home: i64, id: i64) -> Result<()> {
    connection.execute("BEGIN IMMEDIATE").await?;
    let head = sqlx::query("SELECT seq, hash FROM heads WHERE home = ?").bind(home);
    let seq: i64 = head.fetch_one(&mut *connection).await?.get(0);
    let row =
        sqlx::query("UPDATE facts SET role = 'member', version = randomblob(16) WHERE home = ? AND id = ?");
    row.bind(home).bind(id).execute(&mut *connection).await?;
    let entry = sqlx::query("INSERT INTO log (home, seq, body) VALUES (?, ?, randomblob(400))");
    entry.bind(home).bind(seq + 1).execute(&mut *connection).await?;
    let head = sqlx::query("UPDATE heads SET seq = ?, hash = randomblob(32) WHERE home = ?");
    head.bind(seq + 1).bind(home).execute(&mut *connection).await?;
    connection.execute("COMMIT").await?;
    Ok(())
}
