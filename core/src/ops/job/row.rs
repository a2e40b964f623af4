//! An act on one item of a job, and its outcome, in one commit: however often a worker dies, each is done once.

use std::fmt;

use uuid::Uuid;

use super::{as_called, ended, is_held, renewed};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally};
use crate::id::{JobId, UserId};
use crate::model::{Job, JobPart, JobPartId, JobStatus, Outcome, OutcomeStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Which item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Of which job.
    pub job: JobId,
    /// The worker.
    pub holder: Uuid,
    /// Its number, counted from 0.
    pub n: u64,
    /// What names it in the results.
    pub item: String,
    /// Where it stands in a file.
    pub line: Option<u64>,
}

impl Row {
    /// In which part of the request it stands.
    fn part(&self) -> JobPartId {
        JobPartId::of_item(self.job, self.n)
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RowDone {
    /// The job after it; nothing for a worker that has lost it.
    pub job: Option<Box<Job>>,
    /// Why the act was refused, if it was by this.
    pub refused: Option<&'static str>,
}

/// The act on it, in the home that holds the job.
pub struct RowInJob<O: Operation> {
    /// Which item.
    pub row: Row,
    /// The act.
    pub act: O,
    /// How it has ended where it changed something.
    pub changed: OutcomeStatus,
}

impl<O: Operation> fmt::Debug for RowInJob<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowInJob").field("row", &self.row).finish_non_exhaustive()
    }
}

impl<O: Operation> Operation for RowInJob<O> {
    type State = (Option<Job>, Option<JobPart>, O::State);
    type Output = RowDone;

    fn name(&self) -> &'static str {
        self.act.name()
    }

    fn home(&self) -> Home {
        self.act.home()
    }

    fn subject(&self) -> Option<Key> {
        self.act.subject()
    }

    fn knows_cuts(&self) -> bool {
        self.act.knows_cuts()
    }

    fn about(&self) -> Option<UserId> {
        self.act.about()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let part = self.row.part();
        view.fetch([Key::Job(self.row.job), Key::JobPart(part)]).await?;
        let state = self.act.load(view).await?;
        Ok((view.get(&self.row.job).await?, view.get(&part).await?, state))
    }

    fn decide(
        &self,
        (found, part, state): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let Some(job) = found.filter(|job| is_held(job, self.row.holder)) else {
            return Ok(Decision::unchanged(RowDone::default()));
        };
        if job.is_to_stop() {
            let job = Box::new(ended(job, JobStatus::Cancelled, facts.now));
            let done = RowDone { job: Some(job.clone()), refused: None };
            return Ok(Decision::unchanged(done).put(Record::Job(job)));
        }
        if job.done != self.row.n {
            return Ok(Decision::unchanged(RowDone { job: Some(Box::new(job)), refused: None }));
        }
        let (decision, status, refused) = match self.act.decide(state, facts) {
            Ok(decision) => {
                let status = if decision.is_empty() { OutcomeStatus::Unchanged } else { self.changed };
                (decision.giving(()), status, None)
            }
            Err(Refusal::Conflict) => return Err(Refusal::Conflict),
            Err(refusal) => (Decision::unchanged(()), OutcomeStatus::Refused, Some(refusal.code())),
        };
        let mut job = Job { attempts: 0, failure: None, ..renewed(job, self.row.holder, facts.now) };
        let (item, line) = (self.row.item.clone(), self.row.line);
        let code = refused.map(str::to_owned);
        let outcome = Outcome { item, line, status, code, warning: None, detail: None };
        let outcomes = as_called(part.as_ref(), vec![outcome]).into_iter();
        let parts: Vec<JobPart> = outcomes.filter_map(|outcome| job.record(outcome)).collect();
        let job = Box::new(job);
        let decision = parts.into_iter().map(Record::JobPart).fold(decision, Decision::put);
        Ok(decision.put(Record::Job(job.clone())).giving(RowDone { job: Some(job), refused }))
    }

    fn out_of_bounds(&self, tally: Tally) -> Refusal {
        self.act.out_of_bounds(tally)
    }
}
