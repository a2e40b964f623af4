//! Changing one's own address: asked for by the person, done once the new mailbox is proved.

use serde_json::json;

use super::OwedCards;
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential, TheNewAddress, ThePasswordReset, TheUser, TypedKey};
use crate::id::{EmailChangeId, UserId};
use crate::model::customer::{TheUserClock, UserClock};
use crate::model::{Credential, EmailChange, Letter, Mail, PasswordReset, User, UserStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::mail::Posting;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// Asks for a change. The link of one that was asked for before is dead.
#[derive(Debug)]
pub struct BeginEmailChange {
    /// Whose.
    pub user: UserId,
    /// Its id, drawn from the request.
    pub id: EmailChangeId,
    /// The address after.
    pub to: Email,
    /// How long the link lives, in seconds.
    pub life: i64,
    /// The letter that takes the link to the new address; nothing where no mail can be sent.
    pub mail: Option<Posting>,
}

impl Operation for BeginEmailChange {
    type State = (Option<User>, Option<EmailChange>);
    type Output = ();

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.get(&TheUser).await?, view.get(&TheNewAddress).await?))
    }

    fn decide(&self, (user, found): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let user = user.filter(|user| user.status == UserStatus::Active).ok_or(Refusal::NotFound)?;
        // What a person is in the deployment is no key's of one organization to change.
        if facts.actor.user() != Some(self.user) || facts.actor.bound_to().is_some() {
            return Err(Refusal::lacks("user"));
        }
        if !facts.actor.is_fresh(facts.now) {
            return Err(Refusal::ReauthenticationRequired);
        }
        if user.email.as_ref().map(Email::as_str) == Some(self.to.as_str())
            || found.as_ref().is_some_and(|found| found.id == self.id)
        {
            return Ok(Decision::unchanged(()));
        }
        let change = EmailChange {
            id: self.id,
            from: user.email,
            to: self.to.clone(),
            created_at: facts.now,
            expires_at: facts.now.plus_seconds(self.life),
            used_at: None,
            done: found.map(|found| found.remembered(facts.now)).unwrap_or_default(),
        };
        let letter = Letter::EmailChange { change: self.id };
        let mail = self.mail.and_then(|posting| Mail::of(posting.id, [letter], facts.now));
        let mut decision = Decision::unchanged(()).put(Record::NewAddress(change));
        decision.puts.extend(mail.map(Record::Mail));
        Ok(decision)
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}

/// Gives a person the address whose mailbox they have proved, which is claimed already. The output is the record before
/// and after.
#[derive(Debug)]
pub struct ConfirmEmailChange {
    /// Whose.
    pub user: UserId,
    /// By the link of which change.
    pub change: EmailChangeId,
    /// Pointers lead here until then.
    pub not_after: Option<Timestamp>,
    /// The letter that tells the address before.
    pub mail: Option<Posting>,
    /// The job that is asked for, since lists show the address.
    pub cards: Option<OwedCards>,
}

/// What the person's home says.
#[derive(Debug)]
pub struct ConfirmRead {
    user: Option<User>,
    change: Option<EmailChange>,
    reset: Option<PasswordReset>,
    credential: Option<Credential>,
    clock: Option<UserClock>,
}

impl Operation for ConfirmEmailChange {
    type State = ConfirmRead;
    type Output = (User, User);

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let own = [Key::User, Key::NewAddress, Key::PasswordReset, Key::Credential, TheUserClock.key()];
        view.fetch(own).await?;
        let (user, change) = (view.get(&TheUser).await?, view.get(&TheNewAddress).await?);
        let (reset, credential) = (view.get(&ThePasswordReset).await?, view.get(&TheCredential).await?);
        let clock = view.get(&TheUserClock).await?;
        Ok(ConfirmRead { user, change, reset, credential, clock })
    }

    fn decide(&self, read: ConfirmRead, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let ConfirmRead { user, change: found, reset, credential, clock } = read;
        let (found, known) = (found.as_ref(), credential.as_ref());
        let change = EmailChange::check(found, self.change, user.as_ref(), known, facts.now)?;
        let before = user.ok_or(Refusal::NotFound)?;
        let after = User { email: Some(change.to.clone()), ..before.clone() };
        let event = Event::new("user.updated", "user", self.user)
            .before(json!({"email": before.email}))
            .after(json!({"email": after.email}));
        let done = EmailChange { used_at: Some(facts.now), ..change.clone() };
        let mut decision = Decision::unchanged((before, after.clone()))
            .put(Record::User(after))
            .event(Event { user: Some(self.user), ..event });
        if let (Some(posting), Some(_)) = (self.mail, &done.from) {
            let letter = Letter::EmailChanged { change: self.change };
            decision.puts.extend(Mail::of(posting.id, [letter], facts.now).map(Record::Mail));
        }
        decision.puts.push(Record::NewAddress(done));
        let job = self.cards.as_ref().map(|cards| cards.job(self.user, facts.now));
        decision.puts.extend(job.map(|job| Record::Job(Box::new(job))));
        // Whoever reads the old mailbox opens nothing any more.
        decision.removes.extend(reset.map(|_| Key::PasswordReset));
        // The address is the person's own now.
        let clock = clock.filter(|clock| clock.gave_email);
        decision.puts.extend(clock.map(|clock| UserClock { gave_email: false, ..clock }.into()));
        Ok(decision)
    }

    fn not_after(&self) -> Option<Timestamp> {
        let mail = self.mail.map(|posting| posting.not_after);
        self.not_after.into_iter().chain(mail).min()
    }
}
