//! Checks every invariant of a store, online, from outside the path that writes.

mod erased;
mod feed;
mod home;
mod links;
mod log;
mod repair;
mod webhooks;

pub use log::{LogVerdict, vanished_logs, verify_log};
pub use repair::{Repair, repair_all};

use std::fmt;

use crate::home::Home;
use crate::op::Roster;
use crate::store::StoreError;

/// Something that must not be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// Where.
    pub home: Home,
    /// The invariant, in a word or two.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

impl Finding {
    /// Whether [`repair_all`] can put it right: a link, or an owner who does not follow, left behind by a crash between the
    /// steps of an act.
    pub fn can_be_repaired(&self) -> bool {
        matches!(self.invariant, "claims" | "directory" | "pointers" | "cards" | "owners")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.home, self.invariant, self.detail)
    }
}

/// What `verify` went through, and what it found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Verdict {
    /// How many homes.
    pub homes: u64,
    /// How many records.
    pub records: u64,
    /// How many log entries.
    pub entries: u64,
    /// What must not be; empty is clean.
    pub findings: Vec<Finding>,
}

/// Checks every home. `progress` hears how many homes are done. What changes meanwhile is read again before it is
/// reported.
pub async fn verify_all(
    roster: &Roster,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let mut after: Option<Home> = None;
    loop {
        let homes = roster.store.homes(after.as_ref(), 500).await?;
        let Some(last) = homes.last().cloned() else {
            return Ok(verdict);
        };
        for found in homes {
            let checked = settled(roster, &found).await?;
            verdict.homes += 1;
            verdict.records += checked.records;
            verdict.entries += checked.entries;
            verdict.findings.extend(checked.findings);
            progress(verdict.homes);
        }
        after = Some(last);
    }
}

/// A home's verdict; one with findings is checked again, since another may be in the middle of its steps.
async fn settled(roster: &Roster, home: &Home) -> Result<Verdict, StoreError> {
    let first = verify_home(roster, home).await?;
    if first.findings.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut second = verify_home(roster, home).await?;
    second.findings.retain(|finding| first.findings.contains(finding));
    Ok(second)
}

/// Checks one home.
pub async fn verify_home(roster: &Roster, home: &Home) -> Result<Verdict, StoreError> {
    let dump = roster.store.dump(home).await?;
    let mut verdict = Verdict { homes: 1, records: dump.records.len() as u64, ..Verdict::default() };
    let mut report = |invariant: &'static str, detail: String| {
        verdict.findings.push(Finding { home: home.clone(), invariant, detail });
    };
    home::check(&dump, &mut report);
    webhooks::check(&dump, &mut report);
    links::check(roster, home, &dump, &mut report).await?;
    if matches!(home, Home::User(_)) {
        erased::check(roster, home, &dump, &mut report).await?;
    }
    if *home == Home::Feed {
        feed::check(roster, &dump, &mut report).await?;
    }
    if home.has_log() {
        let log = log::walk(roster, home, &mut |_| {}).await?;
        if let Some((seq, problem)) = &log.first_bad {
            report("log", format!("entry {seq}: {problem}"));
        }
        log::check_dump(&dump, &log, &mut report);
        if matches!(home, Home::Organization(_)) {
            erased::check_organization(roster, &dump, &log.personal, &mut report).await?;
        }
        verdict.entries = log.entries;
    }
    Ok(verdict)
}

/// Hears a finding.
type Report<'a> = &'a mut (dyn FnMut(&'static str, String) + Send);
