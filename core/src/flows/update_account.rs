//! Changing an account; where its traits change, its owner follows (rule T2).

use super::map_owner;
use super::refresh::tidied;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::Account;
use crate::op::{Done, Roster, run};
use crate::ops::account::UpdateAccount;
use crate::ops::post::MappedOwner;
use crate::refusal::OpError;

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
    with_mapped_owner(roster, request, operation.organization, done).await
}

/// An account whose traits have been set, with the owner that they name. Where that cannot be done now the owner
/// follows later.
pub(super) async fn with_mapped_owner(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    done: Done<Account>,
) -> Result<Done<Account>, OpError> {
    match map_owner(roster, request, organization, Some(done.output.id)).await {
        Ok(MappedOwner::Changed(_)) => {}
        Ok(MappedOwner::Unchanged | MappedOwner::Outdated) => return Ok(done),
        Err(error) => {
            tidied(Err(error));
            return Ok(done);
        }
    }
    let key = Key::Account(done.output.id);
    let mut read =
        roster.store.read(&Home::Organization(organization), std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.remove(&key) {
        Some(stored) => match stored.record {
            Record::Account(output) => Done { output, version: Some(stored.version) },
            _ => done,
        },
        None => done,
    })
}
