//! Importing members from CSV (rule X4): the dry run and the run are the same flows, on an overlay that is thrown
//! away or flushed.

mod parse;
mod row;

use std::sync::Arc;

pub use parse::{ImportLine, ImportRow, parse_members};
pub(crate) use row::import as import_row;
pub use row::{RowOutcome, RowStatus, Warning};

use crate::facts::Request;
use crate::id::OrganizationId;
use crate::op::Roster;
use crate::overlay::Overlay;
use crate::reads::require_visible;
use crate::refusal::{OpError, Refusal};
use crate::store::CommitError;

/// How many rows are committed together.
const CHUNK: usize = 250;

/// How an import is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImportOptions {
    /// Make accounts that do not exist, named by their external id.
    pub create_accounts: bool,
    /// Report what would be done, and do nothing.
    pub dry_run: bool,
}

/// What was done, or would be: one outcome a row, in the order of the file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ImportReport {
    /// The rows.
    pub rows: Vec<RowOutcome>,
    /// How many accounts were made.
    pub accounts_created: usize,
    /// How many people were made.
    pub users_created: usize,
}

impl ImportReport {
    /// How many rows ended like this.
    pub fn count(&self, status: RowStatus) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }
}

/// Imports the rows of a parsed file. The whole file is gone through first; if seats are too few for it, it is
/// refused as a whole (`no_seat`) and nothing is done. `progress` hears how many of all steps are done.
pub async fn import_members(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<ImportReport, OpError> {
    require_visible(roster, request, organization).await?;
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("imports:run").into());
    }
    let steps = if options.dry_run { lines.len() } else { lines.len() * 2 };
    let trial = on_overlay(roster);
    let mut report = ImportReport::default();
    for (n, line) in lines.iter().enumerate() {
        row::import(&trial.0, request, organization, line, options, &mut report).await?;
        progress(n + 1, steps);
    }
    if report.rows.iter().any(|row| row.code == Some("no_seat")) {
        return Err(Refusal::NoSeat.into());
    }
    if options.dry_run {
        return Ok(report);
    }
    drop(trial);
    let mut report = ImportReport::default();
    let mut run = on_overlay(roster);
    for (n, chunk) in lines.chunks(CHUNK).enumerate() {
        if !import_chunk(&run, request, organization, chunk, options, &mut report).await? {
            run = on_overlay(roster);
        }
        progress(lines.len() + (n * CHUNK + chunk.len()), steps);
    }
    Ok(report)
}

/// A chunk by one flush. Where others got in between, row by row on the store itself, with the same ids: a row that is
/// then found done was done by the flush. Answers whether the overlay still fits the store.
async fn import_chunk(
    (overlaid, overlay): &(Roster, Arc<Overlay>),
    request: &Request,
    organization: OrganizationId,
    chunk: &[ImportLine],
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<bool, OpError> {
    overlay.tick().await?;
    let before = report.clone();
    for line in chunk {
        row::import(overlaid, request, organization, line, options, report).await?;
    }
    match overlay.flush().await {
        Ok(()) => return Ok(true),
        Err(CommitError::Store(error)) => return Err(error.into()),
        Err(CommitError::Conflict(_) | CommitError::OutOfBounds(_) | CommitError::TooLate) => {}
    }
    let on_overlay = std::mem::replace(report, before);
    let first = report.rows.len();
    let direct = Roster { store: overlay.base(), ..overlaid.clone() };
    for line in chunk {
        row::import(&direct, request, organization, line, options, report).await?;
    }
    for (row, flushed) in report.rows.iter_mut().zip(on_overlay.rows).skip(first) {
        if row.status == RowStatus::Unchanged {
            *row = flushed;
        }
    }
    Ok(false)
}

/// The same on an overlay.
pub(crate) fn on_overlay(roster: &Roster) -> (Roster, Arc<Overlay>) {
    let overlay = Arc::new(Overlay::new(Arc::clone(&roster.store)));
    (Roster { store: Arc::<Overlay>::clone(&overlay), ..roster.clone() }, overlay)
}
