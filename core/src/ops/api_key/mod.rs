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
use crate::home::Record;
use crate::id::UserId;
use crate::model::{ApiKey, Member, Note, NoteKey};
use crate::op::{Decision, View};
use crate::policy::{Reach, Standing};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Whoever gets the secret of a personal key has every right of its member: another key that speaks for them must hold
/// all of these (rule P6).
fn require_own(standing: &Standing, member: Option<&Member>, facts: &Facts) -> Result<(), Refusal> {
    let member = member.ok_or(Refusal::NotFound)?;
    facts.policies.access.may_manage(standing, &member.access, Reach::Organization)
}

/// What is noted of the end of a key by which people may be invited.
fn end_of(key: &ApiKey) -> Option<Note> {
    key.expires_at.filter(|_| key.user.is_none()).map(|at| Note::KeyEnd { key: key.id, at })
}

/// A member manages their own keys; others need the permission.
fn require_manage(standing: &Standing, key: &ApiKey, facts: &Facts) -> Result<(), Refusal> {
    if key.user.is_some() && key.user == facts.actor.user() {
        return Ok(());
    }
    facts.policies.access.require(standing, "api_keys:manage", Reach::Organization)
}

/// Whose leaving plan names a key: its member's, or that of whoever made it for the organization.
async fn planned_by(view: &mut View<'_>, key: Option<&ApiKey>) -> Result<Option<UserId>, StoreError> {
    let Some(key) = key else { return Ok(None) };
    Ok(match key.user {
        Some(user) => Some(user),
        None => match view.get(&NoteKey::KeyMaker(key.id)).await? {
            Some(Note::KeyMaker { user, .. }) => Some(user),
            Some(_) | None => None,
        },
    })
}

/// The same change, after which a leaving plan that was read before is another (rule L6). Many keys of one person change at
/// once, and none waits for the others.
fn replanned<T>(decision: Decision<T>, user: Option<UserId>, facts: &Facts) -> Decision<T> {
    match user {
        Some(user) => {
            decision.put(Record::Note(Note::KeysOf { user, changed: facts.fresh("change of keys") }))
        }
        None => decision,
    }
}
