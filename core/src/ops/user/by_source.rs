//! What sources say about people (rule G4).

use super::update::{UpdateUser, UserPatch};
use crate::facts::Facts;
use crate::home::{Home, Key, TheCredential, ThePasswordReset, TheUser};
use crate::id::{SourceId, UserId};
use crate::model::customer::{EMAIL, NAME, TheUserClock, UserClock};
use crate::model::{PasswordReset, TraitPatch, User, UserStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{Email, Name};
use crate::time::Timestamp;

/// Sets address, name and traits of a user, each as far as no later message set it. An address that somebody else gave is
/// not a source's to change, and one who signs in gets none by it: whoever reads its mailbox would be them. A name that was
/// given by hand stays until a source says another than before.
#[derive(Debug)]
pub struct SetUserBySource {
    /// Who.
    pub user: UserId,
    /// Which source says so.
    pub source: SourceId,
    /// When it said so.
    pub at: Timestamp,
    /// Their address, if it said one; claimed already.
    pub email: Option<Email>,
    /// Their name, if it said one.
    pub name: Option<Name>,
    /// Their traits.
    pub traits: TraitPatch,
    /// The pointer of the address leads here until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for SetUserBySource {
    type State = (Option<User>, bool, UserClock, Option<PasswordReset>);
    /// Before and after, and whether what lists show of them is of this message.
    type Output = (User, User, bool);

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::User)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::User, Key::Credential, Key::PasswordReset]).await?;
        let clock = view.get(&TheUserClock).await?.unwrap_or_default();
        let reset = view.get(&ThePasswordReset).await?;
        Ok((view.get(&TheUser).await?, view.get(&TheCredential).await?.is_some(), clock, reset))
    }

    fn decide(
        &self,
        (found, signs_in, mut clock, reset): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let user = found.filter(|user| user.status != UserStatus::Erased).ok_or(Refusal::NotFound)?;
        let before = clock.clone();
        let greater = |new: &str, old: Option<&str>| old.is_none_or(|old| new > old);
        let email = self.email.clone().filter(|email| {
            let old = user.email.as_ref().map(Email::as_str);
            let theirs = !signs_in && (old.is_none() || clock.gave_email);
            theirs && clock.at.take(EMAIL, self.at, greater(email.as_str(), old))
        });
        clock.gave_email |= email.is_some();
        let said = |name| clock.name.take(&mut clock.at, self.source, name, user.name.as_ref(), self.at);
        let name = self.name.as_ref().and_then(said);
        let traits = crate::ops::source::news(&self.traits, &user.traits, &mut clock.at, self.at);
        let patch = UserPatch { name: name.map(Some), email: email.map(Some), external_id: None, traits };
        let update = UpdateUser { user: self.user, patch, not_after: None, cards: None };
        let own = [EMAIL, NAME].iter().any(|field| clock.at.0.get(*field) == Some(&self.at));
        let decision = update.decide((Some(user), reset, None), facts)?;
        let (user, after) = decision.output.clone();
        let decision = decision.giving((user, after, own));
        Ok(if before == clock { decision } else { decision.put(clock.into()) })
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
