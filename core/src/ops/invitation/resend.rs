//! Sending an invitation again: a new link, a new life (rule I4).

use super::overtake::{PendingRead, replaced};
use super::scene::{InvitationRead, InviterRead, all_there, load_accounts, may_manage};
use super::{fields, is_not_in};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Invitation, InvitationStatus, Inviter, Letter, Mail, Member};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::mail::Posting;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Replaces the link of an invitation; brings an expired one back. Whoever does it stands for it from then on.
#[derive(Debug)]
pub struct ResendInvitation {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
    /// Whose the invited address is, if anybody's.
    pub user: Option<UserId>,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// When they were last.
    pub cut_at: Option<Timestamp>,
    /// The letter that takes the link to them, if there is to be one.
    pub mail: Option<Posting>,
}

/// What the organization's home says.
#[derive(Debug)]
pub struct ResendRead {
    read: InvitationRead,
    inviter: InviterRead,
    other: Option<PendingRead>,
    member: Option<Member>,
    accounts_there: bool,
}

impl Operation for ResendInvitation {
    type State = ResendRead;
    type Output = Invitation;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Invitation(self.invitation))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let read = InvitationRead::load(view, self.invitation).await?;
        let inviter = InviterRead::of_pending(view, read.invitation.as_ref()).await?;
        let other = match &read.invitation {
            Some(invitation) => PendingRead::load(view, &invitation.email).await?,
            None => None,
        };
        let other = other.filter(|other| other.invitation.id != self.invitation);
        let member = match self.user {
            Some(user) => view.get(&TheMember(user)).await?,
            None => None,
        };
        let accounts_there = match &read.invitation {
            Some(invitation) => load_accounts(view, &invitation.access).await?,
            None => true,
        };
        Ok(ResendRead { read, inviter, other, member, accounts_there })
    }

    fn decide(&self, state: Self::State, facts: &Facts) -> Result<Decision<Invitation>, Refusal> {
        let ResendRead { read, inviter, other, member, accounts_there } = state;
        let (organization, standing) = read.visible.open()?;
        let before = read.invitation.ok_or(Refusal::NotFound)?;
        may_manage(&standing, &before.access, facts)?;
        facts.policies.access.may_grant(&standing, &before.access)?;
        let is_alive = matches!(before.status, InvitationStatus::Pending | InvitationStatus::Expired);
        if !is_alive || inviter.is_gone(&before, facts.now) {
            return Err(Refusal::InvitationNotPending);
        }
        is_not_in(member.as_ref(), self.cuts, facts.now)?;
        if other.as_ref().is_some_and(|other| !other.is_dead(member.as_ref(), self.cut_at, facts.now)) {
            return Err(Refusal::InvitationExists);
        }
        all_there(&before.access, standing.roles(), accounts_there)?;
        let holds = before.status == InvitationStatus::Pending && before.holds_seat;
        let after = Invitation {
            status: InvitationStatus::Pending,
            invited_by: Inviter::of(&facts.actor, facts.now),
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
        let letter = Letter::Invitation { invitation: after.id, link: after.link };
        let mail = self.mail.and_then(|posting| Mail::of(posting.id, [letter], facts.now));
        let mut decision = Decision::unchanged(after.clone());
        if let Some(dead) = other {
            decision = replaced(decision, &dead.invitation, facts.now);
        }
        let mut decision = decision
            .put(Record::InvitedAddress(after.email.key().to_owned(), after.id))
            .put(Record::Invitation(after))
            .event(event);
        decision.puts.extend(mail.map(Record::Mail));
        Ok(decision)
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}
