//! `roster member deactivate`, `reactivate` and `delete`.

use roster_core::flows::find_user;
use roster_core::op::run as run_operation;
use roster_core::ops::member::{DeactivateMember, DeleteMember, ReactivateMember};
use roster_core::reference::UserRef;
use serde_json::json;

use super::One;
use super::act::{ids, print};
use crate::failure::Failure;
use crate::session::Session;

/// Takes a member out for now.
pub async fn deactivate(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let operation = DeactivateMember { organization, user };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

/// Brings a deactivated member back.
pub async fn reactivate(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let cuts = find_user(&session.roster, &UserRef::Id(user)).await?.cuts;
    let operation = ReactivateMember { organization, user, cuts };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

/// Deletes a member.
pub async fn delete(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let operation = DeleteMember { organization, user, confirmed: true };
    let changed = run_operation(&session.roster, &session.request(), &operation).await?.output;
    let text = if changed {
        format!("{user} is deleted from {organization}.")
    } else {
        format!("{user} was deleted from {organization} before; nothing was done.")
    };
    session.out.say(&text, &json!({"changed": changed}))
}
