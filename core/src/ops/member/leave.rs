//! Leaving by oneself (rule M11).

use super::remove::removed;
use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Decision, Operation, View};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Ends the actor's own membership. One who may remove members can do it for them.
#[derive(Debug)]
pub struct LeaveOrganization {
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
}

impl Operation for LeaveOrganization {
    type State = SceneRead;
    type Output = Member;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<SceneRead, StoreError> {
        SceneRead::load_with_posts(view, self.user).await
    }

    fn decide(&self, scene: SceneRead, facts: &Facts) -> Result<Decision<Member>, Refusal> {
        let scene = scene.open()?;
        let member = scene.known()?;
        if facts.actor.user() != Some(self.user) {
            let policy = facts.policies.access.as_ref();
            policy.require(&scene.standing, "members:remove", Reach::Organization)?;
            scene.not_the_owner(self.user)?;
            policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        }
        scene.not_the_owner(self.user)?;
        if member.status == MemberStatus::Former {
            return Ok(Decision::unchanged(member.clone()));
        }
        Ok(removed(member, &scene.held, (facts.now, facts), member.left(facts.now)))
    }
}
