//! `roster import`: a CSV file into an organization.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows;
use roster_core::flows::import::{ImportOptions, parse_accounts, parse_members};
use roster_core::model::{Job, JobStatus, Made, Outcome};
use roster_core::refusal::Refusal;
use serde_json::{Value, json};

use super::{job, open};
use crate::args::{Global, InOrganization};
use crate::failure::{Failure, note_refused};
use crate::output::{Column, line, table};

/// What is imported.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Members: one row a person and account.
    ///
    /// The header is required: `user_external_id`, `email`, `name`, `account_external_id` and `role`, in any order. `name` may
    /// be left out, and one of the first two. The same file twice changes nothing. It is a job: where this command is stopped,
    /// a server or the next command that works on jobs goes on with it, unless it is ended by `roster job cancel`.
    Members(Members),
    /// Accounts: made where they are not known, renamed where the file says another name.
    ///
    /// The header is required: `account_external_id`, and `name` if you like, in any order. An account without a name is named
    /// by its external id. The same file twice changes nothing.
    Accounts(Accounts),
}

/// Flags of `accounts`.
#[derive(Debug, Args)]
pub struct Accounts {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    within: InOrganization,
    /// Report what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `members`.
#[derive(Debug, Args)]
pub struct Members {
    /// The file; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    within: InOrganization,
    /// Make accounts that do not exist, named by their external id.
    #[arg(long)]
    create_accounts: bool,
    /// Report what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Larger files are refused by the core; one byte more than it takes is enough to know.
const MOST: u64 = 64 * 1024 * 1024 + 1;

const COLUMNS: &[Column] =
    &[("LINE", "/line"), ("ITEM", "/item"), ("OUTCOME", "/status"), ("CODE", "/code"), ("WHY", "/detail")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Members(asked) => members(asked, global).await,
        Command::Accounts(asked) => accounts(asked, global).await,
    }
}

async fn accounts(asked: Accounts, global: &Global) -> Result<(), Failure> {
    let bytes = read(&asked.file)?;
    let lines = parse_accounts(&bytes)?;
    let session = open(global).await?;
    let organization = session.organization(&asked.within.organization).await?;
    let (roster, request) = (&session.roster, session.request());
    let begun = flows::begin_account_import(roster, &request, organization, lines, asked.dry_run).await?;
    job::work_off(&session, begun.output.id).await
}

async fn members(asked: Members, global: &Global) -> Result<(), Failure> {
    let bytes = read(&asked.file)?;
    let lines = parse_members(&bytes)?;
    let session = open(global).await?;
    let organization = session.organization(&asked.within.organization).await?;
    let options = ImportOptions { create_accounts: asked.create_accounts, dry_run: asked.dry_run };
    let begun =
        flows::begin_import(&session.roster, &session.request(), organization, lines, options).await?;
    let job = job::worked_off(&session, begun.output.id).await?;
    // Refused as a whole, with the rows that find no seat.
    let refused = job.failure.as_deref() == Some(Refusal::NoSeat.code());
    if !refused && matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
        return job::end(&session, &job).await;
    }
    let outcomes = job::outcomes(&session, job.id, |_| true).await?;
    if session.out.is_csv() {
        job::print_csv(&outcomes)?;
    } else if session.out.is_for_machines() {
        session.out.value(&shapes::import_report(&job, &outcomes))?;
    } else {
        print(&job, &outcomes, asked.dry_run)?;
    }
    if refused {
        return Err(Refusal::NoSeat.into());
    }
    if job.status == JobStatus::CompletedWithConflicts {
        note_refused(outcomes.iter().filter_map(|row| {
            Some((row.code.as_deref()?, format!("line {}: {}", row.line.unwrap_or_default(), row.item)))
        }));
        return Err(Failure::Said);
    }
    job::ended_well(&session, &job).await
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    };
    match result {
        Ok(_) => Ok(bytes),
        Err(error) => {
            Err(Failure::Failed(format!("{} cannot be read: {error}; check the path", file.display())))
        }
    }
}

fn print(job: &Job, outcomes: &[Outcome], dry_run: bool) -> Result<(), Failure> {
    let noted = outcomes.iter().filter(|row| row.code.is_some() || row.warning.is_some());
    let noted: Vec<Value> = noted
        .map(|row| {
            let mut shape = shapes::outcome(row);
            shape["detail"] = json!(why(row));
            shape
        })
        .collect();
    if !noted.is_empty() {
        line(&table(&noted, COLUMNS))?;
        line("")?;
    }
    if job.status == JobStatus::Failed {
        return Ok(());
    }
    let shape = shapes::import_report(job, &[]);
    let counts: Vec<_> = ["added", "changed", "unchanged", "refused"]
        .map(|name| format!("{} {name}", shape["summary"][name]))
        .into();
    let done = if dry_run { "Would be done" } else { "Done" };
    let warned = outcomes.iter().filter(|row| row.warning.is_some()).count();
    let Made { accounts, users } = job.made;
    line(&format!(
        "{done}: {}; {warned} with a warning; {accounts} accounts and {users} users made.",
        counts.join(", ")
    ))
}

fn why(row: &Outcome) -> Option<String> {
    let warning = row.warning.as_ref().map(|warning| format!("warning: {warning}"));
    row.detail.clone().or(warning)
}
