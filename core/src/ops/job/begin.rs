//! Asking for a job in an organization.

use super::Asked;
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::model::{Job, Work};
use crate::op::{Decision, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Queues a job whose items are there already.
#[derive(Debug)]
pub struct BeginJob {
    /// Who asks, and under which id.
    pub asked: Asked,
    /// What is to be done.
    pub work: Work,
    /// How many items there are.
    pub total: u64,
    /// What asking needs on the whole organization; nothing for what is the operators'.
    pub permission: Option<&'static str>,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for BeginJob {
    type State = (Visible, Option<Job>);
    type Output = Job;

    fn home(&self) -> Home {
        self.work.home()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = view.open_organization().await?;
        Ok((visible, view.get(&self.asked.id).await?))
    }

    fn decide(&self, (visible, found): Self::State, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        let (_, standing) = visible.open()?;
        match self.permission {
            Some(permission) => {
                facts.policies.access.require(&standing, permission, Reach::Organization)?;
            }
            None if facts.actor.is_operator() => {}
            None => return Err(Refusal::lacks("imports:run")),
        }
        if let Some(job) = found {
            return Ok(Decision::unchanged(job));
        }
        let job = self.asked.queued(self.work.clone(), self.total, facts.now);
        Ok(Decision::unchanged(job.clone()).put(Record::Job(Box::new(job))))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
