//! A change of a user's own address: done once the new mailbox is proved.

use serde::{Deserialize, Serialize};

use super::{Credential, User, UserStatus};
use crate::id::EmailChangeId;
use crate::refusal::Refusal;
use crate::text::Email;
use crate::time::Timestamp;

/// The last change that a user asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EmailChange {
    /// Its id.
    pub id: EmailChangeId,
    /// The address before.
    pub from: Option<Email>,
    /// The address after.
    pub to: Email,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From this instant on the link is dead.
    pub expires_at: Timestamp,
    /// When the new mailbox was proved.
    pub used_at: Option<Timestamp>,
    /// Changes that were done before, whose letter to the address before may not be sent yet.
    #[serde(default)]
    pub done: Vec<DoneEmailChange>,
}

/// A change that was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DoneEmailChange {
    /// Its id.
    pub id: EmailChangeId,
    /// The address before.
    pub from: Email,
    /// When.
    pub at: Timestamp,
}

impl EmailChange {
    /// How long one that was done is remembered, in seconds: its letter is sent or given up by then.
    const REMEMBERED: i64 = 86_400;

    /// What is to be remembered of it when another takes its place.
    pub fn remembered(self, now: Timestamp) -> Vec<DoneEmailChange> {
        let own = match (self.used_at, self.from) {
            (Some(at), Some(from)) => Some(DoneEmailChange { id: self.id, from, at }),
            _ => None,
        };
        self.done.into_iter().chain(own).filter(|it| now < it.at.plus_seconds(Self::REMEMBERED)).collect()
    }

    /// The address before a change that was done, this one or one before.
    pub fn before(&self, id: EmailChangeId) -> Option<&Email> {
        if self.id == id {
            return self.from.as_ref().filter(|_| self.used_at.is_some());
        }
        self.done.iter().find(|done| done.id == id).map(|done| &done.from)
    }

    /// Whether the link of an id proves anything for a person at an instant: of the last change asked for, within its
    /// life, not used, while the address is still the one that it changes. A password that was set since ends it: whoever
    /// asked may have been somebody else.
    pub fn check<'a>(
        found: Option<&'a Self>,
        id: EmailChangeId,
        user: Option<&User>,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Result<&'a Self, Refusal> {
        let this = found.filter(|change| change.id == id).ok_or(Refusal::ResetExpired)?;
        if this.used_at.is_some() {
            return Err(Refusal::ResetUsed);
        }
        let stands = user.is_some_and(|user| {
            user.status == UserStatus::Active && !user.has_cut(this.created_at) && user.email == this.from
        });
        let changed = credential.is_some_and(|credential| this.created_at <= credential.changed_at);
        if stands && !changed && now < this.expires_at { Ok(this) } else { Err(Refusal::ResetExpired) }
    }
}
