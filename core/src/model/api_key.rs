//! A key of an organization (rule P3).

use serde::{Deserialize, Serialize};

use super::Access;
use crate::id::{ApiKeyId, UserId};
use crate::secret::Token;
use crate::text::Name;
use crate::time::Timestamp;

/// A key and the hash of its secret: an organization's, with access like a member's; or a member's own, with their rights.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: Name,
    /// Whose rights it has, for a personal key: as they are when it is used.
    #[serde(default)]
    pub user: Option<UserId>,
    /// What it reaches; nothing of its own for a personal key.
    pub access: Access,
    /// SHA-256 of the secret (256 random bits, so no slow hash is needed).
    pub secret_hash: [u8; 32],
    /// The secret before the last rotation, while it opens still.
    #[serde(default)]
    pub old: Option<OldSecret>,
    /// The first characters of the secret, shown in lists.
    pub prefix: String,
    /// From this instant on the key is dead.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A secret that was replaced by another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OldSecret {
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// It opens nothing from then on.
    pub until: Timestamp,
}

impl ApiKey {
    /// Whether the key opens anything at that instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether this secret opens the key at that instant.
    pub fn opens(&self, token: &Token, now: Timestamp) -> bool {
        let old = self.old.as_ref().is_some_and(|old| now < old.until && token.fits(&old.hash));
        (token.fits(&self.secret_hash) || old) && self.is_live(now)
    }
}
