//! What leads from one home to another: every thing can be found by its names, and what lists show is current; and whom
//! traits name: owners follow them.

use std::fmt;

use super::Report;
use crate::flows::lagging_owners;
use crate::flows::refresh::{organization_entry, user_entry};
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{
    Card, ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, Member, Organization, User, UserStatus,
};
use crate::op::Roster;
use crate::store::{Dump, StoreError};

/// A link that is not as it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Broken {
    /// A name does not lead to the thing that bears it.
    Claim(ClaimName, ClaimTarget),
    /// A directory does not show a thing as it is.
    Entry(DirectoryId),
    /// A member's home does not know of the organization.
    Pointer(OrganizationId, UserId),
    /// A member is shown as they are no more.
    Card(OrganizationId, UserId, Card),
    /// A member is nobody.
    Nobody(UserId),
    /// The owner of an account, or of the organization, is not whom the trait names.
    Owner(OrganizationId, Option<AccountId>),
}

impl Broken {
    /// The invariant that it breaks.
    pub(super) const fn invariant(&self) -> &'static str {
        match self {
            Self::Claim(..) => "claims",
            Self::Entry(_) => "directory",
            Self::Pointer(..) | Self::Nobody(_) => "pointers",
            Self::Card(..) => "cards",
            Self::Owner(..) => "owners",
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(name, _) => write!(f, "the {} does not lead here", name.kind()),
            Self::Entry(_) => f.write_str("the entry is missing or stale"),
            Self::Pointer(_, user) => write!(f, "{user} does not know of this organization"),
            Self::Card(_, user, _) => write!(f, "the card of {user} is stale"),
            Self::Nobody(user) => write!(f, "{user} does not exist"),
            Self::Owner(_, Some(account)) => write!(f, "the owner of {account} does not follow the trait"),
            Self::Owner(organization, None) => {
                write!(f, "the owner of {organization} does not follow the trait")
            }
        }
    }
}

/// Reports the broken links of a home.
pub(super) async fn check(
    roster: &Roster,
    home: &Home,
    dump: &Dump,
    report: Report<'_>,
) -> Result<(), StoreError> {
    for broken in broken(roster, home, dump).await? {
        report(broken.invariant(), broken.to_string());
    }
    Ok(())
}

/// The links of every record of a home that are not as they must be.
pub(super) async fn broken(roster: &Roster, home: &Home, dump: &Dump) -> Result<Vec<Broken>, StoreError> {
    let mut found = Vec::new();
    for stored in &dump.records {
        match (&stored.record, home) {
            (Record::User(user), _) => of_user(roster, user, &mut found).await?,
            (Record::Organization(organization), _) => {
                of_organization(roster, organization, &mut found).await?;
            }
            (Record::Account(account), Home::Organization(id)) => {
                let target = ClaimTarget::Organization(*id);
                check_claim(roster, ClaimName::Account(account.id), target, &mut found).await?;
            }
            (Record::Member(member), Home::Organization(id)) => {
                of_member(roster, *id, member, &mut found).await?;
            }
            _ => {}
        }
    }
    if let Home::Organization(id) = home {
        let lagging = lagging_owners(roster, *id, &dump.records).await?;
        found.extend(lagging.into_iter().map(|account| Broken::Owner(*id, account)));
    }
    Ok(found)
}

async fn one(roster: &Roster, home: &Home, key: Key) -> Result<Option<Record>, StoreError> {
    let mut read = roster.store.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.remove(&key).map(|stored| stored.record))
}

async fn check_claim(
    roster: &Roster,
    name: ClaimName,
    target: ClaimTarget,
    broken: &mut Vec<Broken>,
) -> Result<(), StoreError> {
    let found = one(roster, &Home::Claim(name.clone()), Key::Claim).await?;
    if !matches!(found, Some(Record::Claim(claim)) if claim.target == target) {
        broken.push(Broken::Claim(name, target));
    }
    Ok(())
}

async fn check_entry(
    roster: &Roster,
    entry: DirectoryEntry,
    broken: &mut Vec<Broken>,
) -> Result<(), StoreError> {
    let id = entry.id;
    let found = one(roster, &Home::directory(id), Key::DirectoryEntry(id)).await?;
    if found != Some(Record::DirectoryEntry(entry)) {
        broken.push(Broken::Entry(id));
    }
    Ok(())
}

async fn of_user(roster: &Roster, user: &User, broken: &mut Vec<Broken>) -> Result<(), StoreError> {
    let target = ClaimTarget::User(user.id);
    if let Some(email) = &user.email {
        check_claim(roster, ClaimName::email(email), target, broken).await?;
    }
    if let Some(external) = &user.external_id {
        check_claim(roster, ClaimName::UserExternalId(external.clone()), target, broken).await?;
    }
    check_entry(roster, user_entry(user), broken).await
}

async fn of_organization(
    roster: &Roster,
    organization: &Organization,
    broken: &mut Vec<Broken>,
) -> Result<(), StoreError> {
    let target = ClaimTarget::Organization(organization.id);
    check_claim(roster, ClaimName::Slug(organization.slug.clone()), target, broken).await?;
    if let Some(external) = &organization.external_id {
        check_claim(roster, ClaimName::OrganizationExternalId(external.clone()), target, broken).await?;
    }
    check_entry(roster, organization_entry(organization), broken).await
}

async fn of_member(
    roster: &Roster,
    organization: OrganizationId,
    member: &Member,
    broken: &mut Vec<Broken>,
) -> Result<(), StoreError> {
    let keys = [Key::User, Key::Membership(organization)];
    let read = roster.store.read(&Home::User(member.user), &keys, &[]).await?;
    if !read.records.contains_key(&keys[1]) {
        broken.push(Broken::Pointer(organization, member.user));
    }
    match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) if user.card() == member.card => {}
        // An erasure takes the names from here first, and from the person's own record last.
        Some(Record::User(user)) if user.status == UserStatus::Erased && member.card == Card::default() => {}
        Some(Record::User(_)) => broken.push(Broken::Card(organization, member.user, member.card.clone())),
        _ => broken.push(Broken::Nobody(member.user)),
    }
    Ok(())
}
