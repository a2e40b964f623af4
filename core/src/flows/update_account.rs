//! Changing an account; where its traits change, its owner follows (rule T2).

use super::map_owner;
use super::refresh::tidied;
use crate::facts::Request;
use crate::home::{Home, Key};
use crate::id::{AccountId, OrganizationId};
use crate::model::{Account, TraitPatch};
use crate::op::{Done, Roster, View, run};
use crate::ops::account::UpdateAccount;
use crate::ops::post::MappedOwner;
use crate::refusal::OpError;
use crate::store::StoreError;

/// Applies a patch to an account. The account afterwards, with the owner that its traits name.
pub async fn update_account(
    roster: &Roster,
    request: &Request,
    operation: &UpdateAccount,
) -> Result<Done<Account>, OpError> {
    let done = run(roster, request, operation).await?;
    if operation.patch.traits.0.is_empty() {
        return Ok(done);
    }
    with_mapped_owner(roster, request, operation.organization, done, Some(&operation.patch.traits)).await
}

/// An account whose traits have been set, with the owner that they name. Where that cannot be done now the owner
/// follows later.
pub(super) async fn with_mapped_owner(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    done: Done<Account>,
    set: Option<&TraitPatch>,
) -> Result<Done<Account>, OpError> {
    match map_owner(roster, request, organization, Some(done.output.id), set).await {
        Ok(MappedOwner::Changed(_)) => {}
        Ok(MappedOwner::Unchanged | MappedOwner::Outdated) => return Ok(done),
        Err(error) => {
            tidied(Err(error));
            return Ok(done);
        }
    }
    match shown_now(roster, request, organization, done.output.id).await {
        Ok(Some(shown)) => Ok(shown),
        Ok(None) => Ok(done),
        Err(error) => {
            tidied(Err(error.into()));
            Ok(done)
        }
    }
}

/// An account as it is now, with the version that is shown of it.
pub(super) async fn shown_now(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Option<Done<Account>>, StoreError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    let key = Key::Account(account);
    view.fetch_shown(key.clone()).await?;
    let output = view.get(&account).await?;
    Ok(output.map(|output| Done { output, version: view.shown_version(&key) }))
}
