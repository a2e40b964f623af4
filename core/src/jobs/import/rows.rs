//! A chunk of an import that is gone through.

use crate::flows::import::{ImportLine, ImportOptions};
use crate::id::OrganizationId;
use crate::model::{Job, JobPartId, Outcome, OutcomeStatus};

/// A chunk.
pub(super) struct Rows<'a> {
    pub(super) job: &'a Job,
    pub(super) part: JobPartId,
    pub(super) organization: OrganizationId,
    pub(super) options: ImportOptions,
    pub(super) lines: &'a [ImportLine],
    pub(super) foreseen: Vec<Outcome>,
    /// Whether what is foreseen to bring something in is known to have done so.
    pub(super) is_known: bool,
}

impl Rows<'_> {
    /// Takes rows that find nothing to do for what was foreseen of them: they came before. Which.
    pub(super) fn came_before(&self, outcomes: &mut [Outcome]) -> Vec<usize> {
        let mut before = Vec::new();
        for (n, (found, foreseen)) in outcomes.iter_mut().zip(&self.foreseen).enumerate() {
            if found.status == OutcomeStatus::Unchanged && foreseen.brings_in() {
                found.status = foreseen.status;
                before.push(n);
            }
        }
        before
    }
}
