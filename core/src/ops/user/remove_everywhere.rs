//! Removing a person from everything: their access ends with this commit, the rest is a job's (rule M5).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheUser};
use crate::id::UserId;
use crate::model::{Job, User, Work};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::job::Asked;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Ends every membership that the person has now, except where they are the owner, and asks for the sweep.
#[derive(Debug)]
pub struct RemoveEverywhere {
    /// Who.
    pub user: UserId,
    /// The job.
    pub asked: Asked,
    /// In how many organizations they may be.
    pub total: u64,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for RemoveEverywhere {
    type State = (Option<User>, Option<Job>);
    type Output = Job;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::User)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheUser).await?, view.get(&self.asked.id).await?))
    }

    fn decide(&self, (user, found): Self::State, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        let user = user.ok_or(Refusal::NotFound)?;
        if !facts.actor.is_operator() {
            return Err(Refusal::lacks("operator"));
        }
        if let Some(job) = found {
            return Ok(Decision::unchanged(job));
        }
        let after = User { cuts: user.cuts.saturating_add(1), cut_at: Some(facts.now), ..user.clone() };
        let work = Work::RemoveEverywhere { user: self.user, epoch: after.cuts };
        let job = self.asked.queued(work, self.total, facts.now);
        let event = Event { user: Some(self.user), ..Event::new("user.updated", "user", self.user) }
            .before(json!({"removals_from_everything": user.cuts}))
            .after(json!({"removals_from_everything": after.cuts, "job": self.asked.id}));
        Ok(Decision::unchanged(job.clone())
            .put(Record::User(after))
            .put(Record::Job(Box::new(job)))
            .event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
