//! Accepting an invitation: invitation, member, seat and log in one commit (rules I2, I3, I6, S2, M7, M9).

use serde_json::json;

use super::is_not_in;
use super::scene::{InviterHead, InviterRead, all_there, is_overtaken, load_accounts, require_link};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember, TheOrganization};
use crate::id::UserId;
use crate::model::{
    Card, Invitation, InvitationStatus, Member, MemberStatus, Organization, OrganizationStatus,
};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::post::HeldRead;
use crate::policy::Roles;
use crate::refusal::Refusal;
use crate::secret::InvitationLink;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Makes the person who was invited a member.
#[derive(Debug)]
pub struct AcceptInvitation {
    /// By which link.
    pub link: InvitationLink,
    /// Who accepts.
    pub user: UserId,
    /// The key of their address; nothing for somebody without one.
    pub address: Option<String>,
    /// What lists show of them.
    pub card: Card,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// When that was the last time.
    pub cut_at: Option<Timestamp>,
    /// What the home of whoever stands for it says of them, if it is a person.
    pub inviter: Option<InviterHead>,
}

/// What the organization's home says.
#[derive(Debug)]
pub struct AcceptRead {
    organization: Option<Organization>,
    invitation: Option<Invitation>,
    member: Option<Member>,
    held: HeldRead,
    inviter: InviterRead,
    accounts_there: bool,
    roles: Roles,
}

impl Operation for AcceptInvitation {
    type State = AcceptRead;
    type Output = (Organization, Member);

    fn home(&self) -> Home {
        Home::Organization(self.link.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<AcceptRead, StoreError> {
        let own = [Key::Member(self.user), Key::HeldPosts(self.user)];
        view.fetch([Key::Organization, Key::Invitation(self.link.invitation)].into_iter().chain(own)).await?;
        let organization = view.get(&TheOrganization).await?;
        let (invitation, member) =
            (view.get(&self.link.invitation).await?, view.get(&TheMember(self.user)).await?);
        let held = HeldRead::load(view, self.user).await?;
        let (mut inviter, mut accounts_there) = (InviterRead::Always, true);
        if let Some(invitation) = &invitation {
            view.fetch([Key::InvitedAddress(invitation.email.key().to_owned())]).await?;
            inviter = InviterRead::load(view, invitation.invited_by).await?;
            accounts_there = load_accounts(view, &invitation.access).await?;
        }
        let roles = view.roles();
        Ok(AcceptRead { organization, invitation, member, held, inviter, accounts_there, roles })
    }

    fn decide(&self, read: AcceptRead, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let open = read.organization.filter(|it| it.status == OrganizationStatus::Active);
        let (Some(organization), Some(invitation)) = (open, read.invitation) else {
            return Err(Refusal::NotFound);
        };
        // Whoever it is not for learns nothing of how it stands; whom it made a member may have another address by now.
        let used = invitation.status == InvitationStatus::Accepted;
        if !used && self.address.as_deref() != Some(invitation.email.key()) {
            return Err(Refusal::WrongRecipient);
        }
        require_link(&invitation, self.link.number, Some(self.user))?;
        if used {
            let member = read.member.filter(|member| member.survives(self.cuts));
            return still_member(&invitation, member)
                .map(|member| Decision::unchanged((organization, member)));
        }
        let stored = read.member.as_ref();
        if stored.is_some_and(|it| it.epoch > self.cuts) || is_overtaken(&invitation, stored, self.cut_at) {
            return Err(Refusal::InvitationRevoked);
        }
        // One who was removed from everything left then, swept or not.
        let left = self.cut_at.map_or(facts.now, |cut| cut.min(facts.now));
        let before = read.member.map(|member| member.after_cuts(self.cuts, left));
        is_not_in(before.as_ref(), self.cuts, facts.now)?;
        all_there(&invitation.access, &read.roles, read.accounts_there)?;
        read.inviter.still_may(&invitation, self.inviter, &read.roles, facts)?;
        let member = Member::joining(
            self.user,
            self.card.clone(),
            read.roles.standing_part(&invitation.access),
            facts.now,
        )
        .after(before.as_ref());
        let member = Member { epoch: self.cuts, ..member };
        let decision = accepted(organization, &invitation, member, facts);
        Ok(read.held.left_vacated(decision, before.as_ref(), facts.now))
    }
}

fn accepted(
    organization: Organization,
    invitation: &Invitation,
    member: Member,
    facts: &Facts,
) -> Decision<(Organization, Member)> {
    let after = Invitation {
        accepted_by: Some(member.user),
        ..invitation.ended(InvitationStatus::Accepted, facts.now)
    };
    let event = Event {
        user: Some(member.user),
        ..Event::new("invitation.accepted", "invitation", invitation.id)
            .before(json!({"status": InvitationStatus::Pending}))
            .after(json!({"status": InvitationStatus::Accepted}))
    };
    let joined = Event::member("member.added", member.user).after(json!({
        "access": member.access, "invitation": invitation.id, "email": member.card.email, "name": member.card.name,
        "external_id": member.card.external_id,
    }));
    Decision::unchanged((organization, member.clone()))
        .remove(Key::InvitedAddress(invitation.email.key().to_owned()))
        .put(Record::Invitation(after))
        .put(Record::Member(member))
        .event(event)
        .event(joined)
}

/// The membership that an invitation made, while it lasts (rule I2).
fn still_member(invitation: &Invitation, member: Option<Member>) -> Result<Member, Refusal> {
    let made = member.filter(|member| {
        member.status == MemberStatus::Active && Some(member.joined_at) == invitation.ended_at
    });
    made.ok_or(Refusal::InvitationUsed)
}
