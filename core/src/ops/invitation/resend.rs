//! Sending an invitation again: a new link, a new life (rule I4).

use super::scene::{InvitationRead, may_manage};
use super::{fields, is_not_in};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheInvitedAddress, TheMember};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Invitation, InvitationStatus, Inviter, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Replaces the link of an invitation; brings an expired one back. Whoever does it stands for it from then on.
#[derive(Debug)]
pub struct ResendInvitation {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
    /// Whose the invited address is, if anybody's.
    pub user: Option<UserId>,
}

impl Operation for ResendInvitation {
    type State = (InvitationRead, Option<InvitationId>, Option<MemberStatus>);
    type Output = Invitation;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Invitation(self.invitation))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let read = InvitationRead::load(view, self.invitation).await?;
        let other = match &read.invitation {
            Some(invitation) => view.get(&TheInvitedAddress(invitation.email.key().to_owned())).await?,
            None => None,
        };
        let other = match other.filter(|other| *other != self.invitation) {
            Some(id) => {
                view.get(&id).await?.filter(|it| it.status == InvitationStatus::Pending).map(|it| it.id)
            }
            None => None,
        };
        let member = match self.user {
            Some(user) => view.get(&TheMember(user)).await?.map(|member| member.status),
            None => None,
        };
        Ok((read, other, member))
    }

    fn decide(
        &self,
        (read, other, member): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Invitation>, Refusal> {
        let (organization, standing) = read.visible.open()?;
        let before = read.invitation.ok_or(Refusal::NotFound)?;
        may_manage(&standing, &before.access, facts)?;
        facts.policies.access.may_grant(&standing, &before.access)?;
        if !matches!(before.status, InvitationStatus::Pending | InvitationStatus::Expired) {
            return Err(Refusal::InvitationNotPending);
        }
        is_not_in(member)?;
        if other.is_some() {
            return Err(Refusal::InvitationExists);
        }
        let holds = before.status == InvitationStatus::Pending && before.holds_seat;
        let after = Invitation {
            status: InvitationStatus::Pending,
            invited_by: Inviter::of(&facts.actor),
            holds_seat: holds || organization.settings.invitations_hold_seats && !before.access.is_empty(),
            link: before.link + 1,
            sent_at: facts.now,
            expires_at: facts.now.plus_seconds(i64::from(before.life)),
            ended_at: None,
            ..before.clone()
        };
        let event = Event::new("invitation.resent", "invitation", after.id)
            .before(fields(&before))
            .after(fields(&after));
        Ok(Decision::unchanged(after.clone())
            .put(Record::InvitedAddress(after.email.key().to_owned(), after.id))
            .put(Record::Invitation(after))
            .event(event))
    }
}
