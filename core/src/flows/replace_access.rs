//! Replacing a member's whole access: how often they were removed from everything is read first.

use super::find_living;
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::model::Member;
use crate::op::{Done, Roster, run};
use crate::ops::member::{AccessAsk, AccessDiff, ReplaceAccess};
use crate::reference::UserRef;
use crate::refusal::OpError;

/// Gives a member exactly this access; a former one comes back.
pub async fn replace_access(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: &UserRef,
    access: AccessAsk,
) -> Result<Done<(Member, AccessDiff)>, OpError> {
    let user = find_living(roster, user).await?;
    let operation = ReplaceAccess { organization, user: user.id, cuts: user.cuts, access };
    run(roster, request, &operation).await
}
