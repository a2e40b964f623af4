//! Getting on with a job, and ending it.

use uuid::Uuid;

use super::{as_called, ended, is_held, renewed};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId};
use crate::model::{Job, JobPart, JobPartId, JobStatus, Made, Outcome};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// What a worker has to say about a job.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Advance {
    /// What items came to, in order.
    pub outcomes: Vec<Outcome>,
    /// Of which part of the request they are, where its items may be names of people.
    pub of: Option<JobPartId>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Which organizations are to be tried again behind all others, from now on.
    pub passed_over: Option<Vec<OrganizationId>>,
    /// In which of them it is not written down that a membership has ended.
    pub unswept: Option<Vec<OrganizationId>>,
    /// How many items were looked at beforehand.
    pub examined: Option<u64>,
    /// How many items there are.
    pub total: Option<u64>,
    /// What was made by the way.
    pub made: Made,
    /// How many seats are held from now on for what is still to be done.
    pub seats_held: Option<i64>,
    /// Parts that are not needed any more.
    pub forgets: Vec<JobPartId>,
    /// What follows.
    pub ending: Ending,
}

/// What follows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// The worker goes on.
    #[default]
    GoOn,
    /// The worker goes on, and sees to it that it ends where it is to stop.
    Renewed,
    /// All is done.
    Done,
    /// It cannot be done, for this reason.
    Failed(String),
    /// Somebody else may take it, after so many seconds; why, if something went wrong.
    Released {
        /// Seconds.
        after: i64,
        /// What went wrong.
        why: Option<String>,
    },
}

/// Writes it down. The job after it; nothing for a worker that has lost it.
#[derive(Debug)]
pub struct AdvanceJob {
    /// The home that holds it.
    pub home: Home,
    /// Which.
    pub id: JobId,
    /// The worker.
    pub holder: Uuid,
    /// What it has to say.
    pub advance: Advance,
}

impl Operation for AdvanceJob {
    type State = (Option<Job>, Option<JobPart>);
    type Output = Option<Box<Job>>;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let of = self.advance.of;
        // How many seats there are bounds how many are held.
        let bound = self.advance.seats_held.map(|_| Key::Organization);
        view.fetch(of.map(Key::JobPart).into_iter().chain(bound).chain([Key::Job(self.id)])).await?;
        let part = match of {
            Some(of) => view.get(&of).await?,
            None => None,
        };
        Ok((view.get(&self.id).await?, part))
    }

    fn decide(&self, (found, part): Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let Some(job) = found.filter(|job| is_held(job, self.holder)) else {
            return Ok(Decision::unchanged(None));
        };
        let Advance {
            outcomes,
            of: _,
            cursor,
            passed_over,
            unswept,
            examined,
            total,
            made,
            seats_held,
            forgets,
            ending,
        } = &self.advance;
        let attempts = job.attempts;
        let mut job = renewed(job, self.holder, facts.now);
        if !outcomes.is_empty() || cursor.is_some() {
            (job.attempts, job.failure) = (0, None);
        }
        job.total = total.unwrap_or(job.total);
        job.examined = examined.unwrap_or(job.examined);
        job.cursor = cursor.clone().or(job.cursor);
        if let Some(passed_over) = passed_over {
            job.passed_over.clone_from(passed_over);
        }
        if let Some(unswept) = unswept {
            job.unswept.clone_from(unswept);
        }
        job.made += *made;
        job.seats_held = seats_held.unwrap_or(job.seats_held);
        let outcomes = as_called(part.as_ref(), outcomes.clone());
        let parts: Vec<JobPart> = outcomes.into_iter().filter_map(|outcome| job.record(outcome)).collect();
        job.total = job.total.max(job.done);
        let job = match ending {
            Ending::GoOn if job.is_to_stop() => ended(job, JobStatus::Cancelled, facts.now),
            Ending::GoOn | Ending::Renewed => job,
            Ending::Done => {
                job.failure = None;
                let status = job.conclusion();
                ended(job, status, facts.now)
            }
            Ending::Failed(why) => {
                job.failure = Some(why.clone());
                ended(job, JobStatus::Failed, facts.now)
            }
            Ending::Released { after, why } => {
                job.attempts = if why.is_some() { attempts } else { attempts.saturating_sub(1) };
                job.failure.clone_from(why);
                job.lease = None;
                job.not_before = facts.now.plus_seconds(*after);
                job
            }
        };
        let job = Box::new(job);
        let decision = Decision::unchanged(Some(job.clone())).put(Record::Job(job));
        let decision = parts.into_iter().map(Record::JobPart).fold(decision, Decision::put);
        Ok(forgets.iter().fold(decision, |decision, part| decision.remove(Key::JobPart(*part))))
    }
}
