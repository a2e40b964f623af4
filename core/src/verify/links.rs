//! What leads from one home to another: every thing can be found by its names, and what lists show is current.

use super::Report;
use crate::home::{Home, Key, Record};
use crate::model::{
    ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, Member, Organization, OrganizationStatus, User,
};
use crate::op::Roster;
use crate::store::{Dump, StoreError};
use crate::text::search_keys;

/// Checks the links of every record of a home.
pub(super) async fn check(
    roster: &Roster,
    home: &Home,
    dump: &Dump,
    report: Report<'_>,
) -> Result<(), StoreError> {
    for stored in &dump.records {
        match (&stored.record, home) {
            (Record::User(user), _) => check_user(roster, user, report).await?,
            (Record::Organization(organization), _) => {
                check_organization(roster, organization, report).await?;
            }
            (Record::Account(account), Home::Organization(id)) => {
                check_claim(roster, ClaimName::Account(account.id), ClaimTarget::Organization(*id), report)
                    .await?;
            }
            (Record::Member(member), Home::Organization(id)) => {
                check_member(roster, *id, member, report).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn one(roster: &Roster, home: &Home, key: Key) -> Result<Option<Record>, StoreError> {
    let mut read = roster.store.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.remove(&key).map(|stored| stored.record))
}

async fn check_claim(
    roster: &Roster,
    name: ClaimName,
    target: ClaimTarget,
    report: Report<'_>,
) -> Result<(), StoreError> {
    let found = one(roster, &Home::Claim(name.clone()), Key::Claim).await?;
    if !matches!(found, Some(Record::Claim(claim)) if claim.target == target) {
        report("claims", format!("the {} does not lead here", name.kind()));
    }
    Ok(())
}

async fn check_entry(roster: &Roster, entry: DirectoryEntry, report: Report<'_>) -> Result<(), StoreError> {
    let found = one(roster, &Home::directory(entry.id), Key::DirectoryEntry(entry.id)).await?;
    if found != Some(Record::DirectoryEntry(entry)) {
        report("directory", "the entry is missing or stale".into());
    }
    Ok(())
}

async fn check_user(roster: &Roster, user: &User, report: Report<'_>) -> Result<(), StoreError> {
    let target = ClaimTarget::User(user.id);
    if let Some(email) = &user.email {
        check_claim(roster, ClaimName::email(email), target, report).await?;
    }
    if let Some(external) = &user.external_id {
        check_claim(roster, ClaimName::UserExternalId(external.clone()), target, report).await?;
    }
    check_entry(roster, crate::flows::user_entry(user), report).await
}

async fn check_organization(
    roster: &Roster,
    organization: &Organization,
    report: Report<'_>,
) -> Result<(), StoreError> {
    let target = ClaimTarget::Organization(organization.id);
    check_claim(roster, ClaimName::Slug(organization.slug.clone()), target, report).await?;
    if let Some(external) = &organization.external_id {
        check_claim(roster, ClaimName::OrganizationExternalId(external.clone()), target, report).await?;
    }
    let search = search_keys(Some(&organization.name), None, organization.external_id.as_ref());
    let active = organization.status == OrganizationStatus::Active;
    check_entry(
        roster,
        DirectoryEntry { id: DirectoryId::Organization(organization.id), search, active },
        report,
    )
    .await
}

async fn check_member(
    roster: &Roster,
    organization: crate::id::OrganizationId,
    member: &Member,
    report: Report<'_>,
) -> Result<(), StoreError> {
    let home = Home::User(member.user);
    let keys = [Key::User, Key::Membership(organization)];
    let read = roster.store.read(&home, &keys, &[]).await?;
    if !read.records.contains_key(&keys[1]) {
        report("pointers", format!("{} does not know of this organization", member.user));
    }
    match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) if user.card() == member.card => {}
        Some(Record::User(_)) => report("cards", format!("the card of {} is stale", member.user)),
        _ => report("pointers", format!("{} does not exist", member.user)),
    }
    Ok(())
}
