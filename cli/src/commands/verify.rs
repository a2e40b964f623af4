//! `roster verify`: every invariant of the store, also while a server runs on it.

use roster_core::verify::{Finding, Verdict, verify_all};
use serde_json::json;

use super::open;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{line, print_json};
use crate::progress::Progress;

/// Checks everything; status 1 where something is not as it must be.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let mut progress = Progress::counting("homes checked");
    let verdict = verify_all(&session.roster, &mut |done| progress.at(done)).await?;
    progress.end();
    if session.out.is_json() {
        print_json(&json(&verdict))?;
    } else {
        for finding in &verdict.findings {
            line(&finding.to_string())?;
        }
        line(&summary(&verdict))?;
    }
    if verdict.findings.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

fn summary(verdict: &Verdict) -> String {
    let Verdict { homes, records, entries, findings } = verdict;
    let result = match findings.len() {
        0 => "Everything is as it must be".to_owned(),
        1 => "1 thing is not as it must be".to_owned(),
        many => format!("{many} things are not as they must be"),
    };
    format!("{result}: {homes} homes, {records} records and {entries} log entries checked.")
}

fn json(verdict: &Verdict) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "home": finding.home.to_string(),
            "invariant": finding.invariant,
            "detail": finding.detail,
        })
    };
    json!({
        "ok": verdict.findings.is_empty(),
        "homes": verdict.homes,
        "records": verdict.records,
        "entries": verdict.entries,
        "findings": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
