//! Groups that are organizations, or lie in one that they name: made where an operator has said who owns them (rules O1,
//! G2).

use serde_json::{Map, Value};

use super::apply::Applying;
use super::places::{named_by, organization_of};
use super::{Unapplied, message};
use crate::flows::{NewOrganization, NewUser, create_organization_of_group, find_user};
use crate::id::{OrganizationId, UserId};
use crate::model::customer::Groups;
use crate::model::{User, UserStatus};
use crate::op::run;
use crate::ops::organization::Told;
use crate::ops::stream::AdmitOrganization;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;

/// The organization that a group lies in, if something says which; made if it is not there and somebody is to own it.
pub(super) async fn organization_for(
    applying: &Applying<'_>,
    group: &ExternalId,
    traits: &Map<String, Value>,
    at: Timestamp,
) -> Result<Option<OrganizationId>, Unapplied> {
    let source = applying.source;
    match (organization_of(applying.roster, source, group, traits).await, source.organization_owner) {
        (Err(Unapplied::Dead("organization_not_found")), Some(owner)) => {
            make(applying, group, traits, owner, at).await.map(Some)
        }
        (found, _) => found,
    }
}

/// With an account for the group, and no other one.
async fn make(
    applying: &Applying<'_>,
    group: &ExternalId,
    traits: &Map<String, Value>,
    owner: UserId,
    at: Timestamp,
) -> Result<OrganizationId, Unapplied> {
    let (roster, source) = (applying.roster, applying.source);
    let external = named_by(source, group, traits).ok_or(Unapplied::Dead("missing_organization"))?;
    let owner = owner_of_new(applying, owner).await?;
    let said = message::name(traits);
    let named_at = if said.is_some() { at } else { Timestamp::EPOCH };
    let account = said.map_or_else(|| name_of(group), Ok)?;
    let name = if source.groups == Groups::Each { account.clone() } else { name_of(&external)? };
    admit(applying).await?;
    let new = NewOrganization {
        name,
        external_id: Some(external),
        slug: None,
        owner: NewUser::default(),
        purchased: None,
        accounts: vec![(account, Some(group.clone()))],
    };
    let told = Told { by: source.id, named_at };
    let step = applying.request.step("tenant");
    match create_organization_of_group(roster, &step, &new, &owner, told).await {
        Ok(done) => Ok(done.output),
        // Another is quicker: it is there already, or will be within a minute, or that one has failed.
        Err(OpError::Refused(Refusal::ExternalIdExists)) => {
            match organization_of(roster, source, group, traits).await {
                Ok(Some(found)) => Ok(found),
                Ok(None) | Err(Unapplied::Dead(_)) => Err(Unapplied::Later(OpError::Busy)),
                Err(later) => Err(later),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Counts it; a dead letter where there are too many of them today.
async fn admit(applying: &Applying<'_>) -> Result<(), Unapplied> {
    let source = applying.source;
    let number = applying.request.seed.uuid("new organization");
    let admit = AdmitOrganization { source: source.id, number, most: source.new_organizations_per_day };
    let system = applying.request.as_system("admit");
    let admitted = run(applying.roster, &system, &admit).await?.output;
    if admitted { Ok(()) } else { Err(Unapplied::Dead("too_many_new_organizations")) }
}

/// Whom an operator has named, as long as they are somebody.
async fn owner_of_new(applying: &Applying<'_>, owner: UserId) -> Result<User, Unapplied> {
    const GONE: Unapplied = Unapplied::Dead("organization_owner_gone");
    match find_user(applying.roster, &UserRef::Id(owner)).await {
        Ok(user) if user.status == UserStatus::Erased => Err(GONE),
        Ok(user) => Ok(user),
        Err(OpError::Refused(Refusal::NotFound)) => Err(GONE),
        Err(error) => Err(error.into()),
    }
}

/// What something is called of which only the id is known.
pub(super) fn name_of(external: &ExternalId) -> Result<Name, Unapplied> {
    let short: String = external.as_str().chars().take(200).collect();
    short.parse().map_err(|_| Unapplied::Dead("invalid_group_id"))
}
