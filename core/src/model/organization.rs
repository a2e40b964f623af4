//! A tenant: the record whose `owner` field is the one place that says who owns it (rule O1).

use serde::{Deserialize, Serialize};

use super::Traits;
use crate::id::{OrganizationId, UserId};
use crate::text::{ExternalId, Name, Slug};
use crate::time::Timestamp;

/// Whether anything in it answers (rule O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationStatus {
    /// In use.
    Active,
    /// Closed for good.
    Closed,
}

/// What an organization decides for itself. A name joins with the rule that reads it; today there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// One organization.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The vendor's id, unique in the deployment, immutable once set.
    pub external_id: Option<ExternalId>,
    /// Its name.
    pub name: Name,
    /// Its short name, unique in the deployment.
    pub slug: Slug,
    /// Active or closed.
    pub status: OrganizationStatus,
    /// The one owner.
    pub owner: UserId,
    /// Seats paid for; none means unlimited.
    pub purchased: Option<u32>,
    /// Its own settings.
    pub settings: Settings,
    /// Traits.
    pub traits: Traits,
    /// When it was made.
    pub created_at: Timestamp,
}
