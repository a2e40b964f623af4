//! Making the link by which a person sets a new password (rule L8).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential, ThePasswordReset, TheUser, TypedKey};
use crate::id::{MailId, PasswordResetId, UserId};
use crate::model::customer::TheUserClock;
use crate::model::{Letter, Mail, PasswordReset, User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Begins a password reset. The link of one that was begun before is dead. None is mailed to an address that only a source
/// gave, for one who has no password: whoever holds a write key would become them.
#[derive(Debug)]
pub struct BeginPasswordReset {
    /// Whose.
    pub user: UserId,
    /// Its id, drawn from what asked for it: asked again, it is the same.
    pub id: PasswordResetId,
    /// How long the link lives, in seconds.
    pub life: i64,
    /// The letter that takes the link to the person; nothing for one that an operator hands over.
    pub mail: Option<MailId>,
    /// A pointer leads to the letter until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for BeginPasswordReset {
    type State = (Option<User>, Option<PasswordReset>, bool);
    type Output = PasswordReset;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::User, Key::PasswordReset, Key::Credential, TheUserClock.key()]).await?;
        let signs_in = view.get(&TheCredential).await?.is_some();
        let by_source = view.get(&TheUserClock).await?.is_some_and(|clock| clock.gave_email);
        Ok((view.get(&TheUser).await?, view.get(&ThePasswordReset).await?, by_source && !signs_in))
    }

    fn decide(
        &self,
        (user, found, unproved): Self::State,
        facts: &Facts,
    ) -> Result<Decision<PasswordReset>, Refusal> {
        let user = user.ok_or(Refusal::NotFound)?;
        if user.status != UserStatus::Active {
            return Err(Refusal::TargetNotActive);
        }
        if self.mail.is_some() && user.email.is_none() {
            return Err(Refusal::invalid("", "the person has no address that a link could be mailed to"));
        }
        if self.mail.is_some() && unproved {
            let detail = "only a source said what the person's address is; have an operator set it first";
            return Err(Refusal::invalid("", detail));
        }
        if let Some(found) = found.filter(|found| found.id == self.id) {
            return Ok(Decision::unchanged(found));
        }
        let reset = PasswordReset {
            id: self.id,
            created_at: facts.now,
            expires_at: facts.now.plus_seconds(self.life),
            used_at: None,
        };
        let letter = Letter::PasswordReset { reset: self.id };
        let mail = self.mail.and_then(|id| Mail::of(id, [letter], facts.now));
        let mut decision = Decision::unchanged(reset.clone()).put(Record::PasswordReset(reset));
        decision.puts.extend(mail.map(Record::Mail));
        if self.mail.is_none() {
            let event =
                Event::new("user.updated", "user", self.user).after(json!({"password": "reset_shown"}));
            decision.events.push(Event { user: Some(self.user), ..event });
        }
        Ok(decision)
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
