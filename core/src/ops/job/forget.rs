//! Leaving out of a job's items those that name an erased person (rule L5).

use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::JobId;
use crate::model::{Job, JobPart, JobPartId, Outcome, PartContent};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// What stands in the place of an item.
const ERASED: &str = "(erased)";

/// Replaces the items of a job or of a part of it in which one of some names stands. Their number stays.
#[derive(Debug)]
pub struct ForgetItems {
    /// Where.
    pub home: Home,
    /// Which job.
    pub job: JobId,
    /// Which part of it; the job itself if none.
    pub part: Option<JobPartId>,
    /// The names.
    pub names: Vec<String>,
}

impl Operation for ForgetItems {
    type State = (Option<Job>, Option<JobPart>);
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok(match &self.part {
            Some(part) => (None, view.get(part).await?),
            None => (view.get(&self.job).await?, None),
        })
    }

    fn decide(&self, (job, part): Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        if let Some(job) = job {
            let fresh = job.fresh.iter().map(|outcome| self.without(outcome.clone())).collect();
            return Ok(nothing.put(Record::Job(Box::new(Job { fresh, ..job }))));
        }
        let Some(part) = part else { return Ok(nothing) };
        let content = match part.content {
            PartContent::Items(items) => {
                PartContent::Items(items.into_iter().map(|item| self.kept(item)).collect())
            }
            PartContent::Outcomes(outcomes) => {
                PartContent::Outcomes(outcomes.into_iter().map(|outcome| self.without(outcome)).collect())
            }
        };
        Ok(nothing.put(Record::JobPart(JobPart { id: part.id, content })))
    }
}

impl ForgetItems {
    fn kept(&self, item: String) -> String {
        let named = self.names.iter().any(|name| item.contains(name.as_str()));
        if named { ERASED.to_owned() } else { item }
    }

    fn without(&self, outcome: Outcome) -> Outcome {
        Outcome { item: self.kept(outcome.item.clone()), ..outcome }
    }
}
