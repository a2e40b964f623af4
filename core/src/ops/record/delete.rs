//! Taking a record off.

use super::put::settled;
use super::{fields, reach};
use crate::facts::Facts;
use crate::home::{Home, Key, TheMember, TheSuccessions};
use crate::id::OrganizationId;
use crate::model::{Holding, HoldingName, Member, Successions};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes a record off: it is gone in the vendor's product.
#[derive(Debug)]
pub struct DeleteRecord {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub name: HoldingName,
}

impl Operation for DeleteRecord {
    type State = (Visible, Option<Holding>, Successions, Option<Member>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Holding(self.name.clone()))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::Holding(self.name.clone()), Key::Successions]).await?;
        let stored = view.get(&self.name).await?;
        let visible = view.open_organization().await?;
        let visible = view.stand_on(visible, stored.as_ref().and_then(|stored| stored.account)).await?;
        let successions = view.get(&TheSuccessions).await?.unwrap_or_default();
        let owner = match &stored {
            Some(stored) => view.get(&TheMember(successions.apply(stored).owner)).await?,
            None => None,
        };
        Ok((visible, stored, successions, owner))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (visible, stored, successions, owner) = read;
        let (_, standing) = visible.open()?;
        let stored = stored.ok_or(Refusal::NotFound)?;
        facts.policies.access.require(&standing, "records:manage", reach(stored.account))?;
        let before = successions.apply(&stored);
        let event = Event { user: Some(before.owner), ..Event::new("record.deleted", "record", before.id) }
            .before(fields(&before, owner.as_ref()));
        let decision = Decision::unchanged(()).remove(Key::Holding(self.name.clone())).event(event);
        Ok(settled(decision, successions, &stored))
    }
}
