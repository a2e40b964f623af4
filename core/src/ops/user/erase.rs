//! Erasing a person (rule L5): their access ends with the first commit; what names them goes with the last.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheUser, TypedKey};
use crate::id::{SessionId, UserId};
use crate::model::customer::{TheUserClock, UserClock};
use crate::model::{Job, Traits, User, UserStatus, Work};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::job::Asked;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Ends every access of a person for good, and asks for the rest.
#[derive(Debug)]
pub struct EraseUser {
    /// Who.
    pub user: UserId,
    /// The job.
    pub asked: Asked,
    /// In how many organizations they may be.
    pub total: u64,
    /// Whether they own an organization.
    pub is_owner: bool,
    /// Their sessions.
    pub sessions: Vec<SessionId>,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for EraseUser {
    type State = (Option<User>, Option<Job>);
    type Output = Job;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let sessions = self.sessions.iter().map(|id| Key::Session(*id));
        let own = [Key::User, Key::Credential, Key::PasswordReset, Key::NewAddress, Key::Job(self.asked.id)];
        view.fetch(sessions.chain(own)).await?;
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
        if self.is_owner {
            return Err(Refusal::OwnerMustTransfer);
        }
        let after = User {
            status: UserStatus::Erased,
            cuts: user.cuts.saturating_add(1),
            cut_at: Some(facts.now),
            suspended_at: Some(facts.now),
            ..user.clone()
        };
        let work = Work::EraseUser { user: self.user, epoch: after.cuts };
        let job = self.asked.queued(work, self.total, facts.now);
        let mut decision = Decision::unchanged(job.clone())
            .put(Record::User(after))
            .put(Record::Job(Box::new(job)))
            .remove(Key::Credential)
            .remove(Key::PasswordReset)
            .remove(Key::NewAddress);
        decision.removes.extend(self.sessions.iter().map(|id| Key::Session(*id)));
        if user.status == UserStatus::Erased {
            return Ok(decision);
        }
        let event = Event { user: Some(self.user), ..Event::new("user.erased", "user", self.user) }
            .before(json!({"status": user.status}))
            .after(json!({"status": UserStatus::Erased}));
        Ok(decision.event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

/// Takes away what names an erased person: the last but for the names themselves.
#[derive(Debug)]
pub struct BlankUser {
    /// Who.
    pub user: UserId,
}

impl Operation for BlankUser {
    type State = (Option<User>, Option<UserClock>);
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::User, TheUserClock.key()]).await?;
        Ok((view.get(&TheUser).await?, view.get(&TheUserClock).await?))
    }

    fn decide(&self, (found, clock): Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let mut nothing = Decision::unchanged(());
        let Some(user) = found.filter(|user| user.status == UserStatus::Erased) else { return Ok(nothing) };
        // It bears the names of their traits.
        nothing.removes.extend(clock.map(|_| TheUserClock.key()));
        let blank =
            User { email: None, external_id: None, name: None, traits: Traits::default(), ..user.clone() };
        Ok(if blank == user { nothing } else { nothing.put(Record::User(blank)) })
    }
}
