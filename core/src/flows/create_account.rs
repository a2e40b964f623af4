//! Making an account: the pointer from its id to the organization, then the account.

use super::claims::{self, Taken};
use crate::facts::Request;
use crate::id::{AccountId, OrganizationId};
use crate::model::{Account, ClaimName, ClaimTarget};
use crate::op::{Done, Roster, Seal, preflight, run_sealed};
use crate::ops::account::CreateAccount;
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};

/// What an account is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: Name,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
}

/// Makes an account in an organization.
pub async fn create_account(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    new: &NewAccount,
    seal: Option<Seal<'_, Account>>,
) -> Result<Done<Account>, OpError> {
    let id = AccountId::from_uuid(request.seed.uuid("account"));
    let (name, external_id) = (new.name.clone(), new.external_id.clone());
    let mut operation = CreateAccount { organization, id, name, external_id, not_after: None };
    preflight(roster, request, &operation).await?;
    let target = ClaimTarget::Organization(organization);
    let held = match claims::take(roster, request, &[ClaimName::Account(id)], target).await? {
        Taken::All(held) => held,
        Taken::Not(_) => return Err(Refusal::Conflict.into()),
    };
    operation.not_after = Some(held.not_after);
    held.through(roster, request, run_sealed(roster, request, &operation, seal)).await
}
