//! `roster verify`: every invariant of the store, also while a server runs on it.

use roster_core::verify::{Finding, Repair, Verdict, repair_all, verify_all};
use serde_json::{Value, json};

use super::open;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Progress;
use crate::session::Session;

/// Checks everything, after putting links right when asked; status 1 where something is not as it must be.
pub async fn run(global: &Global, repair: bool) -> Result<(), Failure> {
    let session = open(global).await?;
    let repairs = if repair { mend(&session).await? } else { Vec::new() };
    let mut progress = Progress::counting("homes checked");
    let verdict = verify_all(&session.roster, &mut |done| progress.at(done)).await?;
    progress.end();
    if session.out.is_for_machines() {
        let whole = json(&verdict, &repairs);
        let rows: Vec<_> = ["repaired", "findings"].into_iter().flat_map(|what| rows(&whole, what)).collect();
        session.out.rows(&whole, &["status", "home", "invariant", "detail"], &rows)?;
    } else {
        for repair in &repairs {
            line(&format!("{}: put right: {}", repair.home, repair.detail))?;
        }
        for finding in &verdict.findings {
            line(&finding.to_string())?;
        }
        line(&summary(&verdict))?;
        if !repair && verdict.findings.iter().any(Finding::can_be_repaired) {
            line("Run `roster verify --repair` to bring names, directories and cards up to date.")?;
        }
    }
    if verdict.findings.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// What was put right, or is to be, as rows for a spreadsheet.
fn rows(whole: &Value, what: &'static str) -> impl Iterator<Item = Value> {
    let status = if what == "repaired" { "repaired" } else { "found" };
    whole[what].as_array().into_iter().flatten().cloned().map(move |mut row| {
        row["status"] = status.into();
        row
    })
}

async fn mend(session: &Session) -> Result<Vec<Repair>, Failure> {
    let mut progress = Progress::counting("homes gone through");
    let repairs = repair_all(&session.roster, &mut |done| progress.at(done)).await;
    progress.end();
    Ok(repairs?)
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

fn json(verdict: &Verdict, repairs: &[Repair]) -> Value {
    let repaired = |repair: &Repair| json!({"home": repair.home.to_string(), "detail": repair.detail});
    let finding = |finding: &Finding| {
        json!({
            "home": finding.home.to_string(),
            "invariant": finding.invariant,
            "detail": finding.detail,
        })
    };
    json!({
        "repaired": repairs.iter().map(repaired).collect::<Vec<_>>(),
        "ok": verdict.findings.is_empty(),
        "homes": verdict.homes,
        "records": verdict.records,
        "entries": verdict.entries,
        "findings": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
