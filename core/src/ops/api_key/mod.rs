//! Keys of an organization, and of its members (rule P3).

mod create;
mod create_personal;
mod last_use;
mod revoke;
mod rotate;
mod update;

pub use create::CreateApiKey;
pub use create_personal::CreatePersonalKey;
pub(crate) use last_use::{ForgetLastUses, NoteLastUses};
pub use revoke::RevokeApiKey;
pub use rotate::{MAX_OVERLAP, RotateApiKey};
pub use update::{ApiKeyPatch, UpdateApiKey};

use crate::facts::Facts;
use crate::model::{ApiKey, Member};
use crate::policy::{Reach, Standing};
use crate::refusal::Refusal;

/// Whoever gets the secret of a personal key has every right of its member: another key that speaks for them must hold
/// all of these (rule P6).
fn require_own(standing: &Standing, member: Option<&Member>, facts: &Facts) -> Result<(), Refusal> {
    let member = member.ok_or(Refusal::NotFound)?;
    facts.policies.access.may_manage(standing, &member.access, Reach::Organization)
}

/// A member manages their own keys; others need the permission.
fn require_manage(standing: &Standing, key: &ApiKey, facts: &Facts) -> Result<(), Refusal> {
    if key.user.is_some() && key.user == facts.actor.user() {
        return Ok(());
    }
    facts.policies.access.require(standing, "api_keys:manage", Reach::Organization)
}
