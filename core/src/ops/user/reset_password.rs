//! Making the link by which a person sets a new password (rule L8).

use crate::facts::Facts;
use crate::home::{Home, Record, ThePasswordReset, TheUser};
use crate::id::{MailId, PasswordResetId, UserId};
use crate::model::{Letter, Mail, PasswordReset, User, UserStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Begins a password reset. The link of one that was begun before is dead.
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
    type State = (Option<User>, Option<PasswordReset>);
    type Output = PasswordReset;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheUser).await?, view.get(&ThePasswordReset).await?))
    }

    fn decide(&self, (user, found): Self::State, facts: &Facts) -> Result<Decision<PasswordReset>, Refusal> {
        let user = user.ok_or(Refusal::NotFound)?;
        if user.status != UserStatus::Active {
            return Err(Refusal::TargetNotActive);
        }
        if self.mail.is_some() && user.email.is_none() {
            return Err(Refusal::invalid("", "the person has no address that a link could be mailed to"));
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
        Ok(decision)
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
