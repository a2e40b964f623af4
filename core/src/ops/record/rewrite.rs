//! Writing records anew that were handed over, chunk by chunk, each with the job's progress in one commit.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, Record, TheSuccessions};
use crate::id::{JobId, OrganizationId};
use crate::model::{Holding, HoldingName, Job, JobStatus, Outcome, OutcomeStatus, Successions};
use crate::op::{Decision, Operation, View};
use crate::ops::job::{ended, is_held, renewed};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Writes some records with their owners as they are. Answers the job after it; nothing for a worker that has lost it.
#[derive(Debug)]
pub struct RewriteRecords {
    /// Where.
    pub organization: OrganizationId,
    /// By which job.
    pub job: JobId,
    /// The worker.
    pub holder: Uuid,
    /// Which, at most 100.
    pub names: Vec<HoldingName>,
    /// Where to go on afterwards.
    pub cursor: String,
}

impl Operation for RewriteRecords {
    type State = (Option<Job>, Option<Successions>, Vec<Holding>);
    type Output = Option<Box<Job>>;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        use crate::home::Key;
        let names = self.names.iter().cloned().map(Key::Holding);
        view.fetch(names.chain([Key::Job(self.job), Key::Successions])).await?;
        let mut holdings = Vec::with_capacity(self.names.len());
        for name in &self.names {
            holdings.extend(view.get(name).await?);
        }
        Ok((view.get(&self.job).await?, view.get(&TheSuccessions).await?, holdings))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let (found, successions, holdings) = read;
        let Some(job) = found.filter(|job| is_held(job, self.holder)) else {
            return Ok(Decision::unchanged(None));
        };
        if job.cancelled {
            let job = Box::new(ended(job, JobStatus::Cancelled, facts.now));
            return Ok(Decision::unchanged(Some(job.clone())).put(Record::Job(job)));
        }
        let mut successions = successions.unwrap_or_default();
        let mut job =
            Job { attempts: 0, cursor: Some(self.cursor.clone()), ..renewed(job, self.holder, facts.now) };
        let mut decision = Decision::unchanged(());
        for stored in &holdings {
            let anew = successions.apply(stored);
            if anew.owner == stored.owner {
                continue;
            }
            successions.settle(stored);
            let part = job.record(Outcome {
                item: stored.name().to_string(),
                line: None,
                status: OutcomeStatus::Changed,
                code: None,
                warning: None,
                detail: None,
            });
            decision = part.into_iter().map(Record::JobPart).fold(decision, Decision::put);
            decision = decision.put(Record::Holding(anew));
        }
        // Nobody counts by account, and those of earlier hand-overs are rewritten along.
        job.total = job.total.max(job.done);
        let job = Box::new(job);
        Ok(decision.put(Record::Successions(successions)).put(Record::Job(job.clone())).giving(Some(job)))
    }
}

/// Notes that all records of some hand-overs are rewritten; once none before them is open, reads need not apply them.
#[derive(Debug)]
pub struct FinishHandOvers {
    /// Where.
    pub organization: OrganizationId,
    /// Those up to this number.
    pub up_to: u64,
}

impl Operation for FinishHandOvers {
    type State = Option<Successions>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheSuccessions).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let Some(before) = found else { return Ok(Decision::unchanged(())) };
        let mut after = before.clone();
        for one in &mut after.open {
            one.done |= one.number <= self.up_to;
        }
        // What comes after one that is not done may be applied to what that one moves; what comes before it, to nothing.
        let done = after.open.iter().take_while(|one| one.done).count();
        after.open.drain(..done);
        let nothing = Decision::unchanged(());
        Ok(if after == before { nothing } else { nothing.put(Record::Successions(after)) })
    }
}
