//! What the acts on one invitation read.

use crate::facts::Facts;
use crate::home::TheMember;
use crate::id::{InvitationId, UserId};
use crate::model::{
    Access, AccountStatus, ApiKey, Invitation, InvitationStatus, Inviter, Member, MemberStatus,
};
use crate::op::{View, Visible};
use crate::ops::member::{custom, require_on};
use crate::policy::{Roles, Standing};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// The organization and the invitation, as they were read.
#[derive(Debug)]
pub struct InvitationRead {
    pub(super) visible: Visible,
    pub(super) invitation: Option<Invitation>,
}

impl InvitationRead {
    pub(super) async fn load(view: &mut View<'_>, id: InvitationId) -> Result<Self, StoreError> {
        let invitation = view.get(&id).await?;
        if let Some(invitation) = &invitation {
            load_roles(view, &invitation.access).await?;
        }
        let mut visible = view.open_organization().await?;
        if let Some(Invitation { access: Access::Accounts(roles), .. }) = &invitation {
            visible = view.stand_on(visible, roles.keys().copied()).await?;
        }
        Ok(Self { visible, invitation })
    }
}

/// Reads what the custom roles of an access hold.
async fn load_roles(view: &mut View<'_>, access: &Access) -> Result<(), StoreError> {
    view.fetch_roles(custom(&access.roles()).collect::<Vec<_>>()).await
}

/// Whether whose address it is was removed since an invitation was sent, by hand or from everything: it does not bring them
/// back (rule M9).
pub(super) fn is_overtaken(
    invitation: &Invitation,
    member: Option<&Member>,
    cut_at: Option<Timestamp>,
) -> bool {
    cut_at.is_some_and(|cut| invitation.sent_at <= cut)
        || member.is_some_and(|member| member.has_cut(invitation.sent_at))
}

/// Whether the actor may manage an invitation: `invitations:manage` on all that it reaches.
pub(super) fn may_manage(standing: &Standing, access: &Access, facts: &Facts) -> Result<(), Refusal> {
    require_on(facts.policies.access.as_ref(), standing, "invitations:manage", access)
}

/// What the home of whoever stands for an invitation says of them, read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InviterHead {
    /// Who.
    pub user: UserId,
    /// Neither suspended nor erased.
    pub active: bool,
    /// How often they have been removed from everything.
    pub cuts: u32,
}

/// Who stands for an invitation, as they were read.
#[derive(Debug)]
pub enum InviterRead {
    Always,
    Key(Option<ApiKey>),
    Member(Option<Member>),
}

impl InviterRead {
    pub(super) async fn load(view: &mut View<'_>, inviter: Inviter) -> Result<Self, StoreError> {
        let (read, access) = match inviter {
            Inviter::Operator { .. } | Inviter::System => (Self::Always, None),
            Inviter::ApiKey { id } => {
                let key = view.get(&id).await?;
                let access = key.as_ref().map(|key| key.access.clone());
                (Self::Key(key), access)
            }
            Inviter::User { id, .. } => {
                let member = view.get(&TheMember(id)).await?;
                let access = member.as_ref().map(|member| member.access.clone());
                (Self::Member(member), access)
            }
        };
        if let Some(access) = access {
            load_roles(view, &access).await?;
        }
        Ok(read)
    }

    /// Whether they are gone for good, so that what they sent is dead (rule M7): the key, or the membership by which it
    /// was sent. A person counts as often as they were removed from everything.
    pub(crate) fn has_left(&self, invitation: &Invitation, cuts: u32, now: Timestamp) -> bool {
        match self {
            Self::Always => false,
            Self::Key(key) => key.as_ref().is_none_or(|key| !key.is_live(now)),
            Self::Member(member) => member.as_ref().is_none_or(|member| {
                let since = invitation.invited_by.since().unwrap_or(invitation.sent_at);
                !member.survives(cuts)
                    || member.has_cut(since)
                    || member.at(now).status != MemberStatus::Active
            }),
        }
    }

    /// Of an invitation that is pending; nobody is asked for another one.
    pub(super) async fn of_pending(
        view: &mut View<'_>,
        invitation: Option<&Invitation>,
    ) -> Result<Self, StoreError> {
        match invitation.filter(|it| it.status == InvitationStatus::Pending) {
            Some(pending) => Self::load(view, pending.invited_by).await,
            None => Ok(Self::Always),
        }
    }

    /// Whether they have left by what this home says, so that a pending invitation is dead, written down or not. Who was
    /// removed from everything is written down by the job.
    pub(super) fn is_gone(&self, invitation: &Invitation, now: Timestamp) -> bool {
        self.has_left(invitation, 0, now)
    }

    /// Whether they may still grant what the invitation gives (rule I6). `head` is what their own home says of a person.
    pub(super) fn still_may(
        &self,
        invitation: &Invitation,
        head: Option<InviterHead>,
        roles: &Roles,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let policy = facts.policies.invitations.as_ref();
        let standing = match self {
            Self::Always => return Ok(()),
            Self::Key(key) => Standing::of_key(key.as_ref(), facts.now),
            Self::Member(member) => {
                // Another stands for it than was read: decided afresh with them.
                let head = head.filter(|head| invitation.invited_by.user() == Some(head.user));
                let head = head.ok_or(Refusal::Conflict)?;
                if !head.active || self.has_left(invitation, head.cuts, facts.now) {
                    return Err(policy.inviter_left());
                }
                Standing::of_member(member.as_ref(), facts.now)
            }
        };
        if !standing.is_in() {
            return Err(policy.inviter_left());
        }
        let standing = standing.knowing(roles.clone());
        let access = facts.policies.access.as_ref();
        may_manage(&standing, &invitation.access, facts)
            .and_then(|()| access.may_grant(&standing, &invitation.access))
            .map_err(|_| policy.inviter_lowered())
    }
}

/// Whether all that an access names is still there (rule I6).
pub(super) async fn load_accounts(view: &mut View<'_>, access: &Access) -> Result<bool, StoreError> {
    load_roles(view, access).await?;
    let Access::Accounts(roles) = access else { return Ok(true) };
    view.fetch(roles.keys().map(|account| crate::home::Key::Account(*account))).await?;
    for account in roles.keys() {
        let found = view.get(account).await?;
        if found.is_none_or(|account| account.status != AccountStatus::Active) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses an access whose roles or accounts are gone.
pub(super) fn all_there(access: &Access, known: &Roles, accounts_there: bool) -> Result<(), Refusal> {
    if access.roles().into_iter().any(|role| known.effective(role).is_none()) {
        return Err(Refusal::RoleGone);
    }
    if accounts_there { Ok(()) } else { Err(Refusal::AccountGone) }
}

/// What a link of a number opens, for whoever acts by it: pending, or accepted by that very person.
pub(super) fn require_link(invitation: &Invitation, number: u32, by: Option<UserId>) -> Result<(), Refusal> {
    use crate::model::InvitationStatus::{Accepted, Declined, Expired, Pending, Revoked};
    let own = by.is_some() && invitation.accepted_by == by;
    match invitation.status {
        Accepted if own => Ok(()),
        Accepted | Declined => Err(Refusal::InvitationUsed),
        Revoked => Err(Refusal::InvitationRevoked),
        Pending | Expired if number != invitation.link => Err(Refusal::InvitationRevoked),
        Expired => Err(Refusal::InvitationExpired),
        Pending => Ok(()),
    }
}
