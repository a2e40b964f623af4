//! Taking a member out for now: no access at once, everything kept for the way back (rules L1, L3, M7).

use serde_json::json;

use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Deactivates a member; one who is deactivated stays so.
#[derive(Debug)]
pub struct DeactivateMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whom.
    pub user: UserId,
}

impl Operation for DeactivateMember {
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
        let member = scene.known()?;
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:deactivate", Reach::Organization)?;
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        match member.status {
            MemberStatus::Former => Err(Refusal::TargetNotActive),
            MemberStatus::Deactivated => Ok(Decision::unchanged(member.clone())),
            MemberStatus::Active => {
                let after = member.deactivated(facts.now);
                let event = Event::member("member.deactivated", self.user)
                    .before(json!({"status": member.status}))
                    .after(json!({"status": after.status, "access": after.access}));
                Ok(Decision::unchanged(after.clone()).put(Record::Member(after)).event(event))
            }
        }
    }
}
