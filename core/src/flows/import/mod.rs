//! Importing members from CSV (rule X4): the dry run and the run are the same flows, on an overlay that is thrown
//! away or flushed.

mod accounts;
mod ahead;
mod parse;
mod row;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use accounts::{AccountLine, AccountRow, parse_accounts};
pub use parse::{ImportLine, ImportRow, parse_members};
pub use row::{RowOutcome, RowStatus, Warning};

use crate::facts::Request;
use crate::flows::refresh::refresh_cards;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::op::Roster;
use crate::overlay::{Overlay, on_overlay};
use crate::reads::require_visible;
use crate::refusal::{OpError, Refusal};
use crate::store::{CommitError, StoreError};

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

/// Imports the rows of a parsed file. Where seats are limited the whole file is gone through first; if they are too few
/// for it, it is refused as a whole (`no_seat`) and nothing is done. `patience` is how long it waits for names that an import
/// took which was killed; `progress` hears how many of all steps are done.
pub async fn import_members(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
    patience: Duration,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<ImportReport, OpError> {
    require_visible(roster, request, organization).await?;
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("imports:run").into());
    }
    let tried = options.dry_run || seats_are_limited(roster, organization).await?;
    let steps = if tried && !options.dry_run { lines.len() * 2 } else { lines.len() };
    let mut done = 0;
    let mut report = ImportReport::default();
    if tried {
        let trial = on_overlay(roster, Overlay::new);
        for chunk in lines.chunks(CHUNK) {
            patiently(patience, &mut report, async |report| {
                import_rows(&trial, request, organization, chunk, options, report).await
            })
            .await?;
            trial.1.forget();
            done += chunk.len();
            progress(done, steps);
        }
        if report.rows.iter().any(|row| row.code == Some("no_seat")) {
            return Err(Refusal::NoSeat.into());
        }
        if options.dry_run {
            return Ok(report);
        }
        report = ImportReport::default();
    }
    for chunk in lines.chunks(CHUNK) {
        patiently(patience, &mut report, async |report| {
            import_chunk(roster, request, organization, chunk, options, report).await
        })
        .await?;
        done += chunk.len();
        progress(done, steps);
    }
    Ok(report)
}

/// Waits for names that an import took which was killed before it made what they name: they are free after a minute.
async fn patiently(
    patience: Duration,
    report: &mut ImportReport,
    mut act: impl AsyncFnMut(&mut ImportReport) -> Result<(), OpError>,
) -> Result<(), OpError> {
    let (rows, accounts, users) = (report.rows.len(), report.accounts_created, report.users_created);
    let begun = Instant::now();
    loop {
        match act(report).await {
            Err(OpError::Busy) if begun.elapsed() < patience => {
                report.rows.truncate(rows);
                (report.accounts_created, report.users_created) = (accounts, users);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            told => return told,
        }
    }
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

/// Rows on an overlay, with all that they are going to read.
pub(crate) async fn import_rows(
    (overlaid, overlay): &(Roster, Arc<Overlay>),
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<(), OpError> {
    ahead::read_ahead(overlaid, overlay, request, organization, lines).await?;
    import_one_by_one(overlaid, request, organization, lines, options, report).await
}

/// Rows as they come, each asking for itself.
pub(crate) async fn import_one_by_one(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<(), OpError> {
    for line in lines {
        row::import(roster, request, organization, line, options, report).await?;
    }
    Ok(())
}

/// A chunk by one flush. Where others got in between, row by row on the store itself, with the same ids: a row that is
/// then found done was done by the flush.
async fn import_chunk(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    chunk: &[ImportLine],
    options: ImportOptions,
    report: &mut ImportReport,
) -> Result<(), OpError> {
    let run = on_overlay(roster, Overlay::new);
    let before = report.clone();
    import_rows(&run, request, organization, chunk, options, report).await?;
    let cards = run.1.cards();
    match run.1.flush().await {
        Ok(()) => {
            refresh_cards(roster, request, cards).await;
            return Ok(());
        }
        Err(CommitError::Store(error)) => return Err(error.into()),
        Err(CommitError::Conflict(_) | CommitError::OutOfBounds(_) | CommitError::TooLate) => {}
    }
    let on_overlay = std::mem::replace(report, before);
    let first = report.rows.len();
    import_one_by_one(roster, request, organization, chunk, options, report).await?;
    for (row, flushed) in report.rows.iter_mut().zip(on_overlay.rows).skip(first) {
        if row.status == RowStatus::Unchanged {
            *row = flushed;
        }
    }
    Ok(())
}
