//! `cargo xtask clients`: what others wrote, tried with Roster. It is fetched from npm, `PyPI` and Debian.

mod hooks;
mod mail;
mod openapi;
mod pages;
mod place;
mod relay;
mod segment;
mod tools;

use anyhow::{Context, Result};
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

/// Tries all or what is named; stops at the first that fails.
pub fn run(repo: &Repo, options: &Options) -> Result<()> {
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    if wanted(Part::Openapi) {
        openapi::run(repo)?;
    }
    if options.only == [Part::Openapi] {
        return Ok(());
    }
    succeed(repo.cargo().args(["build", "--package", "roster-cli"]))?;
    let servers = if wanted(Part::Segment) { options.stores.servers(repo) } else { Ok(Servers::none()) };
    let servers = servers.context("the clients need servers")?;
    if wanted(Part::Segment) {
        let backends = options.stores.names()?;
        // Nothing is served from memory.
        let backends: Vec<_> = backends.into_iter().filter(|backend| *backend != "memory").collect();
        segment::run(repo, &servers, &backends)?;
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
