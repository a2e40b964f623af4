//! Changing or closing an organization, with what points to it.

use super::claims::{self, Taken};
use super::map_owner;
use super::refresh::{refresh_organization, tidied};
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::model::{ClaimName, ClaimTarget, Organization};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::organization::{CloseOrganization, OrganizationPatch, UpdateOrganization};
use crate::refusal::{OpError, Refusal};

/// Applies a patch: names first, then the record, then the directory, then the names let go.
pub async fn update_organization(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    patch: &OrganizationPatch,
) -> Result<Done<Organization>, OpError> {
    let mut operation = UpdateOrganization { organization, patch: patch.clone(), not_after: None };
    let (before, after) = preflight(roster, request, &operation).await?;
    let target = ClaimTarget::Organization(organization);
    let (old, new) = (names(&before), names(&after));
    let fresh: Vec<ClaimName> = new.iter().filter(|name| !old.contains(name)).cloned().collect();
    let leaving: Vec<ClaimName> = old.into_iter().filter(|name| !new.contains(name)).collect();
    let leaving = claims::standing(roster, &leaving, target).await?;
    let held = match claims::take(roster, request, &fresh, target).await? {
        Taken::All(held) => held,
        Taken::Not(ClaimName::Slug(_)) => return Err(Refusal::SlugExists.into()),
        Taken::Not(_) => return Err(Refusal::ExternalIdExists.into()),
    };
    operation.not_after = (!fresh.is_empty()).then_some(held.not_after);
    let done = held.through(roster, request, run(roster, request, &operation)).await?;
    let (_, after) = done.output;
    tidied(refresh_organization(roster, request, organization).await);
    tidied(leaving.give_back(roster, request).await);
    if !patch.traits.0.is_empty() {
        tidied(map_owner(roster, request, organization, None, Some(&patch.traits)).await.map(drop));
    }
    Ok(Done { output: after, version: done.version })
}

/// Closes an organization (rule O7); its names stay taken.
pub async fn close_organization(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    confirmed: bool,
) -> Result<(), OpError> {
    run(roster, request, &CloseOrganization { organization, confirmed }).await?;
    tidied(refresh_organization(roster, request, organization).await);
    Ok(())
}

fn names(organization: &Organization) -> Vec<ClaimName> {
    let external = organization.external_id.clone().map(ClaimName::OrganizationExternalId);
    external.into_iter().chain([ClaimName::Slug(organization.slug.clone())]).collect()
}
