//! Changing an organization's own fields (rule T1).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::customer::{AccountClock, NAME};
use crate::model::{Organization, SettingsPatch, TraitPatch};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{ExternalId, Name, Slug};
use crate::time::Timestamp;

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OrganizationPatch {
    /// The name.
    pub name: Option<Name>,
    /// The slug; claimed already.
    pub slug: Option<Slug>,
    /// The vendor's id, settable once; claimed already.
    pub external_id: Option<ExternalId>,
    /// Settings.
    pub settings: SettingsPatch,
    /// Traits to merge.
    pub traits: TraitPatch,
}

/// Applies a patch to an organization.
#[derive(Debug)]
pub struct UpdateOrganization {
    /// Which.
    pub organization: OrganizationId,
    /// What.
    pub patch: OrganizationPatch,
    /// The pointers lead here until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for UpdateOrganization {
    type State = (Visible, Option<AccountClock>);
    type Output = (Organization, Organization);

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let clock = match &self.patch.name {
            Some(_) => view.get(&AccountClock::of(self.organization)).await?,
            None => None,
        };
        Ok((view.open_organization().await?, clock))
    }

    fn decide(
        &self,
        (visible, clock): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let (before, standing) = visible.open()?;
        let patch = &self.patch;
        let traits = before.traits.merged(&patch.traits)?;
        if let Some(life) = patch.settings.invitation_expires_in {
            facts.policies.invitations.check_life(life, "/settings/invitation_expires_in")?;
        }
        facts.policies.access.require(&standing, "organization:update", Reach::Organization)?;
        if patch.external_id.is_some()
            && before.external_id.is_some()
            && patch.external_id != before.external_id
        {
            return Err(Refusal::ExternalIdImmutable);
        }
        let after = Organization {
            name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
            slug: patch.slug.clone().unwrap_or_else(|| before.slug.clone()),
            external_id: patch.external_id.clone().or_else(|| before.external_id.clone()),
            settings: before.settings.merged(patch.settings),
            traits,
            ..before.clone()
        };
        if after == before {
            return Ok(Decision::unchanged((before, after)));
        }
        let event = Event::new("organization.updated", "organization", self.organization)
            .before(fields(&before))
            .after(fields(&after));
        // One that no source has named never takes its name from one.
        let renamed = clock.filter(|clock| clock.at.0.contains_key(NAME) && before.name != after.name);
        let decision =
            Decision::unchanged((before, after.clone())).put(Record::Organization(after)).event(event);
        Ok(match renamed {
            Some(mut clock) => {
                clock.name.overrule(facts.now);
                decision.put(clock.into())
            }
            None => decision,
        })
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}

fn fields(organization: &Organization) -> serde_json::Value {
    json!({
        "name": organization.name, "slug": organization.slug, "external_id": organization.external_id,
        "settings": organization.settings, "traits": organization.traits,
    })
}
