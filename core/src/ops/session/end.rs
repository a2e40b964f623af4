//! Ending a session.

use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{SessionId, UserId};
use crate::model::Session;
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Ends a session of a user; 404 where there is none.
#[derive(Debug)]
pub struct EndSession {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
}

impl Operation for EndSession {
    type State = Option<Session>;
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Session(self.session))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.session).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        if facts.actor.user() != Some(self.user) || facts.actor.bound_to().is_some() {
            return Err(Refusal::lacks("user"));
        }
        found.map(|session| Decision::unchanged(()).remove(Key::Session(session.id))).ok_or(Refusal::NotFound)
    }
}
