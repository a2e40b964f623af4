//! The order of a report, and which of its rows a page can still need.

use std::cmp::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cell::Cell;
use super::field::Field;
use super::line::Line;

/// Where a row stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportPosition {
    by: Vec<Cell>,
    id: Uuid,
}

/// The part of an order that a page shows.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Columns, `true` for downwards; then by id.
    sort: Vec<(Field, bool)>,
    /// The page begins behind this row.
    after: Option<ReportPosition>,
    /// It ends before this row, as far as rows have been seen.
    end: Mutex<Option<ReportPosition>>,
}

impl Order {
    pub(super) fn new(sort: Vec<(Field, bool)>, after: Option<ReportPosition>) -> Self {
        Self { sort, after, end: Mutex::default() }
    }

    /// Where a line that was read in full stands.
    pub(super) fn position(&self, line: &Line) -> ReportPosition {
        ReportPosition { by: self.sort.iter().map(|(field, _)| line.cell(field)).collect(), id: line.id() }
    }

    pub(super) fn compare(&self, one: &ReportPosition, other: &ReportPosition) -> Ordering {
        let cells = self.sort.iter().zip(one.by.iter().zip(&other.by));
        let order = cells.map(|((_, down), (one, other))| directed(one, other, *down));
        order.fold(Ordering::Equal, Ordering::then).then_with(|| one.id.cmp(&other.id))
    }

    /// Nothing from this row on is on the page.
    pub(super) fn end_before(&self, position: &ReportPosition) {
        *self.end() = Some(position.clone());
    }

    /// Whether the page can need a line that was read in part.
    pub(super) fn could_show(&self, line: &Line) -> bool {
        let side = |position: &ReportPosition| self.side(line, position);
        let passed = self.after.as_ref().and_then(side).is_some_and(Ordering::is_le);
        !passed && !self.end().as_ref().and_then(side).is_some_and(Ordering::is_ge)
    }

    /// On which side of a row a line stands, if that can be told already.
    fn side(&self, line: &Line, position: &ReportPosition) -> Option<Ordering> {
        for ((field, down), other) in self.sort.iter().zip(&position.by) {
            let order = directed(&line.known(field)?, other, *down);
            if order.is_ne() {
                return Some(order);
            }
        }
        Some(line.id().cmp(&position.id))
    }

    fn end(&self) -> MutexGuard<'_, Option<ReportPosition>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn directed(one: &Cell, other: &Cell, down: bool) -> Ordering {
    let order = one.order(other);
    if down { order.reverse() } else { order }
}
