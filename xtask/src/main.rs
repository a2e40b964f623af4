//! The repository's own tools: `cargo xtask test`, `races`, `services`, `bench`, `tidy`, `sqlx`, `openapi`, `clients`,
//! `ci`.

mod apart;
mod bench;
mod ci;
mod clients;
mod interrupt;
mod openapi;
mod plan;
mod races;
mod repo;
mod running;
mod servers;
mod services;
mod sqlx;
mod suites;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// The repository's own tools.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs all tests, by cargo-nextest where it is installed; then the doc tests.
    Test(test::Options),
    /// Starts the servers that tests have, prints what to export for them, and stays until Ctrl-C or the end of its
    /// input.
    Services(test::Stores),
    /// Runs acts that contest with each other on two replicas, many rounds of each on every store, and prints a table.
    Races(races::Options),
    /// Measures how fast Roster answers, beside the raw limit of the same store.
    Bench(bench::Options),
    /// Checks the rules of this repository that no other tool knows, and lists all findings at once.
    Tidy,
    /// Makes the offline data of SQL queries again, from the queries and migrations as they stand.
    Sqlx {
        /// Changes nothing; names the files that differ.
        #[arg(long)]
        check: bool,
    },
    /// Makes docs/openapi.json again, from the routes as they stand.
    Openapi {
        /// Changes nothing; says whether the file differs.
        #[arg(long)]
        check: bool,
    },
    /// Tries what others wrote: generators of clients on docs/openapi.json, Segment's libraries on every store, a browser on
    /// the pages, a mail server; needs npm, Python and the network.
    Clients(clients::Options),
    /// Runs every check in turn, and stops at the first that fails.
    Ci {
        /// Leaves out the tests.
        #[arg(long)]
        skip_test: bool,
    },
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    match Repo::find().and_then(|repo| run(&repo, task)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(repo: &Repo, task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Test(options) => return test::run(repo, &options),
        Task::Services(stores) => return services::run(repo, &stores),
        Task::Races(options) => return races::run(repo, &options),
        Task::Bench(options) => return bench::run(repo, &options),
        Task::Tidy => tidy::run(repo)?,
        Task::Sqlx { check: false } => sqlx::write(repo)?,
        Task::Sqlx { check: true } => sqlx::check(repo)?,
        Task::Openapi { check: false } => openapi::write(repo)?,
        Task::Openapi { check: true } => openapi::check(repo)?,
        Task::Clients(options) => clients::run(repo, &options)?,
        Task::Ci { skip_test } => ci::run(repo, skip_test)?,
    }
    Ok(ExitCode::SUCCESS)
}
