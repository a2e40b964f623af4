//! Leaving plans: what goes is listed, the job that rewrites records is announced, then one commit does it all.

use super::find_user;
use super::jobs::{announce, asked};
use super::mail::announce_mail;
use crate::facts::Request;
use crate::home::{Home, Record};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Scope};
use crate::model::{InvitationStatus, UserStatus};
use crate::op::{Done, Roster, Seal, preflight, run_sealed};
use crate::ops::leaving::{InvitationFate, LeaveByPlan, LeavingMode, Left};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// A leaving plan to be executed.
#[derive(Clone, PartialEq, Debug)]
pub struct Leave {
    /// Who.
    pub user: UserRef,
    /// How.
    pub mode: LeavingMode,
    /// The plan as it was read.
    pub revision: String,
    /// Whose their records will be.
    pub records_to: Option<UserRef>,
    /// Whose their posts will be.
    pub posts_to: Option<UserRef>,
    /// The new owner, where they are the owner.
    pub owner_to: Option<UserRef>,
    /// What becomes of their invitations.
    pub fate: InvitationFate,
}

/// Lets a member go by a plan.
pub async fn leave_by_plan(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    leave: &Leave,
    seal: Option<Seal<'_, Left>>,
) -> Result<Done<Left>, OpError> {
    let leaver = find_user(roster, &leave.user).await?;
    let user = leaver.id;
    // Nothing is said any more about one who has been erased (rule L5).
    let reason = request.reason.clone().filter(|_| leaver.status != UserStatus::Erased);
    let request = &Request { reason, ..request.clone() };
    let home = Home::Organization(organization);
    let (invitations, more) = invitations_of(roster, organization, user).await?;
    let mut operation = LeaveByPlan {
        organization,
        user,
        mode: leave.mode,
        revision: leave.revision.clone(),
        records_to: resolved(roster, leave.records_to.as_ref()).await?,
        posts_to: resolved(roster, leave.posts_to.as_ref()).await?,
        owner_to: resolved(roster, leave.owner_to.as_ref()).await?,
        owner_available: match &leave.owner_to {
            Some(named) => find_user(roster, named).await?.status == UserStatus::Active,
            None => true,
        },
        fate: leave.fate,
        invitations,
        asked: asked(request),
        mail: None,
        not_after: None,
    };
    match preflight(roster, request, &operation).await {
        Ok(_) if more && leave.fate == InvitationFate::HandOver => {
            let most = LeaveByPlan::MOST_INVITATIONS;
            let text = format!("at most {most} invitations can be handed over: revoke others of them first");
            return Err(Refusal::invalid("/invitations", text).into());
        }
        // What was answered before is answered again, though the plan is another by now.
        Ok(_) | Err(OpError::Replay(_)) => {}
        Err(error) => return Err(error),
    }
    if operation.records_to.is_some() {
        operation.not_after =
            Some(announce(roster, request, operation.asked.id, &home, "reassign_records").await?);
    }
    if operation.owner_to.is_some() {
        operation.mail = announce_mail(roster, request, &home).await?;
    }
    let outcome = run_sealed(roster, request, &operation, seal).await;
    roster.post.wake.notify_one();
    outcome
}

async fn resolved(roster: &Roster, named: Option<&UserRef>) -> Result<Option<(UserId, u32)>, OpError> {
    match named {
        Some(named) => {
            let user = find_user(roster, named).await?;
            Ok(Some((user.id, user.cuts)))
        }
        None => Ok(None),
    }
}

/// Pending invitations that somebody stands for, as many as one commit takes, and whether there are more.
async fn invitations_of(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<(Vec<InvitationId>, bool), StoreError> {
    let status = Some(InvitationStatus::Pending);
    let listing = Listing::Invitations { organization, status, scope: Scope::All };
    let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: 200 });
    loop {
        let rows = roster.store.list(&listing, &page).await?;
        page.after = rows.rows.last().map(|row| row.position.clone());
        for row in rows.rows {
            match row.stored.record {
                Record::Invitation(it) if it.invited_by.user() == Some(user) => found.push(it.id),
                _ => {}
            }
        }
        let most = LeaveByPlan::MOST_INVITATIONS;
        if !rows.more || found.len() > most {
            let more = found.len() > most;
            found.truncate(most);
            return Ok((found, more));
        }
    }
}
