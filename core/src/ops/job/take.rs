//! Taking a job to work on it.

use uuid::Uuid;

use super::{LEASE_SECONDS, MAX_ATTEMPTS, ended, load_job};
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::JobId;
use crate::model::{Job, JobStatus, Lease};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

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
    NotNow(Later),
    /// It was stopped or given up by this.
    Ended(&'static str, JobStatus),
    /// Nothing more is to be done.
    Finished,
    /// It is not there.
    Missing,
}

/// A job that is not to be taken now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Later {
    /// Its kind.
    pub kind: &'static str,
    /// When it is worth another look.
    pub until: Timestamp,
    /// Whether somebody is at it.
    pub leased: bool,
    /// Whether it was taken before.
    pub again: bool,
    /// Since when it could be worked on.
    pub since: Timestamp,
}

impl Later {
    /// Why a job is not to be taken at an instant, if it is not.
    pub fn of(job: &Job, now: Timestamp) -> Option<Self> {
        let lease = job.lease.map(|lease| lease.until).filter(|until| *until > now);
        let until = lease.or_else(|| Some(job.not_before).filter(|not_before| *not_before > now))?;
        let (kind, leased, again) = (job.work.kind(), lease.is_some(), job.attempts > 0);
        Some(Self { kind, until, leased, again, since: Self::since(job) })
    }

    /// Since when a job could be worked on.
    pub fn since(job: &Job) -> Timestamp {
        if job.attempts > 0 { job.created_at } else { job.created_at.max(job.not_before) }
    }
}

impl Operation for TakeJob {
    /// The job, and whether some of its rows may be in of which it does not tell.
    type State = (Option<Job>, bool);
    type Output = Taken;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        load_job(view, self.id).await
    }

    fn decide(&self, (found, half_in): Self::State, facts: &Facts) -> Result<Decision<Taken>, Refusal> {
        let Some(mut job) = found else { return Ok(Decision::unchanged(Taken::Missing)) };
        if job.status.is_finished() {
            return Ok(Decision::unchanged(Taken::Finished));
        }
        if let Some(later) = Later::of(&job, facts.now) {
            return Ok(Decision::unchanged(Taken::NotNow(later)));
        }
        if job.is_to_stop() && !(half_in && job.attempts < MAX_ATTEMPTS) {
            return Ok(end(job, JobStatus::Cancelled, facts));
        }
        if job.attempts >= MAX_ATTEMPTS && !job.work.must_end() {
            let last = job.failure.map(|last| format!("; the last: {last}")).unwrap_or_default();
            let why = format!("given up after {MAX_ATTEMPTS} attempts in a row without getting on{last}");
            job.failure = Some(why);
            return Ok(end(job, JobStatus::Failed, facts));
        }
        job.status = JobStatus::Running;
        job.attempts += 1;
        job.lease = Some(Lease { holder: self.holder, until: facts.now.plus_seconds(LEASE_SECONDS) });
        let job = Box::new(job);
        Ok(Decision::unchanged(Taken::Mine(job.clone())).put(Record::Job(job)))
    }
}

fn end(job: Job, status: JobStatus, facts: &Facts) -> Decision<Taken> {
    let job = ended(job, status, facts.now);
    Decision::unchanged(Taken::Ended(job.work.kind(), status)).put(Record::Job(Box::new(job)))
}
