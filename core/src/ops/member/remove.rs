//! Removing a member from the organization with everything they reach there (rule M5, first half).

use serde_json::json;

use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::post::HeldRead;
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Ends a membership. Says whether anything changed.
#[derive(Debug)]
pub struct RemoveMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whom.
    pub user: UserId,
}

impl Operation for RemoveMember {
    type State = SceneRead;
    type Output = bool;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<SceneRead, StoreError> {
        SceneRead::load_with_posts(view, self.user).await
    }

    fn decide(&self, scene: SceneRead, facts: &Facts) -> Result<Decision<bool>, Refusal> {
        let scene = scene.open()?;
        let member = scene.known()?;
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:remove", Reach::Organization)?;
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        Ok(match member.status {
            MemberStatus::Former => Decision::unchanged(false),
            MemberStatus::Active | MemberStatus::Deactivated => {
                removed(member, &scene.held, (facts.now, facts), true)
            }
        })
    }
}

/// A membership that ends at an instant with the posts that its person holds, and the lines in the log.
pub(super) fn removed<T>(
    member: &Member,
    held: &HeldRead,
    (when, facts): (Timestamp, &Facts),
    output: T,
) -> Decision<T> {
    let left = member.left(when);
    let event = Event::member("member.removed", member.user)
        .before(json!({"status": member.status, "access": member.access}))
        .after(json!({"status": left.status, "access": left.access}));
    held.all_vacated(Decision::unchanged(output).put(Record::Member(left)).event(event), facts.now)
}
