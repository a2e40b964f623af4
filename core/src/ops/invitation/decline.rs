//! Declining an invitation, by its link.

use serde_json::json;

use super::scene::{InviterRead, require_link};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheOrganization};
use crate::model::{Invitation, InvitationStatus, Organization, OrganizationStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::secret::InvitationLink;
use crate::store::StoreError;

/// Ends a pending invitation for the one who was invited.
#[derive(Debug)]
pub struct DeclineInvitation {
    /// By which link.
    pub link: InvitationLink,
}

impl Operation for DeclineInvitation {
    type State = (Option<Organization>, Option<Invitation>, InviterRead);
    type Output = (Organization, Invitation);

    fn home(&self) -> Home {
        Home::Organization(self.link.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([Key::Organization, Key::Invitation(self.link.invitation)]).await?;
        let invitation = view.get(&self.link.invitation).await?;
        if let Some(invitation) = &invitation {
            view.fetch([Key::InvitedAddress(invitation.email.key().to_owned())]).await?;
        }
        let inviter = InviterRead::of_pending(view, invitation.as_ref()).await?;
        Ok((view.get(&TheOrganization).await?, invitation, inviter))
    }

    fn decide(
        &self,
        (organization, invitation, inviter): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let organization = organization.filter(|it| it.status == OrganizationStatus::Active);
        let (Some(organization), Some(before)) = (organization, invitation) else {
            return Err(Refusal::NotFound);
        };
        if before.status == InvitationStatus::Declined && before.link == self.link.number {
            return Ok(Decision::unchanged((organization, before)));
        }
        require_link(&before, self.link.number, None)?;
        if inviter.is_gone(&before, facts.now) {
            return Err(Refusal::InvitationRevoked);
        }
        let after = before.ended(InvitationStatus::Declined, facts.now);
        let event = Event::new("invitation.declined", "invitation", after.id)
            .before(json!({"status": before.status}))
            .after(json!({"status": after.status}));
        Ok(Decision::unchanged((organization, after.clone()))
            .remove(Key::InvitedAddress(after.email.key().to_owned()))
            .put(Record::Invitation(after))
            .event(event))
    }
}
