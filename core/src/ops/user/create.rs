//! Making a user, whose names are claimed already.

use serde_json::json;

use crate::actor::Actor;
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheUser, TypedKey};
use crate::id::UserId;
use crate::model::customer::{TheUserClock, UserClock};
use crate::model::{TraitPatch, Traits, User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// Makes a user.
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// Their id, which their pointers name already.
    pub id: UserId,
    /// Their address.
    pub email: Option<Email>,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// Their name.
    pub name: Option<Name>,
    /// Their traits.
    pub traits: TraitPatch,
    /// The pointers lead here until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for CreateUser {
    type State = Option<User>;
    type Output = User;

    fn home(&self) -> Home {
        Home::User(self.id)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::User, TheUserClock.key()]).await?;
        view.get(&TheUser).await
    }

    fn decide(&self, found: Option<User>, facts: &Facts) -> Result<Decision<User>, Refusal> {
        if let Some(user) = found {
            return Ok(Decision::unchanged(user));
        }
        let traits = Traits::default().merged(&self.traits)?;
        let user = User {
            id: self.id,
            external_id: self.external_id.clone(),
            email: self.email.clone(),
            name: self.name.clone(),
            status: UserStatus::Active,
            suspended_at: None,
            traits,
            cuts: 0,
            cut_at: None,
            created_at: facts.now,
        };
        let event = Event {
            user: Some(self.id),
            ..Event::new("user.created", "user", self.id)
        }
        .after(json!({
            "email": user.email, "external_id": user.external_id, "name": user.name, "traits": user.traits,
        }));
        let decision = Decision::unchanged(user.clone());
        let by_source = matches!(facts.actor, Actor::Source { .. }) && user.email.is_some();
        let decision = if by_source {
            decision.put(UserClock { gave_email: true, ..UserClock::default() }.into())
        } else {
            decision
        };
        Ok(decision.put(Record::User(user)).event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
