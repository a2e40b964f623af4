//! Jobs: taken under a lease, advanced by whoever holds it, cancelled by whoever may (rule X3).

mod advance;
mod begin;
mod cancel;
mod clear;
mod forget;
mod row;
mod take;
mod withdraw;

pub use advance::{Advance, AdvanceJob, Ending};
pub use begin::BeginJob;
pub use cancel::CancelJob;
pub(crate) use clear::{ClearParts, DropParts, left_of};
pub use forget::ForgetItems;
pub(crate) use forget::{as_called, called};
pub use row::{Row, RowDone, RowInJob};
pub use take::{Later, TakeJob, Taken};
pub use withdraw::WithdrawJob;

use std::collections::BTreeMap;

use crate::actor::Actor;
use crate::facts::Seed;
use crate::id::JobId;
use crate::model::{Job, JobStatus, Lease, Made, OutcomeStatus, Work};
use crate::op::View;
use crate::store::StoreError;
use crate::time::Timestamp;

/// For how long a worker holds a job without getting on, in seconds. Others may take over after that.
pub const LEASE_SECONDS: i64 = 30;
/// How often in a row a job may be taken without getting on before it is given up.
pub const MAX_ATTEMPTS: u32 = 10;

/// Who asks for a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The job's id.
    pub id: JobId,
    /// Who asks, by whose rights it is done.
    pub actor: Actor,
    /// The request.
    pub request_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// What is kept of the seed from which the job's ids are drawn.
    pub seed: Seed,
}

impl Asked {
    /// A job that nobody has begun.
    pub fn queued(&self, work: Work, total: u64, now: Timestamp) -> Job {
        Job {
            id: self.id,
            work,
            actor: self.actor,
            request_id: self.request_id.clone(),
            reason: self.reason.clone(),
            seed: self.seed.bytes,
            seed_millis: self.seed.millis,
            status: JobStatus::Queued,
            done: 0,
            total,
            summary: BTreeMap::new(),
            made: Made::default(),
            fresh: Vec::new(),
            cursor: None,
            examined: 0,
            passed_over: Vec::new(),
            unswept: Vec::new(),
            seats_held: 0,
            lease: None,
            attempts: 0,
            not_before: now,
            cancelled: false,
            failure: None,
            created_at: now,
            finished_at: None,
        }
    }
}

/// The job with a lease that begins anew.
pub(crate) fn renewed(mut job: Job, holder: uuid::Uuid, now: Timestamp) -> Job {
    job.lease = Some(Lease { holder, until: now.plus_seconds(LEASE_SECONDS) });
    job
}

/// A job, and whether some of its rows may be in of which it does not tell.
async fn load_job(view: &mut View<'_>, id: JobId) -> Result<(Option<Job>, bool), StoreError> {
    let job = view.get(&id).await?;
    let half_in = match job.as_ref().and_then(Job::may_be_half_in) {
        Some(part) => view.get(&part).await?.is_some(),
        None => false,
    };
    Ok((job, half_in))
}

/// Whether a worker may still work on it.
pub(crate) fn is_held(job: &Job, holder: uuid::Uuid) -> bool {
    !job.status.is_finished() && job.lease.is_some_and(|lease| lease.holder == holder)
}

/// Whether it is to be done still, and nobody else is at it.
pub(crate) fn is_free(job: &Job, holder: uuid::Uuid) -> bool {
    !job.status.is_finished() && job.lease.is_none_or(|lease| lease.holder == holder)
}

/// The job after its end: nothing is held any more, and what was not done is counted.
pub(crate) fn ended(mut job: Job, status: JobStatus, now: Timestamp) -> Job {
    job.status = status;
    let left = job.told() - job.done;
    if left > 0 {
        job.summary.insert(OutcomeStatus::Left.name().to_owned(), left);
    }
    job.lease = None;
    job.seats_held = 0;
    job.finished_at = Some(now);
    job
}
