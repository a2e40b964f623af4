//! Setting a password: every session ends with it.

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential, TheUser};
use crate::id::{InvitationId, SessionId, UserId};
use crate::model::{Credential, Session, User, UserStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// What must be there before a password is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordGuard {
    /// No password at all: the person signs up by the link of an invitation, which proves the mailbox.
    None(InvitationId),
    /// The password that was shown to be known, by its generation.
    Known(u64),
}

/// Sets the password of a user, and ends every session.
#[derive(Debug)]
pub struct SetPassword {
    /// Whose.
    pub user: UserId,
    /// The hash.
    pub hash: String,
    /// What must be there before.
    pub guard: PasswordGuard,
    /// Sessions of the user, to be cleared away; those left out are dead as well.
    pub sessions: Vec<SessionId>,
}

impl Operation for SetPassword {
    type State = (Option<User>, Option<Credential>, Vec<Session>);
    type Output = Credential;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let sessions = self.sessions.iter().map(|id| Key::Session(*id));
        view.fetch(sessions.chain([Key::User, Key::Credential])).await?;
        let (user, credential) = (view.get(&TheUser).await?, view.get(&TheCredential).await?);
        let mut sessions = Vec::new();
        for id in &self.sessions {
            sessions.extend(view.get(id).await?);
        }
        Ok((user, credential, sessions))
    }

    fn decide(
        &self,
        (user, found, sessions): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Credential>, Refusal> {
        if user.is_none_or(|user| user.status != UserStatus::Active) {
            return Err(Refusal::Unauthenticated);
        }
        let (generation, set_by) = match (self.guard, found) {
            (PasswordGuard::None(invitation), None) => (1, Some(invitation)),
            (PasswordGuard::None(_), Some(_)) => return Err(Refusal::Unauthenticated),
            (PasswordGuard::Known(known), Some(found)) if found.generation == known => (known + 1, None),
            (PasswordGuard::Known(_), _) => return Err(Refusal::InvalidCredentials),
        };
        let credential =
            Credential { password_hash: self.hash.clone(), generation, set_by, changed_at: facts.now };
        let mut decision = Decision::unchanged(credential.clone()).put(Record::Credential(credential));
        decision.removes.extend(sessions.iter().map(|session| Key::Session(session.id)));
        Ok(decision)
    }
}
