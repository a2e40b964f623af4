//! `cargo xtask bench`: how fast Roster answers over HTTP, and the raw limit of the same store beside each figure.
//!
//! Roster and the raw limit take turns within one run, so that a machine that is busy with something else slows both.
//! What is said is the median of the turns, and the median of their quotients.

mod acts;
mod load;
mod place;
mod raw;
mod reports;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use self::load::Load;
use self::place::Place;
use self::raw::Raw;
use self::table::{Figure, Report, Turn};
use crate::repo::{Repo, spoken, succeed};

/// The stores that can be measured.
const BACKENDS: [&str; 3] = ["sqlite", "postgres", "redis"];
/// The connections in Roster's pool, and of the raw limit on Postgres at the most.
const CONNECTIONS: u32 = 16;

/// What is to be measured.
#[derive(Args)]
pub struct Options {
    /// A tenth of the data and one turn each: a quick look.
    #[arg(long)]
    small: bool,
    /// Measures this store only; may be repeated.
    #[arg(long = "backend", value_name = "NAME")]
    backends: Vec<String>,
    /// Measures this part only; may be repeated.
    #[arg(long = "only", value_name = "PART")]
    parts: Vec<Part>,
    /// Writes the figures to a file too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is measured apart from the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Part {
    /// Requests under load.
    Requests,
    /// What takes long: imports, removals from everything, events.
    Acts,
    /// Reports on accounts.
    Reports,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// How much data there is, and how long is measured.
pub struct Scale {
    organizations: u32,
    members: u32,
    large: u32,
    turns: usize,
    seconds: u32,
    concurrencies: &'static [u32],
    /// Whether the large organization is measured apart from the others.
    large_apart: bool,
    /// Rows that are imported, organizations and accounts that somebody leaves, batches of events that are taken in.
    rows: u32,
    places: u32,
    batches: u32,
    /// Accounts that are reported on, and the organizations that they are in.
    reports: &'static [(u32, u32)],
}

const FULL: Scale = Scale {
    organizations: 100,
    members: 1_000,
    large: 100_000,
    turns: 3,
    seconds: 1,
    concurrencies: &[1, 16, 64],
    large_apart: true,
    rows: 100_000,
    places: 500,
    batches: 200,
    reports: &[(1_000, 1), (10_000, 1), (100_000, 1), (100_000, 10_000)],
};

const SMALL: Scale = Scale {
    organizations: 10,
    members: 1_000,
    large: 10_000,
    turns: 1,
    seconds: 1,
    concurrencies: &[1, 16],
    large_apart: false,
    rows: 5_000,
    places: 50,
    batches: 20,
    reports: &[(10_000, 1), (10_000, 1_000)],
};

/// What is done over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    Check,
    Get,
    List,
    Role,
    Remove,
}

impl Work {
    const ALL: [Self; 5] = [Self::Check, Self::Get, Self::List, Self::Role, Self::Remove];

    /// As `load.lua` knows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Get => "get",
            Self::List => "list",
            Self::Role => "role",
            Self::Remove => "remove",
        }
    }

    /// As people do.
    const fn title(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Get => "get a member",
            Self::List => "list 100 members",
            Self::Role => "change a role",
            Self::Remove => "remove a member",
        }
    }

    const fn reads(self) -> bool {
        matches!(self, Self::Check | Self::Get | Self::List)
    }
}

/// On which organizations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data {
    Many,
    Large,
}

impl Data {
    /// The file of lines.
    const fn name(self) -> &'static str {
        match self {
            Self::Many => "many",
            Self::Large => "large",
        }
    }
}

