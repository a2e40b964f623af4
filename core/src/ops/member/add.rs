//! Adding a member (rules M6, M11, M12, S1).

use serde_json::json;

use super::grant::{AccessAsk, AskRead, require_on};
use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::{Access, Card, Invitation, Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::invitation::overtaken;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Makes a user a member.
#[derive(Debug)]
pub struct AddMember {
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// What lists show of them.
    pub card: Card,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// As what.
    pub joining: Joining,
    /// Only one who was a member before may be named this way; others answer 404.
    pub only_known: bool,
}

/// As what somebody joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joining {
    /// What they reach.
    pub access: AccessAsk,
    /// Not a member before.
    pub starts_at: Option<Timestamp>,
    /// Former from then on.
    pub expires_at: Option<Timestamp>,
}

impl Operation for AddMember {
    type State = (SceneRead, AskRead, Option<Invitation>);
    type Output = Member;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let asked = self.joining.access.load(view).await?;
        let scene = SceneRead::load_to_return(view, self.user, self.cuts).await?;
        let pending = scene.pending(view, self.card.email.as_ref(), self.cuts).await?;
        Ok((scene, asked, pending))
    }

    fn decide(
        &self,
        (scene, asked, pending): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Member>, Refusal> {
        let scene = scene.after_cuts(self.cuts, facts.now)?.open()?;
        check_times(self.joining.starts_at, self.joining.expires_at, facts.now)?;
        let granting = self.joining.access.resolve(&asked)?;
        if self.only_known && scene.member.is_none() {
            return Err(Refusal::NotFound);
        }
        let policy = facts.policies.access.as_ref();
        require_on(policy, &scene.standing, "members:add", &granting.access)?;
        policy.may_grant(&scene.standing, &granting.access)?;
        match scene.member.as_ref().map(|member| member.status) {
            Some(MemberStatus::Active) => return Err(Refusal::AlreadyMember),
            Some(MemberStatus::Deactivated) => return Err(Refusal::MemberDeactivated),
            Some(MemberStatus::Former) | None => {}
        }
        granting.none_archived_anew(&Access::NONE)?;
        let member = Member {
            starts_at: self.joining.starts_at,
            expires_at: self.joining.expires_at,
            epoch: self.cuts,
            ..Member::joining(self.user, self.card.clone(), granting.access, facts.now)
                .after(scene.member.as_ref())
        };
        let joined = scene.held.left_vacated(added(member), scene.member.as_ref(), facts.now);
        Ok(overtaken(joined, pending.as_ref(), facts.now))
    }
}

/// A membership that begins, with its line in the log.
pub(super) fn added(member: Member) -> Decision<Member> {
    let event = Event::member("member.added", member.user).after(json!({
        "access": member.access, "starts_at": member.starts_at, "expires_at": member.expires_at,
        "email": member.card.email, "name": member.card.name, "external_id": member.card.external_id,
    }));
    Decision::unchanged(member.clone()).put(Record::Member(member)).event(event)
}

/// The end lies ahead, and behind the beginning.
pub(super) fn check_times(
    starts_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Refusal> {
    match (starts_at, expires_at) {
        (_, Some(end)) if end <= now => Err(Refusal::invalid("/expires_at", "must lie in the future")),
        (Some(start), Some(end)) if end <= start => {
            Err(Refusal::invalid("/expires_at", "must be after starts_at"))
        }
        _ => Ok(()),
    }
}
