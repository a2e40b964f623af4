//! Noting that a session was used.

use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::{SessionId, UserId};
use crate::model::Session;
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Notes that a session was used now. One that has ended meanwhile stays ended.
#[derive(Debug)]
pub struct TouchSession {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
}

impl Operation for TouchSession {
    type State = Option<Session>;
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.session).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(match found.filter(|session| session.last_used_at < facts.now) {
            Some(session) => nothing.put(Record::Session(Session { last_used_at: facts.now, ..session })),
            None => nothing,
        })
    }
}
