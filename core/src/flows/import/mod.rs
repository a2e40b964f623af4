//! Importing members from CSV (rule X4): the dry run and the run are the same flows, on an overlay that is thrown
//! away or flushed.

mod accounts;
mod again;
mod ahead;
mod parse;
mod row;

use std::sync::Arc;

pub use accounts::{AccountLine, AccountRow, parse_accounts};
pub(crate) use again::Again;
pub use parse::{ImportLine, ImportRow, Lines, parse_members};
pub(crate) use row::ROW;

use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{CommitId, OrganizationId};
use crate::model::{Made, Outcome};
use crate::op::{Roster, TRIES, back_off};
use crate::overlay::Overlay;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// How an import is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportOptions {
    /// Make accounts that do not exist, named by their external id.
    pub create_accounts: bool,
    /// Report what would be done, and do nothing.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// One outcome a row, in the order of the file.
    pub(crate) outcomes: Vec<Outcome>,
    /// For each the commit that brings it into the organization, where they were gone through on an overlay.
    pub(crate) commits: Vec<Option<CommitId>>,
    /// What was made by the way.
    pub(crate) made: Made,
    /// By which row and which commit, where they were gone through on an overlay.
    pub(crate) makers: Vec<Maker>,
}

/// A commit that makes something by the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker {
    /// The row that it is for.
    pub(crate) row: usize,
    /// The commit.
    pub(crate) commit: CommitId,
    /// What.
    pub(crate) made: Made,
}

/// Whether a file may need more seats than there are.
pub(crate) async fn seats_are_limited(
    roster: &Roster,
    organization: OrganizationId,
) -> Result<bool, StoreError> {
    let read = roster.store.read(&Home::Organization(organization), &[Key::Organization], &[]).await?;
    Ok(match read.records.get(&Key::Organization).map(|stored| &stored.record) {
        Some(Record::Organization(it)) => it.purchased.is_some(),
        _ => false,
    })
}

/// What becomes of a row in whose way others are (rule X4: its outcome is the file's, not the moment's).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conflicts {
    /// An error: whoever asked decides afresh.
    Raised,
    /// It is tried again, and that is its outcome where it does not help.
    Told,
}

/// Rows on an overlay, with all that they are going to read.
pub(crate) async fn import_rows(
    (overlaid, overlay): &(Roster, Arc<Overlay>),
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
    conflicts: Conflicts,
) -> Result<Report, OpError> {
    ahead::read_ahead(overlaid, overlay, request, organization, lines).await?;
    let (mut report, home) = (Report::default(), Home::Organization(organization));
    for (row, line) in lines.iter().enumerate() {
        let before = report.made;
        match import_row(overlaid, request, organization, line, options, conflicts, &mut report).await {
            Err(OpError::Lost) => break,
            done => done?,
        }
        // Looked for only where there is one: it is among the last.
        let (accounts, users) = report.made.since(before).apart();
        if !accounts.is_nothing() {
            let by = overlay.last_new_account(&home);
            report.makers.extend(by.map(|commit| Maker { row, commit, made: accounts }));
        }
        if !users.is_nothing() {
            report.makers.extend(overlay.last_new_user().map(|commit| Maker { row, commit, made: users }));
        }
        // What waits for them, such as owners that traits name, comes after it.
        let brings_in = report.outcomes.last().is_some_and(Outcome::brings_in);
        report.commits.push(if brings_in { overlay.last_of_a_member(&home) } else { None });
    }
    Ok(report)
}

/// Rows as they come, each asking for itself; not those that come after the job was taken over or is to stop. What came of
/// those before an error is told with it.
pub(crate) async fn import_one_by_one(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
) -> (Report, Result<(), OpError>) {
    let mut report = Report::default();
    for line in lines {
        match import_row(roster, request, organization, line, options, Conflicts::Told, &mut report).await {
            Ok(()) => {}
            Err(OpError::Lost) => break,
            Err(error) => return (report, Err(error)),
        }
    }
    (report, Ok(()))
}

async fn import_row(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    line: &ImportLine,
    options: ImportOptions,
    conflicts: Conflicts,
    report: &mut Report,
) -> Result<(), OpError> {
    for attempt in 1.. {
        match row::import(roster, request, organization, line, options, report).await {
            Err(OpError::Refused(Refusal::Conflict)) if conflicts == Conflicts::Told => {}
            done => return done,
        }
        // What stands still answers the same.
        if attempt >= TRIES || roster.store.stands_still() {
            break;
        }
        back_off(roster, attempt).await;
    }
    let refusal = Refusal::Conflict;
    report.outcomes.push(row::refused(line, refusal.code(), refusal.to_string()));
    Ok(())
}
