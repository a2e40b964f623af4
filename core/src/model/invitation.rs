//! An invitation of an address into an organization (rules I1 to I9).

use serde::{Deserialize, Serialize};

use super::Access;
use crate::actor::Actor;
use crate::id::{ApiKeyId, InvitationId, OperatorKeyId, UserId};
use crate::text::{Email, Name};
use crate::time::Timestamp;

/// How an invitation stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    /// May be accepted.
    Pending,
    /// Made somebody a member.
    Accepted,
    /// The person does not want it.
    Declined,
    /// Taken back.
    Revoked,
    /// Its life is over.
    Expired,
}

/// Who stands for an invitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Inviter {
    /// An operator, who may always grant.
    Operator {
        /// The key, if one was used.
        id: Option<OperatorKeyId>,
    },
    /// An organization's key, while it lives.
    ApiKey {
        /// Which.
        id: ApiKeyId,
    },
    /// A member, while they are one.
    User {
        /// Who.
        id: UserId,
        /// Since when they stand for it, in microseconds since the epoch: a cut of theirs after that ends it. As long as
        /// its link, where nothing is said. (A number, for a tagged enum does not tell its fields how they are written.)
        #[serde(default)]
        since: Option<i64>,
    },
    /// Roster itself.
    System,
}

impl Inviter {
    /// Who stands for what an actor invites, changes or sends again at an instant.
    pub const fn of(actor: &Actor, now: Timestamp) -> Self {
        match actor {
            Actor::Operator { key } => Self::Operator { id: *key },
            Actor::ApiKey { key, .. } => Self::ApiKey { id: *key },
            Actor::User { user, .. } => Self::User { id: *user, since: Some(now.micros()) },
            Actor::System | Actor::Source { .. } | Actor::Visitor => Self::System,
        }
    }

    /// The person, if it is one.
    pub const fn user(&self) -> Option<UserId> {
        if let Self::User { id, .. } = self { Some(*id) } else { None }
    }

    /// Since when a person stands for it.
    pub const fn since(&self) -> Option<Timestamp> {
        match self {
            Self::User { since: Some(since), .. } => Some(Timestamp::from_micros(*since)),
            Self::User { .. } | Self::Operator { .. } | Self::ApiKey { .. } | Self::System => None,
        }
    }
}

/// One invitation. Its link is derived from the id and [`Invitation::link`], so that what is kept reveals none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub email: Email,
    /// What they are called, if the inviter said so.
    pub name: Option<Name>,
    /// What they will reach.
    pub access: Access,
    /// As stored; [`Invitation::at`] says what time has made of it.
    pub status: InvitationStatus,
    /// Who stands for it.
    pub invited_by: Inviter,
    /// Whether a seat is held for the person while it is pending.
    pub holds_seat: bool,
    /// The number of its link; every one before it is dead.
    pub link: u32,
    /// How long a link lives, in seconds.
    pub life: u32,
    /// When the link was made.
    pub sent_at: Timestamp,
    /// From this instant on it is expired.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whom it made a member.
    pub accepted_by: Option<UserId>,
    /// When it ceased to be pending.
    pub ended_at: Option<Timestamp>,
}

impl Invitation {
    /// What is true at an instant: a pending invitation whose end has come is an expired one.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        match self.due() {
            Some(end) if end <= now => self.ended(InvitationStatus::Expired, end),
            _ => self.clone(),
        }
    }

    /// The record after it has ceased to be pending.
    #[must_use]
    pub fn ended(&self, status: InvitationStatus, when: Timestamp) -> Self {
        Self { status, ended_at: Some(when), ..self.clone() }
    }

    /// When the record ends by itself, if it does.
    pub fn due(&self) -> Option<Timestamp> {
        (self.status == InvitationStatus::Pending).then_some(self.expires_at)
    }

    /// Seats that the stored record holds.
    pub fn seats(&self) -> i64 {
        i64::from(self.holds_seat && self.status == InvitationStatus::Pending)
    }
}
