//! Changing a user's own fields. Operators change all of them, the user the name.

use serde_json::json;

use super::OwedCards;
use crate::facts::Facts;
use crate::home::{Home, Key, Record, ThePasswordReset, TheUser, TypedKey};
use crate::id::UserId;
use crate::model::customer::{TheUserClock, UserClock};
use crate::model::{PasswordReset, TraitPatch, User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// A merge-patch: outer `None` keeps, inner `None` clears.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UserPatch {
    /// The name.
    pub name: Option<Option<Name>>,
    /// The address; claimed already.
    pub email: Option<Option<Email>>,
    /// The vendor's id, settable once; claimed already.
    pub external_id: Option<ExternalId>,
    /// Traits to merge.
    pub traits: TraitPatch,
}

impl UserPatch {
    /// Whether only the name would change: what a user may do themself.
    pub fn is_name_only(&self) -> bool {
        self.email.is_none() && self.external_id.is_none() && self.traits.0.is_empty()
    }
}

/// Applies a patch to a user; the output is the record before and after.
#[derive(Debug)]
pub struct UpdateUser {
    /// Who.
    pub user: UserId,
    /// What.
    pub patch: UserPatch,
    /// The pointers lead here until then.
    pub not_after: Option<Timestamp>,
    /// The job that is asked for where lists show what changes.
    pub cards: Option<OwedCards>,
}

impl Operation for UpdateUser {
    type State = (Option<User>, Option<PasswordReset>, Option<UserClock>);
    type Output = (User, User);

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::User)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::User, Key::PasswordReset, TheUserClock.key()]).await?;
        let clock = view.get(&TheUserClock).await?;
        Ok((view.get(&TheUser).await?, view.get(&ThePasswordReset).await?, clock))
    }

    fn decide(
        &self,
        (found, reset, clock): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let before = found.ok_or(Refusal::NotFound)?;
        let patch = &self.patch;
        let traits = before.traits.merged(&patch.traits)?;
        // What a person is called in the deployment is no key's of one organization to change.
        let speaks = facts.actor.user() == Some(self.user) && facts.actor.bound_to().is_none();
        let own = speaks && patch.is_name_only();
        if !facts.actor.names_people() && !own {
            return Err(Refusal::lacks("operator"));
        }
        if before.status == UserStatus::Erased {
            return Err(Refusal::TargetNotActive);
        }
        if patch.external_id.is_some()
            && before.external_id.is_some()
            && patch.external_id != before.external_id
        {
            return Err(Refusal::ExternalIdImmutable);
        }
        let after = User {
            name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
            email: patch.email.clone().unwrap_or_else(|| before.email.clone()),
            external_id: patch.external_id.clone().or_else(|| before.external_id.clone()),
            traits,
            ..before.clone()
        };
        if after.email.is_none() && after.external_id.is_none() {
            return Err(Refusal::invalid("/email", "a user needs an e-mail address or an external id"));
        }
        let overruled = overruled(clock, patch, (&before, &after), facts);
        let mut decision = Decision::unchanged((before.clone(), after.clone()));
        if after == before && overruled.is_none() {
            return Ok(decision);
        }
        decision.puts.extend(overruled.map(Record::from));
        let event = Event { user: Some(self.user), ..Event::new("user.updated", "user", self.user) }
            .before(fields(&before))
            .after(fields(&after));
        if before.email != after.email && reset.is_some() {
            // Whoever reads the old mailbox opens nothing any more.
            decision.removes.push(Key::PasswordReset);
        }
        let cards = self.cards.as_ref().filter(|_| before.card() != after.card());
        let job = cards.map(|cards| cards.job(self.user, facts.now));
        decision.puts.extend(job.map(|job| Record::Job(Box::new(job))));
        Ok(decision.put(Record::User(after)).event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

/// What a hand changes of what sources have said. Whoever names the address vouches for it, the same address too.
fn overruled(
    clock: Option<UserClock>,
    patch: &UserPatch,
    (before, after): (&User, &User),
    facts: &Facts,
) -> Option<UserClock> {
    let known = clock?;
    let mut clock = known.clone();
    if before.name != after.name {
        clock.name.overrule(facts.now);
    }
    clock.gave_email &= patch.email.is_none();
    (clock != known).then_some(clock)
}

fn fields(user: &User) -> serde_json::Value {
    json!({"email": user.email, "external_id": user.external_id, "name": user.name, "traits": user.traits})
}
