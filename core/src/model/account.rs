//! A workspace inside one organization.

use serde::{Deserialize, Serialize};

use super::{Posts, Traits};
use crate::id::AccountId;
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;

/// Whether access through the account answers (rule O8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// In use.
    Active,
    /// No access through it, until it is brought back.
    Archived,
}

/// One account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The vendor's id, unique in the organization, immutable once set.
    pub external_id: Option<ExternalId>,
    /// Its name.
    pub name: Name,
    /// Active or archived.
    pub status: AccountStatus,
    /// Traits.
    pub traits: Traits,
    /// Who holds posts on it.
    #[serde(default)]
    pub posts: Posts,
    /// When it was made.
    pub created_at: Timestamp,
}
