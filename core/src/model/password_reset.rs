//! A password reset: a link that sets a new password once (rule L8).

use serde::{Deserialize, Serialize};

use super::{Credential, User, UserStatus};
use crate::id::PasswordResetId;
use crate::refusal::Refusal;
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

impl PasswordReset {
    /// Whether the link of an id opens anything for a person at an instant: the last one asked for, within its life, not
    /// used, and nothing since that ends it. A password that was set or a suspension do (rule L9).
    pub fn check(
        found: Option<&Self>,
        id: PasswordResetId,
        user: Option<&User>,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let this = found.filter(|reset| reset.id == id).ok_or(Refusal::ResetExpired)?;
        if this.used_at.is_some() {
            return Err(Refusal::ResetUsed);
        }
        let stands =
            user.is_some_and(|user| user.status == UserStatus::Active && !user.has_cut(this.created_at));
        let changed = credential.is_some_and(|credential| this.created_at <= credential.changed_at);
        if stands && !changed && now < this.expires_at { Ok(()) } else { Err(Refusal::ResetExpired) }
    }
}
