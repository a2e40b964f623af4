//! Deleting a member: removal, and what they did leaves the organization's statistics (rules L4, T4).

use serde_json::json;

use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::op::{Decision, Event, Operation, View};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Deletes a member, former ones too. Says whether anything changed.
#[derive(Debug)]
pub struct DeleteMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whom.
    pub user: UserId,
    /// Whether the request said so.
    pub confirmed: bool,
}

impl Operation for DeleteMember {
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
        if !self.confirmed {
            return Err(Refusal::ConfirmationRequired);
        }
        let member = scene.known()?;
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:delete", Reach::Organization)?;
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        if member.is_deleted() {
            return Ok(Decision::unchanged(false));
        }
        let after = member.deleted(facts.now);
        let event = Event::member("member.deleted", self.user)
            .before(json!({"status": member.status, "access": member.access}))
            .after(json!({"status": after.status, "access": after.access}));
        let decision = Decision::unchanged(true).put(Record::Member(after)).event(event);
        Ok(scene.held.all_vacated(decision, facts.now))
    }
}
