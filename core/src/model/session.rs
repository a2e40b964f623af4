//! A session: a person who has signed in.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::time::Timestamp;

/// One session, and the hash of its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// SHA-256 of the secret (256 random bits, so no slow hash is needed).
    pub secret_hash: [u8; 32],
    /// The credential's generation when it was begun.
    pub generation: u64,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last used, within a twentieth of its idle life.
    pub last_used_at: Timestamp,
    /// From this instant on it is over, however much it is used.
    pub expires_at: Timestamp,
}

impl Session {
    /// When it ends if it is not used again: unused for so many seconds, or at the end of its life.
    pub fn ends_at(&self, idle_seconds: i64) -> Timestamp {
        self.expires_at.min(self.last_used_at.plus_seconds(idle_seconds))
    }

    /// Whether it opens anything at an instant, under the credential's generation.
    pub fn is_live(&self, now: Timestamp, generation: u64, idle_seconds: i64) -> bool {
        self.generation == generation && now < self.ends_at(idle_seconds)
    }
}
