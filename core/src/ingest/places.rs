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
use crate::store::StoreError;
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
    let (named, mut found) = (AccountRef::External(group.clone()), None);
    let mut memberships = Memberships::of(user);
    while let Some(within) = memberships.next(roster).await? {
        match resolve_account(roster, &named, &within).await {
            Ok(_) if found.is_some() => return Err(OpError::from(Refusal::AmbiguousExternalId).into()),
            Ok(one) => found = Some(one),
            Err(OpError::Refused(Refusal::NotFound)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.ok_or_else(|| OpError::from(Refusal::NotFound).into())
}

/// Where a user is or was, some at a time: there may be very many.
pub(super) struct Memberships {
    user: UserId,
    page: Option<PageRequest>,
}

impl Memberships {
    pub(super) const fn of(user: UserId) -> Self {
        Self { user, page: Some(PageRequest { after: None, limit: 200 }) }
    }

    /// The next of them; nothing where there are no more.
    pub(super) async fn next(&mut self, roster: &Roster) -> Result<Option<Vec<OrganizationId>>, StoreError> {
        let Some(page) = self.page.take() else { return Ok(None) };
        let found = roster.store.list(&Listing::Memberships { user: self.user }, &page).await?;
        let last = found.rows.last().filter(|_| found.more);
        self.page = last.map(|last| PageRequest { after: Some(last.position.clone()), ..page });
        let pointers = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::Membership(at) => Some(at.organization),
            _ => None,
        });
        Ok(Some(pointers.collect()))
    }
}
