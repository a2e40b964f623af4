//! Command-line front end: the server, and every act of an operator on the store that the configuration names.

mod args;
mod backends;
mod commands;
pub mod config;
mod confirm;
mod cursor;
mod entropy;
mod failure;
mod logging;
pub mod mail;
mod output;
mod progress;
mod secrets;
mod server;
mod session;
pub mod webhooks;

use std::process::ExitCode;

use clap::Parser;

use self::args::Cli;

/// Opens the store of a configuration as `serve` does, and makes its tables: for tools beside the program.
///
/// # Errors
/// What the program would say.
pub async fn open_store(flags: &config::Flags) -> Result<roster_core::op::Roster, String> {
    let opened = async {
        let config = config::Config::load(flags, config::environment(), &session::working_folder()?)?;
        session::open_roster(&config, &session::secrets(&config).await?, backends::Tables::MayBeMade).await
    };
    opened.await.map_err(|failure: failure::Failure| failure.to_string())
}

/// Runs the program: exit status 0 done, 1 refused or failed, 2 bad usage, 3 store unreachable.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cursor::bind(&cli.command);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("failed: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(commands::run(cli));
    // A prompt or a signal handler may still wait in a thread of its own.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}
