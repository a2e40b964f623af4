//! Taking a job to work on it.

use uuid::Uuid;

use super::{LEASE_SECONDS, MAX_ATTEMPTS, ended};
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::JobId;
use crate::model::{Job, JobStatus, Lease};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes a job that waits, or that another worker has lost.
#[derive(Debug)]
pub struct TakeJob {
    /// The home that holds it.
    pub home: Home,
    /// Which.
    pub id: JobId,
    /// The worker, by a number drawn for this taking.
    pub holder: Uuid,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Taken {
    /// It is the worker's.
    Mine(Box<Job>),
    /// It is another's, or not to be taken yet.
    NotNow,
    /// Nothing more is to be done.
    Finished,
    /// It is not there.
    Missing,
}

impl Operation for TakeJob {
    type State = Option<Job>;
    type Output = Taken;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.id).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Taken>, Refusal> {
        let Some(mut job) = found else { return Ok(Decision::unchanged(Taken::Missing)) };
        if job.status.is_finished() {
            return Ok(Decision::unchanged(Taken::Finished));
        }
        if job.lease.is_some_and(|lease| lease.until > facts.now) || job.not_before > facts.now {
            return Ok(Decision::unchanged(Taken::NotNow));
        }
        if job.cancelled {
            let job = ended(job, JobStatus::Cancelled, facts.now);
            return Ok(Decision::unchanged(Taken::Finished).put(Record::Job(Box::new(job))));
        }
        if job.attempts >= MAX_ATTEMPTS && !job.work.must_end() {
            let why = format!("given up after {MAX_ATTEMPTS} attempts in a row without getting on");
            job.failure.get_or_insert(why);
            let job = ended(job, JobStatus::Failed, facts.now);
            return Ok(Decision::unchanged(Taken::Finished).put(Record::Job(Box::new(job))));
        }
        job.status = JobStatus::Running;
        job.attempts += 1;
        job.lease = Some(Lease { holder: self.holder, until: facts.now.plus_seconds(LEASE_SECONDS) });
        let job = Box::new(job);
        Ok(Decision::unchanged(Taken::Mine(job.clone())).put(Record::Job(job)))
    }
}
