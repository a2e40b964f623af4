//! `roster import`: a CSV file into an organization.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use roster_api::{csv, shapes};
use roster_core::flows;
use roster_core::flows::import::{
    ImportOptions, ImportReport, RowOutcome, RowStatus, import_members, parse_accounts, parse_members,
};
use serde_json::{Value, json};

use super::{job, open};
use crate::args::{Global, InOrganization};
use crate::failure::{Failure, note_refused};
use crate::output::{Column, line, table, text};
use crate::progress::Progress;

/// What is imported.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Members: one row a person and account.
    ///
    /// The header is required: `user_external_id`, `email`, `name`, `account_external_id` and `role`, in any order. `name` may
    /// be left out, and one of the first two. The same file twice changes nothing.
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

/// Somewhat longer than names that nothing bears are held.
const PATIENCE: Duration = Duration::from_secs(75);

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
    let lines = parse_accounts(&read(&asked.file)?)?;
    let session = open(global).await?;
    let organization = session.organization(&asked.within.organization).await?;
    let (roster, request) = (&session.roster, session.request());
    let begun = flows::begin_account_import(roster, &request, organization, &lines, asked.dry_run).await?;
    job::work_off(&session, begun.output.id).await
}

async fn members(asked: Members, global: &Global) -> Result<(), Failure> {
    let bytes = read(&asked.file)?;
    let lines = parse_members(&bytes)?;
    let session = open(global).await?;
    let organization = session.organization(&asked.within.organization).await?;
    let options = ImportOptions { create_accounts: asked.create_accounts, dry_run: asked.dry_run };
    let mut progress = Progress::towards_an_end("rows gone through");
    let mut hear = |done, all| progress.of(as_u64(done), as_u64(all));
    let report = import_members(
        &session.roster,
        &session.request(),
        organization,
        &lines,
        options,
        PATIENCE,
        &mut hear,
    )
    .await?;
    progress.end();
    if session.out.is_csv() {
        let rows: Vec<_> = report.rows.iter().map(shapes::import_row).collect();
        text(&csv::table(&["item", "line", "status", "code", "warning"], &rows))?;
    } else if session.out.is_for_machines() {
        session.out.value(&shapes::import_report(&report))?;
    } else {
        print(&report, asked.dry_run)?;
    }
    if report.count(RowStatus::Refused) == 0 {
        return Ok(());
    }
    note_refused(report.rows.iter().filter_map(|row| {
        let code = row.code.filter(|_| row.status == RowStatus::Refused)?;
        Some((code, format!("line {}: {}", row.line, row.item)))
    }));
    Err(Failure::Said)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
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

fn print(report: &ImportReport, dry_run: bool) -> Result<(), Failure> {
    let noted: Vec<Value> = report
        .rows
        .iter()
        .filter(|row| row.status == RowStatus::Refused || row.warning.is_some())
        .map(|row| {
            let mut shape = shapes::import_row(row);
            shape["detail"] = json!(why(row));
            shape
        })
        .collect();
    if !noted.is_empty() {
        line(&table(&noted, COLUMNS))?;
        line("")?;
    }
    let mut text = if dry_run { "Would be done: ".to_owned() } else { "Done: ".to_owned() };
    let counts: Vec<_> =
        RowStatus::ALL.iter().map(|status| format!("{} {}", report.count(*status), status.name())).collect();
    text.push_str(&counts.join(", "));
    let warned = report.rows.iter().filter(|row| row.warning.is_some()).count();
    let (accounts, users) = (report.accounts_created, report.users_created);
    line(&format!("{text}; {warned} with a warning; {accounts} accounts and {users} users made."))
}

fn why(row: &RowOutcome) -> Option<String> {
    let warning = row.warning.map(|warning| format!("warning: {}", warning.name()));
    row.detail.clone().or(warning)
}
