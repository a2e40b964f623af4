//! Bringing a deactivated member back with what they had (rule L2).

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

/// Reactivates a member, where a seat is free; one who is active stays so. Roles that are gone are left out; accounts that
/// were archived meanwhile stay theirs, for access through them comes back with them (rule O8). Sessions and personal keys
/// from before do not come back: the cut stays.
#[derive(Debug)]
pub struct ReactivateMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whom.
    pub user: UserId,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
}

impl Operation for ReactivateMember {
    type State = SceneRead;
    type Output = Member;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    fn knows_cuts(&self) -> bool {
        true
    }

    async fn load(&self, view: &mut View<'_>) -> Result<SceneRead, StoreError> {
        SceneRead::load(view, self.user).await
    }

    fn decide(&self, scene: SceneRead, facts: &Facts) -> Result<Decision<Member>, Refusal> {
        let scene = scene.after_cuts(self.cuts, facts.now)?.open()?;
        let member = scene.known()?;
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:deactivate", Reach::Organization)?;
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        match member.status {
            MemberStatus::Former => Err(Refusal::TargetNotActive),
            MemberStatus::Active => Ok(Decision::unchanged(member.clone())),
            MemberStatus::Deactivated => {
                let access = scene.standing.roles().standing_part(&member.access);
                let after = Member { status: MemberStatus::Active, access, ..member.clone() };
                let event = Event::member("member.reactivated", self.user)
                    .before(json!({"status": member.status, "access": member.access}))
                    .after(json!({"status": after.status, "access": after.access}));
                Ok(Decision::unchanged(after.clone()).put(Record::Member(after)).event(event))
            }
        }
    }
}
