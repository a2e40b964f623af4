//! From how a request names a thing to its id. What the id leads to is checked where it is read.

use super::claims;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{ClaimName, ClaimTarget, User, UserStatus};
use crate::op::Roster;
use crate::reference::{AccountRef, OrganizationRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// The organization meant; 404 for an unknown external id.
pub async fn resolve_organization(
    roster: &Roster,
    named: &OrganizationRef,
) -> Result<OrganizationId, OpError> {
    match named {
        OrganizationRef::Id(id) => Ok(*id),
        OrganizationRef::External(external) => {
            let name = ClaimName::OrganizationExternalId(external.clone());
            match claims::target(roster, &name).await? {
                Some(ClaimTarget::Organization(id)) => Ok(id),
                Some(ClaimTarget::User(_)) | None => Err(Refusal::NotFound.into()),
            }
        }
    }
}

/// The user meant; 404 for an unknown external id.
pub async fn resolve_user(roster: &Roster, named: &UserRef) -> Result<UserId, OpError> {
    match named {
        UserRef::Id(id) => Ok(*id),
        UserRef::External(external) => {
            match claims::target(roster, &ClaimName::UserExternalId(external.clone())).await? {
                Some(ClaimTarget::User(id)) => Ok(id),
                Some(ClaimTarget::Organization(_)) | None => Err(Refusal::NotFound.into()),
            }
        }
    }
}

/// The user meant, with their record; 404 for one who does not exist.
pub async fn find_user(roster: &Roster, named: &UserRef) -> Result<User, OpError> {
    let id = resolve_user(roster, named).await?;
    let read = roster.store.read(&Home::User(id), &[Key::User], &[]).await?;
    match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) => Ok(user.clone()),
        _ => Err(Refusal::NotFound.into()),
    }
}

/// The same for one to whom something is to be given: 404 for one who was erased too (rule L5).
pub async fn find_living(roster: &Roster, named: &UserRef) -> Result<User, OpError> {
    let user = find_user(roster, named).await?;
    if user.status == UserStatus::Erased { Err(Refusal::NotFound.into()) } else { Ok(user) }
}

/// Where an account lives and which it is. An external id is looked for in the organizations given; 409 where
/// several fit.
pub async fn resolve_account(
    roster: &Roster,
    named: &AccountRef,
    within: &[OrganizationId],
) -> Result<(OrganizationId, AccountId), OpError> {
    match named {
        AccountRef::Id(id) => match claims::target(roster, &ClaimName::Account(*id)).await? {
            Some(ClaimTarget::Organization(organization)) => Ok((organization, *id)),
            Some(ClaimTarget::User(_)) | None => Err(Refusal::NotFound.into()),
        },
        AccountRef::External(external) => {
            let key = Key::AccountExternalId(external.clone());
            let mut found = Vec::new();
            for organization in within {
                let home = Home::Organization(*organization);
                let read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
                if let Some(Record::AccountExternalId(_, account)) =
                    read.records.get(&key).map(|it| &it.record)
                {
                    found.push((*organization, *account));
                }
            }
            match found.as_slice() {
                [one] => Ok(*one),
                [] => Err(Refusal::NotFound.into()),
                _ => Err(Refusal::AmbiguousExternalId.into()),
            }
        }
    }
}
