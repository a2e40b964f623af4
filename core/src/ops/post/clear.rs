//! Emptying a post by hand.

use super::set::{place, predecessor, without};
use super::{Place, event, require, subject};
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::OrganizationId;
use crate::model::{HeldPosts, PostName};
use crate::op::{Decision, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Empties a post; one that nobody holds stays so.
#[derive(Debug)]
pub struct ClearPost {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub name: PostName,
}

impl Operation for ClearPost {
    type State = (Visible, Option<Place>, Option<HeldPosts>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(subject(&self.name))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = view.open_organization().await?;
        let visible = view.stand_on(visible, self.name.account).await?;
        let place = place(view, &self.name).await?;
        let predecessor = predecessor(view, place.as_ref(), &self.name).await?;
        Ok((visible, place, predecessor))
    }

    fn decide(&self, (visible, place, held): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (_, standing) = visible.open()?;
        let place = place.ok_or(Refusal::NotFound)?;
        require(&self.name, &standing, facts)?;
        let role = self.name.key_role.as_ref();
        let Some(before) = place.posts().get(role).cloned() else { return Ok(Decision::unchanged(())) };
        let decision = without(Decision::unchanged(()), held, &self.name);
        let event = event(&self.name, &place, Some(&before), None);
        Ok(decision.event(event).put(place.with(role, None).record()))
    }
}
