//! Making an organization: owner, names, directory, then the organization with everything in it (rule O1).

use super::claims::{self, Held, Taken};
use super::create_user::{NewUser, find_or_create_user};
use super::refresh::{refresh_card, tidied};
use crate::facts::Request;
use crate::id::{AccountId, OrganizationId};
use crate::model::{ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, User};
use crate::op::{Done, Roster, run};
use crate::ops::organization::{CreateOrganization, FirstAccount, Told};
use crate::ops::pointer::{PointToOrganization, PutDirectoryEntry};
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name, Slug, search_keys};
use crate::time::Timestamp;

/// What an organization is made from.
#[derive(Clone, PartialEq, Debug)]
pub struct NewOrganization {
    /// Its name.
    pub name: Name,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// The slug asked for; made from the name if none.
    pub slug: Option<Slug>,
    /// The owner, made if unknown.
    pub owner: NewUser,
    /// Seats paid for; none is unlimited.
    pub purchased: Option<u32>,
    /// Accounts; one with the organization's own name and external id if there are none.
    pub accounts: Vec<(Name, Option<ExternalId>)>,
}

/// The most accounts that one request can make with an organization.
pub const MAX_FIRST_ACCOUNTS: usize = 100;

impl NewOrganization {
    /// Whether such an organization can be, whoever asks for it.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.purchased == Some(0) {
            return Err(Refusal::invalid("/seats/purchased", "must be at least 1, or null for unlimited"));
        }
        if self.accounts.len() > MAX_FIRST_ACCOUNTS {
            return Err(Refusal::invalid(
                "/accounts",
                "at most 100 accounts can be made with an organization",
            ));
        }
        let mut externals: Vec<_> =
            self.accounts.iter().filter_map(|(_, external)| external.as_ref()).collect();
        externals.sort_unstable();
        if externals.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Refusal::invalid("/accounts", "two accounts have the same external id"));
        }
        Ok(())
    }
}

/// Makes an organization. Operators only.
pub async fn create_organization(
    roster: &Roster,
    request: &Request,
    new: &NewOrganization,
) -> Result<Done<OrganizationId>, OpError> {
    new.check()?;
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    take_names(roster, request, new, Owner::New(&new.owner)).await
}

/// Makes the organization of a source's group, owned by whom an operator has named for that (rules O1, O6).
pub(crate) async fn create_organization_of_group(
    roster: &Roster,
    request: &Request,
    group: &NewOrganization,
    owner: &User,
    told: Told,
) -> Result<Done<OrganizationId>, OpError> {
    take_names(roster, request, group, Owner::Named(owner, told)).await
}

/// Whose an organization is to be.
#[derive(Clone, Copy)]
enum Owner<'a> {
    /// Somebody by what is known of them, made if unknown.
    New(&'a NewUser),
    /// Somebody who is there, for a source.
    Named(&'a User, Told),
}

async fn take_names(
    roster: &Roster,
    request: &Request,
    new: &NewOrganization,
    owner: Owner<'_>,
) -> Result<Done<OrganizationId>, OpError> {
    let id = OrganizationId::from_uuid(request.seed.uuid("organization"));
    let accounts = first_accounts(request, new);
    let target = ClaimTarget::Organization(id);
    let external = new.external_id.clone().map(ClaimName::OrganizationExternalId);
    let names: Vec<ClaimName> =
        accounts.iter().map(|account| ClaimName::Account(account.id)).chain(external).collect();
    let held = match claims::take(roster, request, &names, target).await? {
        Taken::All(held) => held,
        Taken::Not(_) => return Err(Refusal::ExternalIdExists.into()),
    };
    let (slug, slug_held) = held.through(roster, request, take_slug(roster, request, new, target)).await?;
    let not_after = held.not_after.min(slug_held.not_after);
    let made = Box::pin(make(roster, request, new, owner, id, accounts, (slug, not_after)));
    held.through(roster, request, slug_held.through(roster, request, made)).await
}

/// Owner, directory and the pointer in the owner's home, then the organization.
async fn make(
    roster: &Roster,
    request: &Request,
    new: &NewOrganization,
    owner: Owner<'_>,
    id: OrganizationId,
    accounts: Vec<FirstAccount>,
    (slug, not_after): (Slug, Timestamp),
) -> Result<Done<OrganizationId>, OpError> {
    let (owner, told) = match owner {
        Owner::New(owner) => (find_or_create_user(roster, &request.step("owner"), owner).await?.user, None),
        Owner::Named(owner, told) => (owner.clone(), Some(told)),
    };
    let search = search_keys(Some(&new.name), None, new.external_id.as_ref());
    let entry = DirectoryEntry { id: DirectoryId::Organization(id), search, active: true };
    let entry = PutDirectoryEntry { entry, anew: true };
    run(roster, &request.as_system("directory"), &entry).await?;
    let pointer = PointToOrganization { user: owner.id, organization: id };
    let cuts = run(roster, &request.as_system("pointer"), &pointer).await?.output.number;
    let operation = CreateOrganization {
        id,
        name: new.name.clone(),
        slug,
        external_id: new.external_id.clone(),
        owner: owner.id,
        card: owner.card(),
        cuts,
        purchased: new.purchased,
        accounts,
        told,
        not_after: Some(not_after),
    };
    let done = run(roster, &Request { receipt: None, ..request.clone() }, &operation).await?;
    tidied(refresh_card(roster, request, id, owner.id, owner.card()).await);
    Ok(done)
}

fn first_accounts(request: &Request, new: &NewOrganization) -> Vec<FirstAccount> {
    let own = [(new.name.clone(), new.external_id.clone())];
    let asked = if new.accounts.is_empty() { own.as_slice() } else { new.accounts.as_slice() };
    let id = |n: usize| AccountId::from_uuid(request.seed.uuid(&format!("account {n}")));
    asked
        .iter()
        .enumerate()
        .map(|(n, (name, external_id))| FirstAccount {
            id: id(n),
            name: name.clone(),
            external_id: external_id.clone(),
        })
        .collect()
}

/// How many numbers are tried one after the other behind a name.
const NEAR: u32 = 20;

/// The slug asked for, or the first free one made from the name; where twenty are taken, one with a number from the id.
async fn take_slug(
    roster: &Roster,
    request: &Request,
    new: &NewOrganization,
    target: ClaimTarget,
) -> Result<(Slug, Held), OpError> {
    let base = new.slug.clone().unwrap_or_else(|| Slug::from_name(&new.name));
    // Where many bear the same name, no search goes through all of them.
    let far = match target {
        ClaimTarget::Organization(id) => {
            1_000_000 + u32::try_from(id.uuid().as_u128() % 1_000_000_000).unwrap_or(0)
        }
        ClaimTarget::User(_) => 1_000_000,
    };
    for n in (1..NEAR).chain(far..far + NEAR) {
        let slug = base.numbered(n);
        match claims::take(roster, request, &[ClaimName::Slug(slug.clone())], target).await? {
            Taken::All(held) => return Ok((slug, held)),
            Taken::Not(_) if new.slug.is_some() => return Err(Refusal::SlugExists.into()),
            Taken::Not(_) => {}
        }
    }
    Err(Refusal::SlugExists.into())
}
