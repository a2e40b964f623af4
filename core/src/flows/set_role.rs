//! Giving a role on one account: the pointer in the person's home, then the role.

use super::find_user;
use super::refresh::{refresh_card, tidied};
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::op::{Done, Roster, preflight, run};
use crate::ops::member::{RoleSet, SetRole};
use crate::ops::pointer::PointToOrganization;
use crate::permission::RoleRef;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::OpError;

/// Adds, re-adds or changes. Operators may name anybody, others people of their own organization.
pub async fn set_role(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    user: &UserRef,
    role: RoleRef,
) -> Result<Done<RoleSet>, OpError> {
    let user = find_user(roster, user).await?;
    let operation = SetRole {
        organization,
        account: account.clone(),
        user: user.id,
        card: user.card(),
        role,
        only_known: !request.actor.is_operator(),
    };
    preflight(roster, request, &operation).await?;
    let pointer = PointToOrganization { user: user.id, organization };
    run(roster, &request.as_system("pointer"), &pointer).await?;
    let done = run(roster, request, &operation).await?;
    tidied(refresh_card(roster, request, organization, user.id, operation.card).await);
    Ok(done)
}
