//! `cargo xtask ci`: every check in turn.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, spoken, succeed};
use crate::{openapi, sqlx, test, tidy};

/// A check: what it is called, and how it is run.
type Step = (&'static str, fn(&Repo) -> Result<Outcome>);

enum Outcome {
    Passed,
    PassedOver(&'static str),
}

const STEPS: [Step; 7] = [
    ("fmt", |repo| cargo(repo, &["fmt", "--all", "--check"])),
    ("clippy", |repo| cargo(repo, &CLIPPY)),
    ("tidy", |repo| tidy::run(repo).map(|()| Outcome::Passed)),
    ("deny", deny),
    ("sqlx", |repo| sqlx::check(repo).map(|()| Outcome::Passed)),
    ("openapi", |repo| openapi::check(repo).map(|()| Outcome::Passed)),
    (TEST, tests),
];

const TEST: &str = "test";

/// The linter of everything, with the feature that no other build of the workspace has.
pub const CLIPPY: [&str; 8] =
    ["clippy", "--workspace", ALL_TARGETS, "--features", "xtask/containers", "--", "-D", "warnings"];

/// Its word for libraries, programs, tests and examples.
pub const ALL_TARGETS: &str = "--all-targets";

/// Runs the steps; stops at the first that fails, and says which.
pub fn run(repo: &Repo, skip_test: bool) -> Result<()> {
    let begun = Instant::now();
    let mut lines = Vec::new();
    for (name, step) in STEPS.into_iter().filter(|(name, _)| !(skip_test && *name == TEST)) {
        println!("==> {name}");
        let step_begun = Instant::now();
        let outcome = step(repo);
        let time = spoken(step_begun.elapsed());
        match outcome.with_context(|| format!("ci stopped at {name}, after {time}"))? {
            Outcome::Passed => lines.push(format!("{name:8} passed       {time}")),
            Outcome::PassedOver(why) => lines.push(format!("{name:8} passed over  {why}")),
        }
        println!("{}", lines.last().map_or("", String::as_str));
        println!();
    }
    if skip_test {
        lines.push(format!("{TEST:8} passed over  --skip-test"));
    }
    println!("{}", lines.join("\n"));
    println!("All checks passed after {}.", spoken(begun.elapsed()));
    Ok(())
}

fn cargo(repo: &Repo, arguments: &[&str]) -> Result<Outcome> {
    succeed(repo.cargo().args(arguments))?;
    Ok(Outcome::Passed)
}

fn deny(repo: &Repo) -> Result<Outcome> {
    if !repo.has_cargo("deny") {
        return Ok(Outcome::PassedOver("cargo-deny is not installed: licences and sources were not checked"));
    }
    cargo(repo, &["deny", "check", "bans", "licenses", "sources"])
}

fn tests(repo: &Repo) -> Result<Outcome> {
    if test::run(repo, &test::Options::default())? != ExitCode::SUCCESS {
        bail!("there are failing tests");
    }
    Ok(Outcome::Passed)
}
