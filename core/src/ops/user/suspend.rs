//! Shutting a person out of the whole deployment, and letting them in again (rule L9).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheUser};
use crate::id::UserId;
use crate::model::{User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Suspends a user: no access anywhere at the next request, seats and roles kept, owners included.
#[derive(Debug)]
pub struct SuspendUser {
    /// Whom.
    pub user: UserId,
}

/// Ends a suspension. Access is back; sessions and personal keys from before it are not.
#[derive(Debug)]
pub struct UnsuspendUser {
    /// Whom.
    pub user: UserId,
}

impl Operation for SuspendUser {
    type State = Option<User>;
    type Output = User;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::User)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheUser).await
    }

    fn decide(&self, found: Option<User>, facts: &Facts) -> Result<Decision<User>, Refusal> {
        let before = by_operator(found, facts)?;
        match before.status {
            UserStatus::Suspended => Ok(Decision::unchanged(before)),
            UserStatus::Active => {
                let suspended_at = Some(facts.now);
                let after = User { status: UserStatus::Suspended, suspended_at, ..before.clone() };
                Ok(turned("user.suspended", &before, after))
            }
            UserStatus::Erased => Err(Refusal::TargetNotActive),
        }
    }
}

impl Operation for UnsuspendUser {
    type State = Option<User>;
    type Output = User;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::User)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheUser).await
    }

    fn decide(&self, found: Option<User>, facts: &Facts) -> Result<Decision<User>, Refusal> {
        let before = by_operator(found, facts)?;
        match before.status {
            UserStatus::Active => Ok(Decision::unchanged(before)),
            UserStatus::Suspended => {
                let after = User { status: UserStatus::Active, ..before.clone() };
                Ok(turned("user.unsuspended", &before, after))
            }
            UserStatus::Erased => Err(Refusal::TargetNotActive),
        }
    }
}

fn by_operator(found: Option<User>, facts: &Facts) -> Result<User, Refusal> {
    let user = found.ok_or(Refusal::NotFound)?;
    if facts.actor.is_operator() { Ok(user) } else { Err(Refusal::lacks("operator")) }
}

fn turned(action: &'static str, before: &User, after: User) -> Decision<User> {
    let event = Event { user: Some(after.id), ..Event::new(action, "user", after.id) }
        .before(json!({"status": before.status}))
        .after(json!({"status": after.status}));
    Decision::unchanged(after.clone()).put(Record::User(after)).event(event)
}
