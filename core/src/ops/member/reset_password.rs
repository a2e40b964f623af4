//! Having a link mailed to a member by which they set a new password (rules L8, M11).

use serde_json::json;

use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{OrganizationId, UserId};
use crate::op::{Decision, Event, Operation, View};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Decides whether somebody may have the link mailed, and notes that they had. The link itself lies in the member's own
/// home, and nobody but the mailbox gets to see it.
#[derive(Debug)]
pub struct ResetMemberPassword {
    /// Where.
    pub organization: OrganizationId,
    /// Whose.
    pub user: UserId,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// Whether there is anything to send mail by.
    pub mail: bool,
}

impl Operation for ResetMemberPassword {
    type State = SceneRead;
    type Output = ();

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

    fn decide(&self, scene: SceneRead, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let scene = scene.after_cuts(self.cuts, facts.now)?.open()?;
        let member = scene.known()?;
        let policy = facts.policies.access.as_ref();
        policy.require(&scene.standing, "members:reset_password", Reach::Organization)?;
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)?;
        if !scene.is_active() {
            return Err(Refusal::TargetNotActive);
        }
        if !self.mail {
            return Err(Refusal::MailNotConfigured);
        }
        let event = Event::new("user.updated", "user", self.user).after(json!({"password": "reset_mailed"}));
        Ok(Decision::unchanged(()).event(Event { user: Some(self.user), ..event }))
    }
}