/// Measures and prints.
pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    let scale = if options.small { &SMALL } else { &FULL };
    let backends = backends(&options.backends)?;
    load::find()?;
    println!("Building.");
    // What is built bit by bit is built in many small parts, across which little is inlined.
    let build = ["build", "-q", "--profile", "measured", "-p", "roster-cli", "-p", "roster-bench"];
    succeed(repo.cargo().args(build).env("CARGO_INCREMENTAL", "0"))?;
    let mut reports = Vec::new();
    for backend in backends {
        let report =
            measure(repo, options, backend, scale).with_context(|| format!("{backend} was not measured"))?;
        print!("{}", report.text());
        reports.push(report);
    }
    if let Some(path) = &options.json {
        table::write_json(path, &reports)?;
    }
    println!("\nDone after {}.", spoken(begun.elapsed()));
    Ok(ExitCode::SUCCESS)
}

fn backends(named: &[String]) -> Result<Vec<&'static str>> {
    if let Some(unknown) = named.iter().find(|name| !BACKENDS.contains(&name.as_str())) {
        bail!("there is no store named {unknown:?} to measure; known are: {}", BACKENDS.join(", "));
    }
    let wanted = |known: &&str| named.is_empty() || named.iter().any(|name| name == known);
    Ok(BACKENDS.into_iter().filter(wanted).collect())
}

/// One store, from an empty one to the figures.
fn measure(repo: &Repo, options: &Options, backend: &'static str, scale: &Scale) -> Result<Report> {
    let place = Place::new(repo, backend)?;
    let mut report = Report::new(backend, place.version.clone());
    if options.wants(Part::Requests) || options.wants(Part::Acts) {
        println!("\n{backend}: filling the store.");
        place.seed(scale)?;
    }
    if options.wants(Part::Requests) {
        report.start_ms = Some(place.time_start()?);
        requests(&place, scale, &mut report)?;
    }
    if options.wants(Part::Acts) {
        report.acts = Some(acts::measure(&place, scale)?);
    }
    if options.wants(Part::Reports) {
        report.reports = reports::measure(repo, backend, scale)?;
    }
    Ok(report)
}

/// Requests under load, in turns with the raw limit.
fn requests(place: &Place, scale: &Scale, report: &mut Report) -> Result<()> {
    let roster = place.serve()?;
    let bare = place.serve_bare()?;
    let mut raw = Raw::new(place, scale)?;
    let mut load = Load::new(place)?;
    for (work, data, concurrency) in plan(scale) {
        let mut turns = Vec::with_capacity(scale.turns);
        for _ in 0..scale.turns {
            let ours = load.run(roster.port, work, data, concurrency, scale.seconds)?;
            let limit = if work.reads() {
                load.run(bare.port, work, data, concurrency, scale.seconds)?
            } else {
                // Only Postgres takes a connection for each that commits at a time.
                let writers =
                    if place.backend == "postgres" { concurrency.min(CONNECTIONS) } else { concurrency };
                raw.run(data, writers, scale.seconds)?
            };
            turns.push(Turn { ours, limit });
        }
        let figure = Figure::new(work.title(), data.name(), concurrency, &turns);
        println!("  {}", figure.line());
        report.figures.push(figure);
    }
    report.memory_mib = Some(roster.memory_mib()?);
    Ok(())
}

fn plan(scale: &Scale) -> Vec<(Work, Data, u32)> {
    let mut plan = Vec::new();
    for work in Work::ALL {
        plan.extend(scale.concurrencies.iter().map(|concurrency| (work, Data::Many, *concurrency)));
        if scale.large_apart {
            plan.push((work, Data::Large, 16));
        }
    }
    plan.push((Work::Role, Data::Large, *scale.concurrencies.last().unwrap_or(&16)));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_store_is_not_passed_over() {
        assert_eq!(backends(&[]).unwrap(), BACKENDS);
        assert_eq!(backends(&["postgres".to_owned()]).unwrap(), ["postgres"]);
        assert!(backends(&["oracle".to_owned()]).unwrap_err().to_string().contains("known are: sqlite"));
    }

    #[test]
    fn all_is_measured_at_every_concurrency() {
        let planned = plan(&FULL);
        for work in Work::ALL {
            for concurrency in [1, 16, 64] {
                assert!(planned.contains(&(work, Data::Many, concurrency)));
            }
            assert!(planned.contains(&(work, Data::Large, 16)));
        }
    }
}
