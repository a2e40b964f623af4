//! Makes an empty database with the current tables, for the macros to check queries against:
//! `cargo run -p roster-storage-sqlite --no-default-features --example prepare_sqlite -- PATH`.
//!
//! Without the default features the crate is its migrations alone, so this builds when the offline data is stale.

use std::process::ExitCode;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("say where: prepare PATH");
        return ExitCode::FAILURE;
    };
    match prepare(&path).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn prepare(path: &str) -> Result<(), sqlx::Error> {
    let mut connection = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await?;
    roster_storage_sqlite::schema::MIGRATIONS.run(&mut connection).await?;
    Ok(())
}
