//! Setting a password: every session ends with it.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential, ThePasswordReset, TheUser};
use crate::id::{InvitationId, PasswordResetId, SessionId, UserId};
use crate::model::{Credential, PasswordReset, Session, User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// What must be there before a password is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordGuard {
    /// No password at all: the person signs up by the link of an invitation, which proves the mailbox.
    None(InvitationId),
    /// The password that was shown to be known, by its generation.
    Known(u64),
    /// A password reset whose link was opened.
    Reset(PasswordResetId),
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

/// What the person's home says.
#[derive(Debug)]
pub struct PasswordRead {
    user: Option<User>,
    credential: Option<Credential>,
    sessions: Vec<Session>,
    reset: Option<PasswordReset>,
}

impl Operation for SetPassword {
    type State = PasswordRead;
    type Output = Credential;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let sessions = self.sessions.iter().map(|id| Key::Session(*id));
        view.fetch(sessions.chain([Key::User, Key::Credential, Key::PasswordReset])).await?;
        let (user, credential) = (view.get(&TheUser).await?, view.get(&TheCredential).await?);
        let reset = view.get(&ThePasswordReset).await?;
        let mut sessions = Vec::new();
        for id in &self.sessions {
            sessions.extend(view.get(id).await?);
        }
        Ok(PasswordRead { user, credential, sessions, reset })
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<Credential>, Refusal> {
        let PasswordRead { user, credential: found, sessions, reset } = read;
        if let PasswordGuard::Reset(id) = self.guard {
            PasswordReset::check(reset.as_ref(), id, user.as_ref(), found.as_ref(), facts.now)?;
        } else if user.is_none_or(|user| user.status != UserStatus::Active) {
            return Err(Refusal::Unauthenticated);
        }
        let (generation, set_by) = match (self.guard, found) {
            (PasswordGuard::None(invitation), None) => (1, Some(invitation)),
            (PasswordGuard::None(_), Some(_)) => return Err(Refusal::Unauthenticated),
            (PasswordGuard::Known(known), Some(found)) if found.generation == known => (known + 1, None),
            (PasswordGuard::Known(_), _) => return Err(Refusal::InvalidCredentials),
            (PasswordGuard::Reset(_), found) => (found.map_or(1, |found| found.generation + 1), None),
        };
        let credential =
            Credential { password_hash: self.hash.clone(), generation, set_by, changed_at: facts.now };
        let mut decision =
            Decision::unchanged(credential.clone()).put(Record::Credential(credential)).event(self.event());
        if let (PasswordGuard::Reset(_), Some(reset)) = (self.guard, reset) {
            decision.puts.push(Record::PasswordReset(PasswordReset { used_at: Some(facts.now), ..reset }));
        }
        decision.removes.extend(sessions.iter().map(|session| Key::Session(session.id)));
        Ok(decision)
    }
}

impl SetPassword {
    fn event(&self) -> Event {
        let how = match self.guard {
            PasswordGuard::None(_) => "set",
            PasswordGuard::Known(_) => "changed",
            PasswordGuard::Reset(_) => "reset",
        };
        let event = Event::new("user.updated", "user", self.user).after(json!({"password": how}));
        Event { user: Some(self.user), ..event }
    }
}
