//! Stopping a job.

use super::{ended, load_job};
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::JobId;
use crate::model::{Job, JobStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Stops a job: at once where nobody works on it and no row is in of which it does not tell, else where a worker has come to
/// the end of what it is at. What is done stays done. Whether the actor may is asked before.
#[derive(Debug)]
pub struct CancelJob {
    /// The home that holds it.
    pub home: Home,
    /// Which.
    pub id: JobId,
}

impl Operation for CancelJob {
    /// The job, and whether some of its rows may be in of which it does not tell.
    type State = (Option<Job>, bool);
    type Output = Job;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        load_job(view, self.id).await
    }

    fn decide(&self, (found, half_in): Self::State, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        let mut job = found.ok_or(Refusal::NotFound)?;
        // A removal from everything, an erasure and a hand-over have happened already; what is left is to be seen through.
        if job.status.is_finished() || job.work.must_end() {
            return Err(Refusal::JobFinished);
        }
        let is_at_hand = job.lease.is_some_and(|lease| lease.until > facts.now);
        // Whoever is at it ends it; where nobody is any more, it ends here, told to stop before or not.
        if job.cancelled && is_at_hand {
            return Ok(Decision::unchanged(job));
        }
        job.cancelled = true;
        if !is_at_hand {
            if half_in {
                // The next worker looks which rows are in, and ends it.
                (job.lease, job.not_before) = (None, facts.now);
            } else {
                job = ended(job, JobStatus::Cancelled, facts.now);
            }
        }
        Ok(Decision::unchanged(job.clone()).put(Record::Job(Box::new(job))))
    }
}
