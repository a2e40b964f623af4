//! Ending every session of a user.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential};
use crate::id::{SessionId, UserId};
use crate::model::{Credential, Session};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Ends every session of a user, the one that asks too. The password stays.
#[derive(Debug)]
pub struct EndSessions {
    /// Whose.
    pub user: UserId,
    /// Sessions of the user, to be cleared away; those left out are dead as well.
    pub sessions: Vec<SessionId>,
}

impl Operation for EndSessions {
    type State = (Option<Credential>, Vec<Session>);
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let sessions = self.sessions.iter().map(|id| Key::Session(*id));
        view.fetch(sessions.chain([Key::Credential])).await?;
        let mut sessions = Vec::new();
        for id in &self.sessions {
            sessions.extend(view.get(id).await?);
        }
        Ok((view.get(&TheCredential).await?, sessions))
    }

    fn decide(&self, (credential, sessions): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        if facts.actor.user() != Some(self.user) || facts.actor.bound_to().is_some() {
            return Err(Refusal::lacks("user"));
        }
        // Where nobody can sign in, there is no session either.
        let Some(credential) = credential else { return Ok(Decision::unchanged(())) };
        let event = Event { user: Some(self.user), ..Event::new("user.updated", "user", self.user) }
            .after(json!({"sessions": "ended"}));
        let after = Credential { generation: credential.generation + 1, ..credential };
        let mut decision = Decision::unchanged(()).put(Record::Credential(after)).event(event);
        decision.removes.extend(sessions.iter().map(|session| Key::Session(session.id)));
        Ok(decision)
    }
}
