//! `cargo xtask races`: the races of `tests/tests/faults/races.rs`, many rounds of each on every store, and a table.

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::interrupt;
use crate::repo::Repo;
use crate::test::{Stores, VARIABLE};

/// Tells the tests how many rounds to run.
const ROUNDS: &str = "ROSTER_TEST_RACE_ROUNDS";

/// What is to be raced.
#[derive(Args)]
pub struct Options {
    /// Rounds of each race on each store.
    #[arg(long, default_value_t = 1_000)]
    rounds: u32,
    #[command(flatten)]
    stores: Stores,
}

/// One race on one store: name, store, rounds, milliseconds, outcomes.
#[derive(PartialEq, Debug)]
struct Row([String; 5]);

impl Row {
    /// Read from the line that the test prints; anything else is none.
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<String> = line.strip_prefix("race|")?.split('|').map(str::to_owned).collect();
        fields.try_into().ok().map(Self)
    }

    fn said(&self) -> String {
        let [race, store, rounds, millis, outcomes] = &self.0;
        let seconds = millis.parse::<f64>().unwrap_or_default() / 1_000.0;
        format!("{race:<36} {store:<14} {rounds:>7} {seconds:>9.1}  {outcomes}")
    }
}

/// Runs the races; the exit code is that of what failed.
pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    interrupt::listen(|| {})?;
    let backends = options.stores.names()?;
    let servers = options.stores.servers(repo).context("the races need servers")?;
    let mut command = repo.cargo();
    command.args(["test", "--workspace", "--test", "faults", "--", "races::"]);
    command.args(["--nocapture", "--test-threads", "1"]).stdout(Stdio::piped());
    command.env(VARIABLE, backends.join(",")).env(ROUNDS, options.rounds.to_string());
    command.envs(servers.variables());
    let mut child = command.spawn().context("cannot run cargo")?;
    let said = child.stdout.take().context("no output of cargo")?;
    let mut rows = Vec::new();
    for line in BufReader::new(said).lines() {
        let line = line?;
        match Row::read(&line) {
            Some(row) => {
                println!("{}", row.said());
                rows.push(row);
            }
            None => eprintln!("{line}"),
        }
    }
    let ended = child.wait()?;
    println!("\n{:<36} {:<14} {:>7} {:>9}  outcomes", "race", "store", "rounds", "seconds");
    for row in &rows {
        println!("{}", row.said());
    }
    println!("{}", servers.said());
    if ended.success() && rows.is_empty() {
        bail!("no race was run");
    }
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_from_the_line_of_a_test() {
        let row = Row::read("race|close and add|sqlite|50|1234|30 closed; 20 added").unwrap();
        assert!(row.said().starts_with("close and add "));
        assert!(row.said().ends_with("sqlite              50       1.2  30 closed; 20 added"));
        assert_eq!(Row::read("test races::o7 ... ok"), None);
    }
}
