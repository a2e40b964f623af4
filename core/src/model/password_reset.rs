//! A password reset: a link that sets a new password once (rule L8).

use serde::{Deserialize, Serialize};

use crate::id::PasswordResetId;
use crate::time::Timestamp;

/// The last password reset of a user. Its link is derived from the id, so that what is kept reveals none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PasswordReset {
    /// Its id.
    pub id: PasswordResetId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From this instant on the link is dead.
    pub expires_at: Timestamp,
    /// When the link was used.
    pub used_at: Option<Timestamp>,
}
