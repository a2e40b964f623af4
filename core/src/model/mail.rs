//! The outbox: what is to be mailed, written down in the commit that causes it. It holds ids only; addresses and links
//! are read and derived when a letter is sent, so that a copy of the store reveals no link (rule I9).

use serde::{Deserialize, Serialize};

use super::Lease;
use crate::home::Home;
use crate::id::{
    AlertId, EmailChangeId, IndicatorId, InvitationId, MailId, PasswordResetId, TransferId, UserId,
};
use crate::text::Email;
use crate::time::Timestamp;

/// One letter, by what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// The link of an invitation, to whoever is invited.
    Invitation {
        /// Which.
        invitation: InvitationId,
        /// The number of the link; one that was replaced is not sent.
        link: u32,
    },
    /// The link of a password reset, to the person.
    PasswordReset {
        /// Which.
        reset: PasswordResetId,
    },
    /// The link that proves a new address, to that address.
    EmailChange {
        /// Which.
        change: EmailChangeId,
    },
    /// That the address has changed, to the one before.
    EmailChanged {
        /// By which change.
        change: EmailChangeId,
    },
    /// That an organization has another owner, to the one before and the one after.
    OwnershipTransferred {
        /// By which transfer.
        transfer: TransferId,
        /// To whom of them.
        to: UserId,
    },
    /// That something entered or left a view that is watched, to somebody whom the configuration names.
    Alert {
        /// By which indicator.
        indicator: IndicatorId,
        /// Which.
        alert: AlertId,
        /// To whom of them, counted from 0.
        to: u16,
    },
}

/// A letter that is not sent yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Which.
    pub letter: Letter,
    /// How often sending it has failed.
    pub attempts: u32,
    /// Not to be tried before this instant.
    pub not_before: Timestamp,
}

/// Letters that one commit has caused, in the home of what they are about. Gone once all are sent or given up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// What is not sent yet.
    pub letters: Vec<Waiting>,
    /// Who sends it.
    pub lease: Option<Lease>,
    /// When it was caused.
    pub created_at: Timestamp,
}

impl Mail {
    /// Letters that were caused at an instant; nothing where there are none.
    pub fn of(id: MailId, letters: impl IntoIterator<Item = Letter>, now: Timestamp) -> Option<Self> {
        let waiting = |letter| Waiting { letter, attempts: 0, not_before: now };
        let letters: Vec<Waiting> = letters.into_iter().map(waiting).collect();
        (!letters.is_empty()).then_some(Self { id, letters, lease: None, created_at: now })
    }

    /// When the first of its letters is to be tried.
    pub fn due(&self) -> Option<Timestamp> {
        self.letters.iter().map(|waiting| waiting.not_before).min()
    }
}

/// How many homes the pointers to what waits are spread over.
pub const OUTBOXES: u8 = 8;

impl MailId {
    /// The home that holds its pointer: by the last, random byte.
    pub const fn outbox(self) -> Home {
        Home::Outbox(self.uuid().as_bytes()[15] % OUTBOXES)
    }
}

/// What a pointer of the outbox leads to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sought {
    /// Letters in a home.
    Letters(Home),
    /// Somebody has asked for a new password of this address, whosever it is, if anybody's. Known and unknown ones are
    /// written down alike, so that the answer takes the same time.
    Reset(Email),
}

/// Leads whoever sends mail to what waits. Committed before it, and not believed without it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MailPointer {
    /// Which.
    pub id: MailId,
    /// Where to.
    pub to: Sought,
}
