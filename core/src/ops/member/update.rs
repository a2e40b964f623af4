//! Changing when a membership begins and ends (rule M12).

use serde_json::json;

use super::add::check_times;
use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// A merge-patch: outer `None` keeps, inner `None` clears.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemberPatch {
    /// Not a member before.
    pub starts_at: Option<Option<Timestamp>>,
    /// Former from then on.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Applies a patch to a membership.
#[derive(Debug)]
pub struct UpdateMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whose.
    pub user: UserId,
    /// What.
    pub patch: MemberPatch,
}

impl Operation for UpdateMember {
    type State = SceneRead;
    type Output = Member;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<SceneRead, StoreError> {
        SceneRead::load(view, self.user).await
    }

    fn decide(&self, scene: SceneRead, facts: &Facts) -> Result<Decision<Member>, Refusal> {
        let scene = scene.open()?;
        let Some(member) = &scene.member else {
            check_times(self.patch.starts_at.flatten(), self.patch.expires_at.flatten(), facts.now)?;
            return Err(Refusal::NotFound);
        };
        let after = Member {
            starts_at: self.patch.starts_at.unwrap_or(member.starts_at),
            expires_at: self.patch.expires_at.unwrap_or(member.expires_at),
            ..member.clone()
        };
        if after != *member {
            check_times(after.starts_at, after.expires_at, facts.now)?;
        }
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:update", Reach::Organization)?;
        if after == *member {
            return Ok(Decision::unchanged(after));
        }
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        if facts.actor.user() == Some(self.user) {
            return Err(Refusal::CannotGrantUnheld);
        }
        if member.status == MemberStatus::Former {
            return Err(Refusal::TargetNotActive);
        }
        let times = |member: &Member| json!({"starts_at": member.starts_at, "expires_at": member.expires_at});
        let event =
            Event::member("member.access_changed", self.user).before(times(member)).after(times(&after));
        Ok(Decision::unchanged(after.clone()).put(Record::Member(after)).event(event))
    }
}
