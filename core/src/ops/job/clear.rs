//! Taking away what a job was to take, once it has ended or where it never came about: nobody reads it any more, and it names
//! people. Of a job that was stopped or given up, the results tell of what was left instead.

use super::called;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::JobId;
use crate::model::{Job, JobPart, JobPartId, JobSide, Outcome, OutcomeStatus, PartContent};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// How many parts go in one commit, of each side.
const PARTS: u64 = 100;

/// Takes away a stretch of the parts of a job that has ended, all but its results.
#[derive(Debug)]
pub struct ClearParts {
    /// The home that holds it.
    pub home: Home,
    /// Which.
    pub id: JobId,
    /// Which stretch, counted from 0.
    pub n: u64,
}

impl Operation for ClearParts {
    type State = (Option<Job>, Vec<JobPart>);
    /// Whether there may be more behind it.
    type Output = bool;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let job = view.get(&self.id).await?.filter(|job| job.status.is_finished());
        let total = job.as_ref().map_or(0, |job| job.total.div_ceil(Job::PART as u64));
        let stretch = self.n * PARTS..total.min((self.n + 1) * PARTS);
        let parts: Vec<JobPartId> = stretch
            .filter_map(|n| u32::try_from(n).ok())
            .flat_map(|n| [JobSide::Input, JobSide::Foreseen].map(|side| JobPartId { job: self.id, side, n }))
            .collect();
        view.fetch(parts.iter().copied().map(Key::JobPart)).await?;
        let mut there = Vec::new();
        for part in parts {
            there.extend(view.get(&part).await?);
        }
        Ok((job, there))
    }

    fn decide(&self, (job, there): Self::State, _: &Facts) -> Result<Decision<bool>, Refusal> {
        let Some(job) = job else { return Ok(Decision::unchanged(false)) };
        let more = job.total.div_ceil(Job::PART as u64) > (self.n + 1) * PARTS;
        let left = there.iter().filter_map(|part| left_of(&job, part)).map(Record::JobPart);
        let decision = left.fold(Decision::unchanged(more), Decision::put);
        Ok(there.iter().map(|part| Key::JobPart(part.id)).fold(decision, Decision::remove))
    }
}

/// What the results tell of a part of the request that a job did not do, or not whole; nothing where all of it was done.
pub(crate) fn left_of(job: &Job, part: &JobPart) -> Option<JobPart> {
    let PartContent::Items(items) = &part.content else { return None };
    let first = u64::from(part.id.n) * Job::PART as u64;
    if part.id.side != JobSide::Input || job.told() <= job.done.max(first) {
        return None;
    }
    let done = usize::try_from(job.done.saturating_sub(first)).unwrap_or(usize::MAX);
    let left = items.iter().skip(done).map(|item| {
        let (item, line) = called(item);
        let status = OutcomeStatus::Left;
        Outcome { item, line, status, code: None, warning: None, detail: None }
    });
    let told = if done == 0 { &[] } else { job.fresh.as_slice() };
    let content = PartContent::Outcomes(told.iter().cloned().chain(left).collect());
    let is_whole_before = done >= Job::PART;
    (!is_whole_before).then_some(JobPart { id: JobPartId { side: JobSide::Results, ..part.id }, content })
}

/// Takes away parts of a job that never came about. How many.
#[derive(Debug)]
pub struct DropParts {
    /// The home that holds them.
    pub home: Home,
    /// Which job.
    pub job: JobId,
    /// Which, as they were listed.
    pub parts: Vec<JobPartId>,
}

impl Operation for DropParts {
    type State = Option<Job>;
    type Output = usize;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.parts.iter().copied().map(Key::JobPart).chain([Key::Job(self.job)])).await?;
        view.get(&self.job).await
    }

    fn decide(&self, job: Self::State, _: &Facts) -> Result<Decision<usize>, Refusal> {
        if job.is_some() {
            return Ok(Decision::unchanged(0));
        }
        let parts = self.parts.iter().copied().map(Key::JobPart);
        Ok(parts.fold(Decision::unchanged(self.parts.len()), Decision::remove))
    }
}
