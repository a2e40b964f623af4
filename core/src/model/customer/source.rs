//! Where events about customers come from.

use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, SourceId, UserId};
use crate::permission::RoleRef;
use crate::text::Name;
use crate::time::Timestamp;

/// A source: what bears its write key may say who is in which account, and what people do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// What people call it.
    pub name: Name,
    /// SHA-256 of the write key.
    pub secret_hash: [u8; 32],
    /// Where its groups go.
    pub groups: Groups,
    /// Who owns the organizations that its groups make (rules O1, O6); none are made where nobody is named.
    #[serde(default)]
    pub organization_owner: Option<UserId>,
    /// How many organizations its groups make a day at the most, so that a write key in wrong hands does not make them
    /// without end.
    #[serde(default = "new_organizations_per_day")]
    pub new_organizations_per_day: u32,
    /// What it makes people in their accounts; it never gives more (rule G6).
    pub default_role: RoleRef,
    /// Which of its events are messages.
    pub events: EventNames,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many organizations a source makes a day where nobody has said.
pub const NEW_ORGANIZATIONS_PER_DAY: u32 = 100;

const fn new_organizations_per_day() -> u32 {
    NEW_ORGANIZATIONS_PER_DAY
}

/// Where groups go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// Each is an account of this organization.
    One(OrganizationId),
    /// Each is an organization, with an account of the same external id.
    Each,
    /// Each is an account of the organization whose external id this trait of the group holds.
    Trait(String),
}

/// Which tracked events are messages to us and from us.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventNames {
    /// The person wrote to us.
    pub message_received: Vec<String>,
    /// We wrote to the person.
    pub message_sent: Vec<String>,
}

impl Default for EventNames {
    /// The names by which common tools tell of messages.
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            message_received: names(&["Message Received", "Email Received", "Email Replied"]),
            message_sent: names(&["Message Sent", "Email Sent"]),
        }
    }
}
