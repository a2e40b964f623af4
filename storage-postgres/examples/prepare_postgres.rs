//! Makes the current tables in an empty database, for the macros to check queries against:
//! `cargo run -p roster-storage-postgres --no-default-features --example prepare_postgres -- URL`.
//!
//! Without the default features the crate is its migrations alone, so this builds when the offline data is stale.

use std::process::ExitCode;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("say where: prepare URL");
        return ExitCode::FAILURE;
    };
    match prepare(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn prepare(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
    roster_storage_postgres::schema::MIGRATIONS.run(&mut connection).await?;
    Ok(())
}
