//! `cargo xtask test`: all tests, on every store or on those that are named.

use std::env;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::repo::{Repo, spoken, status};
use crate::servers::postgres::{self, Postgres};

/// The stores there are. The tests read [`VARIABLE`] and know the same names.
const BACKENDS: [&str; 3] = ["memory", "sqlite", "postgres"];
/// Tells the tests which stores to run on, by a list with commas.
const VARIABLE: &str = "ROSTER_TEST_BACKENDS";

/// What is to be tested.
#[derive(Args, Default)]
pub struct Options {
    /// Runs on this store only; may be repeated. Without it: those in `ROSTER_TEST_BACKENDS`, else all.
    #[arg(long = "backend", value_name = "NAME")]
    backends: Vec<String>,
    /// What the test runner is given besides.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Runs the tests; the exit code is that of what failed.
pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let backends = backends(&options.backends, env::var(VARIABLE).ok().as_deref())?;
    let servers = Servers::start(&backends)?;
    let backends = backends.join(",");
    let ended = run_all(repo, &options.runner, &backends, &servers)?;
    let outcome = if ended.success() { "passed" } else { "FAILED" };
    println!();
    println!("Tests {outcome} after {}.", spoken(begun.elapsed()));
    println!("Stores tested: {}.", backends.replace(',', ", "));
    println!("{}", servers.said);
    if !options.runner.is_empty() {
        println!("The runner was given: {}.", options.runner.join(" "));
    }
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// The tests, then the doc tests if all went well.
fn run_all(repo: &Repo, runner: &[String], backends: &str, servers: &Servers) -> Result<ExitStatus> {
    let with = |mut command: Command| {
        command.env(VARIABLE, backends).envs(servers.variables.iter().cloned());
        command
    };
    let tests: &[&str] = if repo.has_cargo("nextest") {
        &["nextest", "run", "--workspace"]
    } else {
        println!("cargo-nextest is not installed: running cargo test.");
        &["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]
    };
    let ended = status(with(repo.cargo()).args(tests).args(runner))?;
    if !ended.success() {
        return Ok(ended);
    }
    status(with(repo.cargo()).args(["test", "--doc", "--workspace"]))
}

/// The servers that the tests need; they go when this is dropped.
struct Servers {
    _postgres: Option<Postgres>,
    variables: Vec<(&'static str, String)>,
    said: String,
}

impl Servers {
    fn start(backends: &[&str]) -> Result<Self> {
        let none = |said: String| Self { _postgres: None, variables: Vec::new(), said };
        if !backends.contains(&"postgres") {
            return Ok(none("No server was needed.".to_owned()));
        }
        if env::var_os(postgres::VARIABLE).is_some() {
            return Ok(none(format!("Postgres: the server that {} names.", postgres::VARIABLE)));
        }
        let server = postgres::start().context("the tests need Postgres")?;
        let said = format!("Postgres: {}, a private process on a free port.", server.version);
        println!("{said}");
        let variables = vec![(postgres::VARIABLE, server.url.clone())];
        Ok(Self { _postgres: Some(server), variables, said })
    }
}

/// The stores to test: those named, else those of the environment, else all.
fn backends(named: &[String], environment: Option<&str>) -> Result<Vec<&'static str>> {
    let wanted: Vec<&str> = if named.is_empty() {
        let listed = environment.unwrap_or_default().split(',').map(str::trim);
        listed.filter(|name| !name.is_empty()).collect()
    } else {
        named.iter().map(String::as_str).collect()
    };
    if let Some(unknown) = wanted.iter().find(|name| !BACKENDS.contains(name)) {
        bail!("there is no store named {unknown:?}; known are: {}", BACKENDS.join(", "));
    }
    Ok(BACKENDS.into_iter().filter(|known| wanted.is_empty() || wanted.contains(known)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_all_stores_are_tested() {
        assert_eq!(backends(&[], None).unwrap(), BACKENDS);
        assert_eq!(backends(&[], Some("")).unwrap(), BACKENDS);
    }

    #[test]
    fn names_win_over_the_environment() {
        let named = ["sqlite".to_owned(), "sqlite".to_owned()];
        assert_eq!(backends(&named, Some("memory")).unwrap(), ["sqlite"]);
        assert_eq!(backends(&[], Some("sqlite, memory")).unwrap(), ["memory", "sqlite"]);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = backends(&["sqlit".to_owned()], None).unwrap_err().to_string();
        assert_eq!(error, r#"there is no store named "sqlit"; known are: memory, sqlite, postgres"#);
        assert!(backends(&[], Some("memory,nosuch")).is_err());
    }
}
