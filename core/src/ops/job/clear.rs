//! Taking away what a job was to take, once it has ended or where it never came about: nobody reads it any more, and it names
//! people.

use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::JobId;
use crate::model::{Job, JobPartId, JobSide};
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
    type State = (Option<Job>, Vec<JobPartId>);
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
            if view.get(&part).await?.is_some() {
                there.push(part);
            }
        }
        Ok((job, there))
    }

    fn decide(&self, (job, there): Self::State, _: &Facts) -> Result<Decision<bool>, Refusal> {
        let total = job.map_or(0, |job| job.total.div_ceil(Job::PART as u64));
        let more = total > (self.n + 1) * PARTS;
        Ok(there.into_iter().map(Key::JobPart).fold(Decision::unchanged(more), Decision::remove))
    }
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
