//! What a user signs in by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::InvitationId;
use crate::time::Timestamp;

/// A password, as its slow hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The hash with its salt and parameters, as a PHC string.
    pub password_hash: String,
    /// How often every session was ended at once: a session counts only if it was begun under this number.
    pub generation: u64,
    /// The invitation whose link set this password when the person signed up; nothing once it was changed.
    pub set_by: Option<InvitationId>,
    /// When the password was set.
    pub changed_at: Timestamp,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("generation", &self.generation).finish_non_exhaustive()
    }
}
