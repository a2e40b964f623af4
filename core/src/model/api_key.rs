//! A key of an organization (rule P3).

use serde::{Deserialize, Serialize};

use super::Access;
use crate::id::ApiKeyId;
use crate::text::Name;
use crate::time::Timestamp;

/// An organization key: access like a member's, and the hash of its secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: Name,
    /// What it reaches.
    pub access: Access,
    /// SHA-256 of the secret (256 random bits, so no slow hash is needed).
    pub secret_hash: [u8; 32],
    /// The first characters of the secret, shown in lists.
    pub prefix: String,
    /// From this instant on the key is dead.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Whether the key opens anything at that instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
