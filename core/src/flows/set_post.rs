//! Putting somebody into a post: the pointer in the person's home, then the post. One who is no member, such as the
//! vendor's own staff, is found by that pointer when they are erased.

use super::{find_user, map_owner};
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::model::{PostName, UserStatus};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::pointer::PointToOrganization;
use crate::ops::post::{Place, SetPost};
use crate::reference::UserRef;
use crate::refusal::OpError;

/// Puts a person into a post. Operators may name anybody, others people of their own organization.
pub async fn set_post(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    name: PostName,
    user: &UserRef,
) -> Result<Done<Place>, OpError> {
    let user = find_user(roster, user).await?;
    let mut operation = SetPost {
        organization,
        name,
        user: user.id,
        cuts: user.cuts,
        erased: user.status == UserStatus::Erased,
        only_known: !request.actor.is_operator(),
    };
    preflight(roster, request, &operation).await?;
    if operation.name.key_role.is_none() {
        // What the trait says by now is noted: they stay until it says something else (rule T3).
        map_owner(roster, &request.step("note"), organization, operation.name.account, None).await?;
    }
    let pointer = PointToOrganization { user: user.id, organization };
    operation.cuts = run(roster, &request.as_system("pointer"), &pointer).await?.output.number;
    run(roster, request, &operation).await
}
