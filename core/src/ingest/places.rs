//! Which organization and account a message means.

use serde_json::{Map, Value};

use super::Unapplied;
use crate::flows::{resolve_account, resolve_organization};
use crate::home::Record;
use crate::id::{AccountId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest};
use crate::model::customer::{Groups, Source};
use crate::op::Roster;
use crate::reference::{AccountRef, OrganizationRef};
use crate::refusal::{OpError, Refusal};
use crate::text::ExternalId;

/// The organization that a group lies in, if it is there and something says which.
pub(super) async fn organization_of(
    roster: &Roster,
    source: &Source,
    group: &ExternalId,
    traits: &Map<String, Value>,
) -> Result<Option<OrganizationId>, Unapplied> {
    if let Groups::One(organization) = &source.groups {
        return Ok(Some(*organization));
    }
    let Some(external) = named_by(source, group, traits) else { return Ok(None) };
    match resolve_organization(roster, &OrganizationRef::External(external)).await {
        Ok(organization) => Ok(Some(organization)),
        Err(OpError::Refused(Refusal::NotFound)) => Err(Unapplied::Dead("organization_not_found")),
        Err(error) => Err(error.into()),
    }
}

/// The external id of the organization that a group lies in, where that is not always the same one.
pub(super) fn named_by(
    source: &Source,
    group: &ExternalId,
    traits: &Map<String, Value>,
) -> Option<ExternalId> {
    match &source.groups {
        Groups::One(_) => None,
        Groups::Each => Some(group.clone()),
        Groups::Trait(name) => traits.get(name).and_then(as_external_id),
    }
}

/// A string, or a whole number as text.
pub(crate) fn as_external_id(value: &Value) -> Option<ExternalId> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string().parse().ok(),
        _ => None,
    }
}

/// An account that exists, by the vendor's id.
pub(super) async fn account_of(
    roster: &Roster,
    organization: OrganizationId,
    group: &ExternalId,
) -> Result<Option<AccountId>, Unapplied> {
    match resolve_account(roster, &AccountRef::External(group.clone()), &[organization]).await {
        Ok((_, account)) => Ok(Some(account)),
        Err(OpError::Refused(Refusal::NotFound)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An account that exists, where the message does not say in which organization: in one of the user's.
pub(super) async fn account_among(
    roster: &Roster,
    user: UserId,
    group: &ExternalId,
) -> Result<(OrganizationId, AccountId), Unapplied> {
    let within = organizations_of(roster, user).await?;
    Ok(resolve_account(roster, &AccountRef::External(group.clone()), &within).await?)
}

/// Where a user is or was, at most 200.
pub(super) async fn organizations_of(
    roster: &Roster,
    user: UserId,
) -> Result<Vec<OrganizationId>, Unapplied> {
    let page = PageRequest { after: None, limit: 200 };
    let found = roster.store.list(&Listing::Memberships { user }, &page).await?;
    let pointers = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::Membership(at) => Some(at.organization),
        _ => None,
    });
    Ok(pointers.collect())
}
