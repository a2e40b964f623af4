//! The job by which lists come to show what a user's record says, asked for in the commit that changes it.

use uuid::Uuid;

use crate::id::UserId;
use crate::model::{Job, JobStatus, Work};
use crate::ops::job::{Asked, renewed};
use crate::time::Timestamp;

/// What is to be asked for with a change.
#[derive(Clone, Debug)]
pub struct OwedCards {
    /// Who asks.
    pub asked: Asked,
    /// In how many organizations the person may be.
    pub total: u64,
    /// Whoever does it at once; nobody where there are too many. If they die over it, a worker finds their lease ended.
    pub holder: Option<Uuid>,
    /// The pointer to the job counts until then.
    pub not_after: Timestamp,
}

impl OwedCards {
    /// The job.
    pub(super) fn job(&self, user: UserId, now: Timestamp) -> Job {
        let job = self.asked.queued(Work::RefreshCards { user }, self.total, now);
        match self.holder {
            Some(holder) => Job { status: JobStatus::Running, ..renewed(job, holder, now) },
            None => job,
        }
    }
}
