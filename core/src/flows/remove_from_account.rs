//! Removing a person from one account: who never was a member is not linked, which is no mistake (rules M1, M10).

use super::{find_user, resolve_user};
use crate::facts::Request;
use crate::home::Home;
use crate::id::{OrganizationId, UserId};
use crate::op::{Done, Roster, View, run};
use crate::ops::member::{RemoveFromAccount, find_accounts};
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// Takes one account from a person. Says whether anything changed; 404 for people and accounts that do not exist, and
/// for all but operators for people who never were in the organization.
pub async fn remove_from_account(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    user: &UserRef,
) -> Result<Done<bool>, OpError> {
    let user = resolve_user(roster, user).await?;
    let operation = RemoveFromAccount { organization, account: account.clone(), user };
    match run(roster, request, &operation).await {
        Err(OpError::Refused(Refusal::NotFound)) if request.actor.is_operator() => {
            never_in(roster, request, organization, account, user).await
        }
        done => done,
    }
}

/// Nothing changes for one who never was in; where the account or the person does not exist, that is said.
async fn never_in(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    user: UserId,
) -> Result<Done<bool>, OpError> {
    find_user(roster, &user.into()).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    view.open_organization().await?.open()?;
    find_accounts(&mut view, &[account]).await?.pop().flatten().ok_or(Refusal::NotFound)?;
    Ok(Done { output: false, version: None })
}
