//! What sources say about organizations, where each group is one (rules G2, G4).

use super::update::{OrganizationPatch, UpdateOrganization};
use crate::facts::Facts;
use crate::home::{Home, Key, TheOrganization};
use crate::id::{OrganizationId, SourceId};
use crate::model::customer::{AccountClock, NAME};
use crate::model::{Organization, TraitPatch};
use crate::op::{Decision, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// Sets traits of an organization, each as far as no later message set it; and its name, if a source gave it its first
/// one; one that was given by hand then stays until a source says another than before. Whether the name is another one
/// now.
#[derive(Debug)]
pub struct SetOrganizationBySource {
    /// Which.
    pub organization: OrganizationId,
    /// Which source says so.
    pub source: SourceId,
    /// When it said so.
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
        let own = AccountClock::of(self.organization);
        let clock = view.get(&own).await?.unwrap_or_else(|| AccountClock::new(own.0));
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
        let name = self.name.as_ref().filter(|_| clock.at.0.contains_key(NAME));
        let said =
            |name| clock.name.take(&mut clock.at, self.source, name, Some(&organization.name), self.at);
        let name = name.and_then(said);
        let renamed = name.as_ref().is_some_and(|name| *name != organization.name);
        let patch = OrganizationPatch { name, traits, ..OrganizationPatch::default() };
        let update = UpdateOrganization { organization: self.organization, patch, not_after: None };
        let decision = update.decide((visible, None), facts)?.giving(renamed);
        Ok(if before == clock { decision } else { decision.put(clock.into()) })
    }
}
