//! `cargo xtask clients`: what others wrote, tried with Roster. It is fetched from npm, `PyPI` and Debian.

mod hooks;
mod mail;
mod openapi;
mod pages;
mod place;
mod relay;
mod segment;
mod tools;

use anyhow::{Context, Error, Result};
use clap::{Args, ValueEnum};

use crate::repo::{Repo, succeed};
use crate::servers::Servers;
use crate::test::Stores;

/// What is to be tried.
#[derive(Args, Default)]
pub struct Options {
    /// Only this; may be repeated.
    #[arg(long, value_name = "WHAT")]
    only: Vec<Part>,
    /// Passes over, and says so, what cannot be fetched or installed.
    #[arg(long)]
    unless_unfetched: bool,
    /// Takes the build of the tests, of which nothing is built anew where they have just run.
    #[arg(long)]
    as_tested: bool,
    #[command(flatten)]
    stores: Stores,
}

/// What there is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A linter and generators of clients, on docs/openapi.json.
    Openapi,
    /// Segment's libraries for Python and Node, on every store.
    Segment,
    /// A browser, on the pages that links open.
    Pages,
    /// A mail server, with and without TLS.
    Mail,
    /// Libraries that check the signatures of webhooks.
    Hooks,
}

/// Fails by what a try came to, unless it could not be fetched and that is no failure.
fn passed_over(options: &Options, tried: Result<()>) -> Result<()> {
    if let Err(error) = tried {
        println!("{}", notice(options, error)?);
    }
    Ok(())
}

/// What is said of a try that failed where that is passed over; else why it failed.
fn notice(options: &Options, error: Error) -> Result<String> {
    let unfetched = error.chain().any(<dyn std::error::Error>::is::<tools::Unfetched>);
    if !unfetched || !options.unless_unfetched {
        return Err(error);
    }
    let line = "!".repeat(80);
    Ok(format!("{line}\n!!! NOT TRIED, and passed over: {error:#}\n{line}"))
}

/// Tries all or what is named; stops at the first that fails.
pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    if wanted(Part::Openapi) {
        openapi::run(repo)?;
    }
    if options.only == [Part::Openapi] {
        return Ok(());
    }
    // The features of what others bring are others where packages are built by themselves.
    let what = if options.as_tested { ["--workspace", "--tests"] } else { ["--package", "roster-cli"] };
    succeed(repo.cargo().arg("build").args(what))?;
    let servers = if wanted(Part::Segment) { options.stores.servers(repo) } else { Ok(Servers::none()) };
    let servers = servers.context("the clients need servers")?;
    if wanted(Part::Segment) {
        let backends = options.stores.names()?;
        // Nothing is served from memory.
        let backends: Vec<_> = backends.into_iter().filter(|backend| *backend != "memory").collect();
        passed_over(options, segment::run(repo, &servers, &backends))?;
    }
    if wanted(Part::Pages) {
        pages::run(repo, &servers)?;
    }
    if wanted(Part::Mail) {
        mail::run(repo, &servers)?;
    }
    if wanted(Part::Hooks) {
        hooks::run(repo, &servers)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What cannot be fetched is passed over only where that is asked for, and loudly; whatever else fails never is.
    #[test]
    fn only_what_cannot_be_fetched_is_passed_over() {
        let away = || {
            let fetched =
                tools::fetch(&Command::new("false")).context("the tools cannot be installed by pip");
            fetched.context("on sqlite").unwrap_err()
        };
        let wrong = || tools::said(&mut Command::new("false")).context("on sqlite").unwrap_err();
        let must = Options::default();
        let may = Options { unless_unfetched: true, ..Options::default() };
        let said = notice(&may, away()).unwrap();
        assert!(
            said.contains("NOT TRIED") && said.contains("on sqlite: the tools cannot be installed by pip")
        );
        let line = "!".repeat(80);
        assert!(said.starts_with(&line) && said.ends_with(&line), "{said}");
        assert!(passed_over(&may, Err(away())).is_ok());
        for (options, error) in [(&may, wrong()), (&must, away()), (&must, wrong())] {
            assert!(passed_over(options, Err(error)).is_err());
        }
        assert!(passed_over(&must, Ok(())).is_ok());
    }
}
