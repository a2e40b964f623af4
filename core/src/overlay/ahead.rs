//! What is going to be asked for, gathered so that it is read at once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Overlay, Wanted};
use crate::home::{Home, Key, Record, Tally};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{ClaimName, ClaimTarget};
use crate::store::{Store as _, StoreError};
use crate::text::ExternalId;

/// Keys by home; of organizations also how many seats are used.
#[derive(Debug, Default)]
pub(crate) struct Ahead(BTreeMap<Home, BTreeSet<Key>>);

impl Ahead {
    /// Adds keys of a home.
    pub(crate) fn add(&mut self, home: Home, keys: impl IntoIterator<Item = Key>) {
        self.0.entry(home).or_default().extend(keys);
    }

    /// Reads all of it.
    pub(crate) async fn fetch(self, overlay: &Overlay) -> Result<(), StoreError> {
        let wanted = self.0.into_iter().map(|(home, keys)| {
            let tallies = if matches!(home, Home::Organization(_)) { vec![Tally::Seats] } else { Vec::new() };
            Wanted { home, keys: keys.into_iter().collect(), tallies }
        });
        overlay.fetch(wanted.collect()).await
    }
}

impl Overlay {
    /// To whom a name leads, whether or not they bear it still.
    pub(crate) async fn user_of(&self, name: ClaimName) -> Result<Option<UserId>, StoreError> {
        Ok(match self.target_of(name).await? {
            Some(ClaimTarget::User(user)) => Some(user),
            Some(ClaimTarget::Organization(_)) | None => None,
        })
    }

    /// The same of an organization.
    pub(crate) async fn organization_of(
        &self,
        name: ClaimName,
    ) -> Result<Option<OrganizationId>, StoreError> {
        Ok(match self.target_of(name).await? {
            Some(ClaimTarget::Organization(organization)) => Some(organization),
            Some(ClaimTarget::User(_)) | None => None,
        })
    }

    async fn target_of(&self, name: ClaimName) -> Result<Option<ClaimTarget>, StoreError> {
        let read = self.read(&Home::Claim(name), &[Key::Claim], &[]).await?;
        Ok(match read.records.get(&Key::Claim).map(|stored| &stored.record) {
            Some(Record::Claim(claim)) => Some(claim.target),
            _ => None,
        })
    }

    /// The account that has an external id.
    pub(crate) async fn account_of(
        &self,
        organization: OrganizationId,
        external: &ExternalId,
    ) -> Result<Option<AccountId>, StoreError> {
        let key = Key::AccountExternalId(external.clone());
        let read = self.read(&Home::Organization(organization), std::slice::from_ref(&key), &[]).await?;
        Ok(match read.records.get(&key).map(|stored| &stored.record) {
            Some(Record::AccountExternalId(_, account)) => Some(*account),
            _ => None,
        })
    }
}
