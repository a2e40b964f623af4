//! A user in an organization.

use serde::{Deserialize, Serialize};

use super::Access;
use crate::id::UserId;
use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::text::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// How a person stands in an organization.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// In.
    Active,
    /// Out for now, with access kept for the way back (rule L1).
    Deactivated,
    /// Out, findable (rule M8).
    Former,
}

/// What lists show of a person: a copy of the user's own fields that no decision reads.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Card {
    /// The address.
    pub email: Option<Email>,
    /// The name.
    pub name: Option<Name>,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
}

/// One membership.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// As stored; [`Member::at`] says what time has made of it.
    pub status: MemberStatus,
    /// What they reach; nothing for a former member.
    pub access: Access,
    /// Not a member before this instant.
    pub starts_at: Option<Timestamp>,
    /// Former from this instant on (rule M12).
    pub expires_at: Option<Timestamp>,
    /// When they joined, the last time.
    pub joined_at: Timestamp,
    /// When they left, for a former member.
    pub left_at: Option<Timestamp>,
    /// The last removal, deactivation or expiry: what was made for them before it is dead here (rule M7).
    pub cut_at: Option<Timestamp>,
    /// The last deletion: what they did before it is in no statistics of this organization (rule L4).
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
    /// The person's number of cuts when they joined, or were asked about last: one below [`super::User::cuts`] has ended,
    /// unless it is the owner's (rule M5).
    pub epoch: u32,
    /// Shown in lists.
    pub card: Card,
}

impl Member {
    /// A new membership.
    pub fn joining(user: UserId, card: Card, access: Access, now: Timestamp) -> Self {
        Self {
            user,
            status: MemberStatus::Active,
            access,
            starts_at: None,
            expires_at: None,
            joined_at: now,
            left_at: None,
            cut_at: None,
            deleted_at: None,
            epoch: 0,
            card,
        }
    }

    /// The same for one who was here before: what was cut stays cut, what was deleted stays deleted.
    #[must_use]
    pub fn after(self, before: Option<&Self>) -> Self {
        Self {
            cut_at: before.and_then(|before| before.cut_at),
            deleted_at: before.and_then(|before| before.deleted_at),
            ..self
        }
    }

    /// What is true at an instant: a membership whose end has come is a former one (rule M12).
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        match self.due() {
            Some(end) if end <= now => Self { expires_at: Some(end), ..self.left(end) },
            _ => self.clone(),
        }
    }

    /// The record after the person has left at an instant. What was cut later stays cut.
    #[must_use]
    pub fn left(&self, when: Timestamp) -> Self {
        Self {
            status: MemberStatus::Former,
            access: Access::NONE,
            starts_at: None,
            expires_at: None,
            left_at: Some(when),
            cut_at: self.cut_at.max(Some(when)),
            ..self.clone()
        }
    }

    /// The record after the person has been deactivated at an instant: access is kept for the way back (rule L1).
    #[must_use]
    pub fn deactivated(&self, when: Timestamp) -> Self {
        Self { status: MemberStatus::Deactivated, cut_at: Some(when), ..self.clone() }
    }

    /// The record after the person has been deleted at an instant: out, and out of the statistics (rule L4).
    #[must_use]
    pub fn deleted(&self, when: Timestamp) -> Self {
        let out = if self.status == MemberStatus::Former { self.clone() } else { self.left(when) };
        Self { deleted_at: Some(when), ..out }
    }

    /// Whether nothing is left to delete: they are out, and were deleted since they left.
    pub fn is_deleted(&self) -> bool {
        self.status == MemberStatus::Former
            && self.deleted_at.is_some_and(|deleted| Some(deleted) >= self.left_at)
    }

    /// Whether what was made for the person at an instant, a personal key or a session, is dead here (rule M7).
    pub fn has_cut(&self, made_at: Timestamp) -> bool {
        self.cut_at.is_some_and(|cut| made_at <= cut)
    }

    /// Whether the membership counts for one who has been removed from everything so often (rule M5). The owner's does.
    pub fn survives(&self, cuts: u32) -> bool {
        self.epoch >= cuts || self.access.organization_role() == Some(RoleRef::OWNER)
    }

    /// What is true for one who has been removed from everything so often, whether or not it has been swept.
    #[must_use]
    pub fn after_cuts(&self, cuts: u32, now: Timestamp) -> Self {
        if self.survives(cuts) || self.status == MemberStatus::Former { self.clone() } else { self.left(now) }
    }

    /// The member as they stand, where something may be given to them; `cuts` is how often they have been removed from
    /// everything, as it was read before this record (rules M5, M9, M12).
    pub(crate) fn able(self, cuts: u32, now: Timestamp) -> Result<Self, Refusal> {
        if self.epoch > cuts {
            return Err(Refusal::Conflict);
        }
        let member = self.after_cuts(cuts, now);
        if member.is_in(now) { Ok(member) } else { Err(Refusal::TargetNotActive) }
    }

    /// When the record ends by itself, if it does.
    pub fn due(&self) -> Option<Timestamp> {
        if self.status == MemberStatus::Former { None } else { self.expires_at }
    }

    /// Whether an authorization may rest on it at an instant.
    pub fn is_in(&self, now: Timestamp) -> bool {
        self.at(now).status == MemberStatus::Active && self.starts_at.is_none_or(|start| start <= now)
    }

    /// Seats that the stored record holds: one for an active member whose access is not empty.
    pub fn seats(&self) -> i64 {
        i64::from(self.status == MemberStatus::Active && !self.access.is_empty())
    }
}
