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
    /// Traits.
    pub traits: Traits,
    /// When the record was made.
    pub created_at: Timestamp,
}

impl User {
    /// What memberships show of this person.
    pub fn card(&self) -> Card {
        Card { email: self.email.clone(), name: self.name.clone(), external_id: self.external_id.clone() }
    }
}
