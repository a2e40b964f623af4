//! What sources say about organizations, where each group is one (rules G2, G4).

use super::update::{OrganizationPatch, UpdateOrganization};
use crate::facts::Facts;
use crate::home::{Home, Key, TheOrganization};
use crate::id::{AccountId, OrganizationId};
use crate::model::customer::{AccountClock, TheAccountClock};
use crate::model::{Organization, TraitPatch};
use crate::op::{Decision, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// What the clock calls the name.
pub(super) const NAME: &str = ".name";

/// Sets traits of an organization, each as far as no later message set it; and its name, if a source gave it its first
/// one. Whether the name is another one now.
#[derive(Debug)]
pub struct SetOrganizationBySource {
    /// Which.
    pub organization: OrganizationId,
    /// When the source said so.
    pub at: Timestamp,
    /// Its name, if it said one.
    pub name: Option<Name>,
    /// Its traits.
    pub traits: TraitPatch,
}

impl Operation for SetOrganizationBySource {
    type State = (Visible, Option<Organization>, AccountClock);
    type Output = bool;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        // No account bears the id of its organization.
        let own = AccountId::from_uuid(self.organization.uuid());
        let clock = view.get(&TheAccountClock(own)).await?;
        let clock = clock.unwrap_or(AccountClock { account: own, at: <_>::default() });
        let visible = view.open_organization().await?;
        Ok((visible, view.get(&TheOrganization).await?, clock))
    }

    fn decide(
        &self,
        (visible, found, mut clock): Self::State,
        facts: &Facts,
    ) -> Result<Decision<bool>, Refusal> {
        let organization = found.ok_or(Refusal::NotFound)?;
        let before = clock.clone();
        let traits = crate::ops::source::news(&self.traits, &organization.traits, &mut clock.at, self.at);
        let name = self.name.clone().filter(|name| {
            let greater = name.as_str() > organization.name.as_str();
            clock.at.0.contains_key(NAME) && clock.at.take(NAME, self.at, greater)
        });
        let renamed = name.as_ref().is_some_and(|name| *name != organization.name);
        let patch = OrganizationPatch { name, traits, ..OrganizationPatch::default() };
        let update = UpdateOrganization { organization: self.organization, patch, not_after: None };
        let decision = update.decide(visible, facts)?.giving(renamed);
        Ok(if before == clock { decision } else { decision.put(clock.into()) })
    }
}
