//! Making an account: the pointer from its id to the organization, then the account, then the owner whom its traits
//! name (rule T2).

use super::claims::{self, Taken};
use super::update_account::{shown_now, with_mapped_owner};
use crate::facts::Request;
use crate::id::{AccountId, OrganizationId};
use crate::model::{Account, ClaimName, ClaimTarget, TraitPatch};
use crate::op::{Done, Roster, Seal, preflight, run_sealed};
use crate::ops::account::CreateAccount;
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};

/// What an account is made from.
#[derive(Clone, PartialEq, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: Name,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// What is known of it.
    pub traits: TraitPatch,
}

/// Makes an account in an organization. The account with the owner that its traits name, which no answer that is sealed in
/// the commit shows. Done again by the same request it answers the same.
pub async fn create_account(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    new: &NewAccount,
    seal: Option<Seal<'_, Account>>,
) -> Result<Done<Account>, OpError> {
    let id = AccountId::from_uuid(request.seed.uuid("account"));
    let NewAccount { name, external_id, traits } = new.clone();
    let mut operation = CreateAccount { organization, id, name, external_id, traits, not_after: None };
    preflight(roster, request, &operation).await?;
    let target = ClaimTarget::Organization(organization);
    let held = match claims::take(roster, request, &[ClaimName::Account(id)], target).await? {
        Taken::All(held) => held,
        Taken::Not(_) => return Err(Refusal::Conflict.into()),
    };
    operation.not_after = Some(held.not_after);
    let done = held.through(roster, request, run_sealed(roster, request, &operation, seal)).await?;
    if operation.traits.0.is_empty() {
        return Ok(done);
    }
    let done = with_mapped_owner(roster, request, organization, done, None).await?;
    match done.version {
        Some(_) => Ok(done),
        // It was made before.
        None => Ok(shown_now(roster, request, organization, id).await?.unwrap_or(done)),
    }
}
