//! What `cargo xtask bench` measures with and against: data by the thousand, and the least that a server of the same
//! make could do. No part of the product.

mod acts;
mod bare;
mod data;
mod raw;
mod raw_redis;
mod raw_rows;
mod reports;
mod reports_sql;
mod seed;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

use crate::acts::Amount;
use crate::data::Shape;
use crate::reports::Spread;

/// As in the product.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What `cargo xtask bench` measures with and against.
#[derive(Parser)]
#[command(name = "roster-bench")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fills the empty store of a configuration, and writes whom to ask about to two files.
    Seed {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// Where the lines go.
        #[arg(long)]
        into: PathBuf,
        #[command(flatten)]
        shape: Shape,
    },
    /// A server whose handlers do no more than read the same facts by one prepared statement.
    Bare {
        /// `sqlite`, `postgres` or `redis`.
        backend: String,
        /// The address of the database, or the path of its file.
        place: String,
        /// The connections in the pool.
        #[arg(long)]
        connections: u32,
    },
    /// Fills the empty store of a configuration with accounts whose owners were seen.
    SeedReports {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// The address of the database or the path of its file, for tables beside it.
        #[arg(long)]
        beside: Option<String>,
        #[command(flatten)]
        spread: Spread,
    },
    /// A report on them, in turns with the same by SQL.
    Reports {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// Where the tables beside it are.
        #[arg(long)]
        beside: Option<String>,
        /// How many turns.
        #[arg(long)]
        turns: usize,
        #[command(flatten)]
        spread: Spread,
    },
    /// Acts that take long, against a server.
    Acts {
        /// Its address.
        url: String,
        /// The key of an operator.
        key: String,
        #[command(flatten)]
        amount: Amount,
    },
    /// Rows beside an import: many to an insert.
    RawRows {
        /// The folder, or the address of a Postgres or a Redis.
        at: String,
        /// How many.
        #[arg(long)]
        rows: u32,
    },
    /// Commits beside Roster, to a `SQLite` file of its own or by one script on Redis: a head is read and written, a row
    /// is updated, a log row is inserted.
    Raw {
        /// The folder, or the address of a Redis.
        at: String,
        /// Writers at a time.
        #[arg(long)]
        writers: usize,
        /// For how long, in milliseconds.
        #[arg(long)]
        millis: u64,
    },
}

fn main() -> anyhow::Result<()> {
    let task = Arguments::parse().task;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match task {
            Task::Seed { config, into, shape } => seed::run(&config, &into, shape).await,
            Task::Bare { backend, place, connections } => bare::run(&backend, &place, connections).await,
            Task::SeedReports { config, beside, spread } => {
                reports::seed(&config, spread, beside.as_deref()).await
            }
            Task::Reports { config, beside, turns, spread } => {
                reports::run(&config, spread, turns, beside.as_deref()).await
            }
            Task::RawRows { at, rows } => raw_rows::run(&at, rows).await,
            Task::Acts { url, key, amount } => acts::run(&url, &key, amount).await,
            Task::Raw { at, writers, millis } if at.starts_with("redis://") => {
                raw_redis::run(&at, writers, millis).await
            }
            Task::Raw { at, writers, millis } => raw::run(Path::new(&at), writers, millis).await,
        }
    })
}
