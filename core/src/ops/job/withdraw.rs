//! Withdrawing a job that nothing is left of.

use uuid::Uuid;

use super::is_free;
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::JobId;
use crate::model::Job;
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes away a job that was done at once, so that nobody need look at it. Nothing where another is at it.
#[derive(Debug)]
pub struct WithdrawJob {
    /// The home that holds it.
    pub home: Home,
    /// Which.
    pub id: JobId,
    /// Who has done it.
    pub holder: Uuid,
}

impl Operation for WithdrawJob {
    type State = Option<Job>;
    type Output = bool;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.id).await
    }

    /// Whether it is gone.
    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<bool>, Refusal> {
        Ok(match found {
            None => Decision::unchanged(true),
            Some(job) if is_free(&job, self.holder) => Decision::unchanged(true).remove(Key::Job(self.id)),
            Some(_) => Decision::unchanged(false),
        })
    }
}
