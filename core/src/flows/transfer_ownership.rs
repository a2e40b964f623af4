//! Handing an organization over: both owners are told by mail.

use super::find_user;
use super::mail::announce_mail;
use crate::facts::Request;
use crate::model::{Transfer, UserStatus};
use crate::op::{Done, Operation, Roster, Seal, preflight, run_sealed};
use crate::ops::mail::Posting;
use crate::ops::ownership::TransferOwnership;
use crate::reference::UserRef;
use crate::refusal::OpError;

/// Hands an organization over, or offers it.
pub async fn transfer_ownership(
    roster: &Roster,
    request: &Request,
    mut operation: TransferOwnership,
    seal: Option<Seal<'_, Transfer>>,
) -> Result<Done<Transfer>, OpError> {
    let to = find_user(roster, &UserRef::Id(operation.to)).await?;
    operation.available = to.status == UserStatus::Active;
    if !operation.require_acceptance {
        operation.mail = posting(roster, request, &operation).await?;
    }
    let outcome = run_sealed(roster, request, &operation, seal).await;
    roster.post.wake.notify_one();
    outcome
}

/// Where the letters will be, once it is known that there is something to tell.
pub(super) async fn posting(
    roster: &Roster,
    request: &Request,
    operation: &impl Operation,
) -> Result<Option<Posting>, OpError> {
    if !roster.post.is_set_up() {
        return Ok(None);
    }
    preflight(roster, request, operation).await?;
    announce_mail(roster, request, &operation.home()).await
}
