//! Changing when a membership begins and ends: times that cannot be are refused before it is said who is unknown.

use super::create_user::fresh_id;
use super::resolve_user;
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::model::Member;
use crate::op::{Done, Roster, run};
use crate::ops::member::{MemberPatch, UpdateMember};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};

/// Applies a patch to a membership.
pub async fn update_member(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: &UserRef,
    patch: MemberPatch,
) -> Result<Done<Member>, OpError> {
    let user = match resolve_user(roster, user).await {
        // Nobody bears it: the operation says what comes before that.
        Err(OpError::Refused(Refusal::NotFound)) => fresh_id(request),
        found => found?,
    };
    run(roster, request, &UpdateMember { organization, user, patch }).await
}
