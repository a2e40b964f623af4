//! Writing down that memberships have ended, after the commit that has ended them all (rule M5).

use futures::future::BoxFuture;

use super::lapse_invitations::lapse_invited;
use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record, TheMember, TheUser};
use crate::id::{OrganizationId, UserId, Version};
use crate::jobs::as_asked;
use crate::model::{Card, Job, Member, MemberStatus, UserStatus, Work};
use crate::op::{Roster, View, run};
use crate::ops::member::{CutMember, Swept};
use crate::refusal::OpError;
use crate::store::StoreError;
use crate::time::Timestamp;

/// In how many organizations at most it is written down before the removal is answered, so that lists and seats there say
/// so at once. The job does the others.
const AT_ONCE: usize = 20;

/// Writes it down in the first of some organizations, but where the person is the owner.
pub(crate) async fn sweep_first(
    roster: &Roster,
    job: &Job,
    organizations: &[OrganizationId],
) -> Result<(), OpError> {
    let (Work::RemoveEverywhere { user, epoch } | Work::EraseUser { user, epoch }) = job.work else {
        return Ok(());
    };
    if job.status.is_finished() {
        return Ok(());
    }
    let request = as_asked(roster, job);
    for organization in organizations.iter().take(AT_ONCE) {
        // Until the job reports that they own it, one who hands it over is out as well.
        if !owns(roster, *organization, user).await? {
            sweep(roster, &request, job, *organization, (user, epoch)).await?;
        }
    }
    Ok(())
}

async fn owns(roster: &Roster, organization: OrganizationId, user: UserId) -> Result<bool, StoreError> {
    let read = roster.store.read(&Home::Organization(organization), &[Key::Organization], &[]).await?;
    Ok(matches!(
        read.records.get(&Key::Organization).map(|stored| &stored.record),
        Some(Record::Organization(it)) if it.owner == user
    ))
}

/// Writes it down in one organization, for one who has been removed from everything so often, of what they were invited to before
/// too. Done again it answers the same.
pub(crate) async fn sweep(
    roster: &Roster,
    request: &Request,
    job: &Job,
    organization: OrganizationId,
    (user, cuts): (UserId, u32),
) -> Result<Swept, OpError> {
    // The right to it was asked when the access was cut; the key that was used may be gone by now.
    let request = Request {
        actor: if job.actor.is_operator() { job.actor } else { Actor::System },
        ..request.step(&format!("sweep {organization}"))
    };
    let card = card_of(roster, &request, user).await?;
    let email = card.email.clone();
    let operation = CutMember { organization, user, cuts, card, since: job.created_at };
    let swept = run(roster, &request, &operation).await?.output;
    if let Some(email) = email {
        let invited = lapse_invited(roster, &request, organization, &email, (user, job.created_at)).await;
        if let Err(error) = invited {
            // They are out. What they were invited to is looked at once more behind all organizations.
            tracing::warn!(job = %job.id, %organization, %error, "an invitation of one who was removed holds its seat for now");
        }
    }
    Ok(swept)
}

/// What lists show of a person: nothing of one who is erased.
async fn card_of(roster: &Roster, request: &Request, user: UserId) -> Result<Card, StoreError> {
    let mut view = View::new(roster, Home::User(user), request);
    let user = view.get(&TheUser).await?.filter(|user| user.status != UserStatus::Erased);
    Ok(user.map(|user| user.card()).unwrap_or_default())
}

/// How often a person has been removed from everything, and when last.
pub(crate) type Cut = (u32, Timestamp);

/// Reads it.
pub(crate) async fn cuts_of(roster: &Roster, request: &Request, user: UserId) -> Result<Cut, StoreError> {
    let mut view = View::new(roster, Home::User(user), request);
    let user = view.get(&TheUser).await?;
    let cut = user.map(|user| (user.cuts, user.cut_at.unwrap_or(Timestamp::EPOCH)));
    Ok(cut.unwrap_or((0, Timestamp::EPOCH)))
}

/// Whether a membership has ended by that and nobody has written it down.
pub(crate) fn is_over(member: &Member, cuts: u32) -> bool {
    member.status != MemberStatus::Former && !member.survives(cuts)
}

/// Writes it down before somebody who may acts on a membership that was read, where no job has come by yet. What the
/// membership bears then; nothing where there was nothing to write down. Operations wait for this, which is one, so its
/// type is said.
pub(crate) fn sweep_seen<'a>(
    roster: &'a Roster,
    request: &'a Request,
    organization: OrganizationId,
    member: Option<Member>,
    (cuts, since): Cut,
) -> BoxFuture<'a, Result<Option<Version>, OpError>> {
    let over = member.filter(|member| is_over(member, cuts));
    Box::pin(async move {
        let Some(member) = over else { return Ok(None) };
        let operation = CutMember { organization, user: member.user, cuts, card: member.card, since };
        Ok(run(roster, &request.as_system("sweep before"), &operation).await?.version)
    })
}

/// The same before a plan is made of what somebody holds.
pub(crate) async fn sweep_before(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), OpError> {
    let cut = cuts_of(roster, request, user).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    view.get(&TheMember(user)).await?;
    sweep_seen(roster, request, organization, view.member(user).cloned(), cut).await.map(|_| ())
}
