//! Taking an invitation back (rule I4).

use serde_json::json;

use super::scene::{InvitationRead, may_manage};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId};
use crate::model::InvitationStatus;
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Ends a pending invitation; its seat is free at once.
#[derive(Debug)]
pub struct RevokeInvitation {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
}

impl Operation for RevokeInvitation {
    type State = InvitationRead;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Invitation(self.invitation))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        InvitationRead::load(view, self.invitation).await
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (_, standing) = read.visible.open()?;
        let before = read.invitation.ok_or(Refusal::NotFound)?;
        may_manage(&standing, &before.access, facts)?;
        if before.status != InvitationStatus::Pending {
            return Err(Refusal::InvitationNotPending);
        }
        let event = Event::new("invitation.revoked", "invitation", before.id)
            .before(json!({"status": before.status}))
            .after(json!({"status": InvitationStatus::Revoked}));
        Ok(Decision::unchanged(())
            .remove(Key::InvitedAddress(before.email.key().to_owned()))
            .put(Record::Invitation(before.ended(InvitationStatus::Revoked, facts.now)))
            .event(event))
    }
}
