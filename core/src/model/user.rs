//! A person, once per deployment.

use serde::{Deserialize, Serialize};

use super::{Card, Traits};
use crate::id::UserId;
use crate::text::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// Whether the person may act anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// May act where they are a member.
    Active,
    /// No access anywhere, seats and roles kept (rule L9).
    Suspended,
    /// Nothing personal is left (rule L5).
    Erased,
}

/// One user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The vendor's id, unique in the deployment, immutable once set.
    pub external_id: Option<ExternalId>,
    /// Their address, unique in the deployment by its key.
    pub email: Option<Email>,
    /// Their name.
    pub name: Option<Name>,
    /// Active, suspended or erased.
    pub status: UserStatus,
    /// The last suspension: sessions and personal keys from before it are dead, after its end too (rule L9).
    #[serde(default)]
    pub suspended_at: Option<Timestamp>,
    /// Traits.
    pub traits: Traits,
    /// How often the person has been removed from everything (rule M5).
    pub cuts: u32,
    /// When that was the last time: invitations from before it are dead (rule M9).
    pub cut_at: Option<Timestamp>,
    /// When the record was made.
    pub created_at: Timestamp,
}

impl User {
    /// Whether what was made for the person at an instant, a session or a personal key, is dead everywhere.
    pub fn has_cut(&self, made_at: Timestamp) -> bool {
        self.suspended_at.is_some_and(|cut| made_at <= cut)
    }

    /// What memberships show of this person.
    pub fn card(&self) -> Card {
        Card { email: self.email.clone(), name: self.name.clone(), external_id: self.external_id.clone() }
    }
}
