//! Giving a role on one account: the pointer in the person's home, then the role.

use super::refresh::{refresh_card, tidied};
use super::resolve_user;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::User;
use crate::op::{Done, Roster, preflight, run};
use crate::ops::member::{RoleSet, SetRole};
use crate::ops::pointer::PointToOrganization;
use crate::permission::RoleRef;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// Adds, re-adds or changes. Operators may name anybody, others people of their own organization.
pub async fn set_role(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    user: &UserRef,
    role: RoleRef,
) -> Result<Done<RoleSet>, OpError> {
    let only_known = !request.actor.is_operator();
    set_role_of(roster, request, organization, account, user, role, only_known).await
}

/// The same; `only_known` says whether the person must be of the organization already.
pub(super) async fn set_role_of(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    user: &UserRef,
    role: RoleRef,
    only_known: bool,
) -> Result<Done<RoleSet>, OpError> {
    let (user, request) = &find_with_pointer(roster, request, organization, user).await?;
    let mut operation = SetRole {
        organization,
        account: account.clone(),
        user: user.id,
        card: user.card(),
        cuts: user.cuts,
        role,
        only_known,
    };
    preflight(roster, request, &operation).await?;
    let pointer = PointToOrganization { user: user.id, organization };
    operation.cuts = run(roster, &request.as_system("pointer"), &pointer).await?.output.number;
    let done = run(roster, request, &operation).await?;
    // The card of one who was in already follows their record by itself.
    if done.output.joined {
        tidied(refresh_card(roster, request, organization, user.id, operation.card).await);
    }
    Ok(done)
}

/// The user, and their pointer to the organization in the same read, for the request to go on with.
async fn find_with_pointer(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &UserRef,
) -> Result<(User, Request), OpError> {
    let home = Home::User(resolve_user(roster, named).await?);
    let keys = [Key::User, Key::Membership(organization)];
    let read = roster.store.read(&home, &keys, &[]).await?;
    let Some(Record::User(user)) = read.records.get(&Key::User).map(|stored| stored.record.clone()) else {
        return Err(Refusal::NotFound.into());
    };
    let known = request.known.clone().with(home, keys, read);
    Ok((user, Request { known, ..request.clone() }))
}
