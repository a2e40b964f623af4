//! Changing a pending invitation (rules I5, M11).

use super::fields;
use super::scene::{InvitationRead, InviterRead, may_manage};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{InvitationId, OrganizationId};
use crate::model::{Invitation, InvitationStatus, Inviter};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::member::{AccessAsk, AskRead};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct InvitationPatch {
    /// What the person will reach.
    pub access: Option<AccessAsk>,
    /// What they are called.
    pub name: Option<Option<Name>>,
    /// How long the link lives from now on, in seconds.
    pub expires_in: Option<u32>,
}

/// Applies a patch to a pending invitation; whoever does it stands for the invitation from then on.
#[derive(Debug)]
pub struct UpdateInvitation {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
    /// What.
    pub patch: InvitationPatch,
}

impl Operation for UpdateInvitation {
    type State = (InvitationRead, InviterRead, Option<AskRead>);
    type Output = Invitation;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Invitation(self.invitation))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let asked = match &self.patch.access {
            Some(access) => Some(access.load(view).await?),
            None => None,
        };
        let read = InvitationRead::load(view, self.invitation).await?;
        let inviter = InviterRead::of_pending(view, read.invitation.as_ref()).await?;
        Ok((read, inviter, asked))
    }

    fn decide(
        &self,
        (read, inviter, asked): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Invitation>, Refusal> {
        let (organization, standing) = read.visible.open()?;
        if let Some(life) = self.patch.expires_in {
            facts.policies.invitations.check_life(life, "/expires_in")?;
        }
        let before = read.invitation.ok_or(Refusal::NotFound)?;
        let granting = match (&self.patch.access, &asked) {
            (Some(access), Some(asked)) => Some(access.resolve(asked)?),
            (_, _) => None,
        };
        let access = granting.as_ref().map_or(&before.access, |granting| &granting.access);
        may_manage(&standing, &before.access, facts)?;
        may_manage(&standing, access, facts)?;
        facts.policies.access.may_grant(&standing, access)?;
        if before.status != InvitationStatus::Pending || inviter.is_gone(&before, facts.now) {
            return Err(Refusal::InvitationNotPending);
        }
        if let Some(granting) = &granting {
            granting.none_archived_anew(&before.access)?;
        }
        let life = self.patch.expires_in.unwrap_or(before.life);
        let mut after = Invitation {
            access: access.clone(),
            name: self.patch.name.clone().unwrap_or_else(|| before.name.clone()),
            life,
            ..before.clone()
        };
        if granting.is_some() {
            let holds = organization.settings.invitations_hold_seats || before.holds_seat;
            after.holds_seat = holds && !access.is_empty();
            // Whoever gives the access vouches for it, the same access too (rule I6).
            after.invited_by = Inviter::of(&facts.actor, facts.now);
        }
        if self.patch.expires_in.is_some() {
            after.expires_at = facts.now.plus_seconds(i64::from(life));
        }
        if after == before {
            return Ok(Decision::unchanged(before));
        }
        after.invited_by = Inviter::of(&facts.actor, facts.now);
        let event = Event::new("invitation.updated", "invitation", after.id)
            .before(fields(&before))
            .after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(Record::Invitation(after)).event(event))
    }
}
