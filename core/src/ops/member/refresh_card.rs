//! Refreshing what lists show of a person, after the person's own record has changed. Housekeeping.

use crate::facts::Facts;
use crate::home::{Home, Record, TheMember};
use crate::id::{OrganizationId, UserId};
use crate::model::{Card, Member};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Writes the card of a membership; nothing where there is none. Whether it was out of date.
#[derive(Debug)]
pub struct RefreshCard {
    /// Where.
    pub organization: OrganizationId,
    /// Whose.
    pub user: UserId,
    /// The person's own fields.
    pub card: Card,
}

impl Operation for RefreshCard {
    type State = Option<Member>;
    type Output = bool;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheMember(self.user)).await
    }

    fn decide(&self, member: Option<Member>, _: &Facts) -> Result<Decision<bool>, Refusal> {
        Ok(match member.filter(|member| member.card != self.card) {
            Some(member) => {
                let member = Member { card: self.card.clone(), ..member };
                Decision::unchanged(true).put(Record::Member(member))
            }
            None => Decision::unchanged(false),
        })
    }
}
