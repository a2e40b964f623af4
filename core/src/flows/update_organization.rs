//! Changing or closing an organization, with what points to it.

use super::claims::{self, Taken};
use super::create_organization::directory_entry;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::{ClaimName, ClaimTarget, DirectoryEntry, Organization};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::organization::{CloseOrganization, OrganizationPatch, UpdateOrganization};
use crate::ops::pointer::PutDirectoryEntry;
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
    let fresh: Vec<ClaimName> =
        names(&after).into_iter().filter(|name| !names(&before).contains(name)).collect();
    if !fresh.is_empty() {
        match claims::take(roster, request, &fresh, target).await? {
            Taken::All(not_after) => operation.not_after = Some(not_after),
            Taken::Not(ClaimName::Slug(_)) => return Err(Refusal::SlugExists.into()),
            Taken::Not(_) => return Err(Refusal::ExternalIdExists.into()),
        }
    }
    let done = match run(roster, request, &operation).await {
        Ok(done) => done,
        Err(error) => {
            claims::free(roster, request, &fresh, target).await?;
            return Err(error);
        }
    };
    let (before, after) = done.output;
    if before != after {
        let entry = directory_entry(organization, &after.name, after.external_id.as_ref());
        run(roster, &request.as_system("directory"), &PutDirectoryEntry { entry }).await?;
        let let_go: Vec<ClaimName> =
            names(&before).into_iter().filter(|name| !names(&after).contains(name)).collect();
        claims::free(roster, request, &let_go, target).await?;
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
    let read = roster.store.read(&Home::Organization(organization), &[Key::Organization], &[]).await?;
    if let Some(Record::Organization(closed)) =
        read.records.get(&Key::Organization).map(|stored| &stored.record)
    {
        let entry = directory_entry(organization, &closed.name, closed.external_id.as_ref());
        let entry = DirectoryEntry { active: false, ..entry };
        run(roster, &request.as_system("directory"), &PutDirectoryEntry { entry }).await?;
    }
    Ok(())
}

fn names(organization: &Organization) -> Vec<ClaimName> {
    let external = organization.external_id.clone().map(ClaimName::OrganizationExternalId);
    external.into_iter().chain([ClaimName::Slug(organization.slug.clone())]).collect()
}
