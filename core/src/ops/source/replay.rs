//! Asking for the dead letters of a source to be applied again (rule G5).

use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::SourceId;
use crate::model::customer::{Source, TheSource};
use crate::model::{Job, Work};
use crate::op::{Decision, Operation, View};
use crate::ops::job::Asked;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Queues the job that puts all of them back into the inbox.
#[derive(Debug)]
pub struct BeginReplay {
    /// Who asks, and under which id.
    pub asked: Asked,
    /// Whose letters.
    pub source: SourceId,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for BeginReplay {
    type State = (Option<Source>, Option<Job>);
    type Output = Job;

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheSource(self.source)).await?, view.get(&self.asked.id).await?))
    }

    fn decide(&self, (source, found): Self::State, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        source.ok_or(Refusal::NotFound)?;
        super::manage::require_operator(facts)?;
        if let Some(job) = found {
            return Ok(Decision::unchanged(job));
        }
        let job = self.asked.queued(Work::ReplayLetters { source: self.source }, 0, facts.now);
        Ok(Decision::unchanged(job.clone()).put(Record::Job(Box::new(job))))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
