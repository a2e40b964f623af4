//! Sweeping a membership that ended when the person was removed from everything (rules M5, O2).

use serde_json::json;

use super::remove::removed;
use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Record, TheOrganization};
use crate::id::{OrganizationId, UserId};
use crate::model::{Access, Card, Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::pointer::DEAD_AFTER;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Writes down that a membership has ended, gives its seat back, and bars an acceptance that is under way since before.
/// The owner stays. Done again it answers the same.
#[derive(Debug)]
pub struct CutMember {
    /// Where.
    pub organization: OrganizationId,
    /// Whom.
    pub user: UserId,
    /// Memberships below this number of cuts have ended.
    pub cuts: u32,
    /// What lists show of them, where nothing does so yet.
    pub card: Card,
    /// When they were removed from everything: one who has left since then has been swept.
    pub since: Timestamp,
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swept {
    /// The membership has ended.
    Removed,
    /// There was none, or it began after the cut.
    Unchanged,
    /// They are the owner, and stay.
    Owner,
    /// There is no such organization, and for so many seconds more it may still come: with them as its owner.
    Awaited(i64),
}

impl Operation for CutMember {
    type State = (SceneRead, bool);
    type Output = Swept;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let scene = SceneRead::load_with_posts(view, self.user).await?;
        Ok((scene, view.get(&TheOrganization).await?.is_some()))
    }

    fn decide(&self, (scene, is_there): Self::State, facts: &Facts) -> Result<Decision<Swept>, Refusal> {
        let Ok(scene) = scene.open() else {
            // A closed organization, or one that never came to be: nothing in it counts.
            let left = self.since.plus_seconds(DEAD_AFTER).micros() - facts.now.micros();
            let awaited = Swept::Awaited(left / 1_000_000 + 1);
            return Ok(Decision::unchanged(if is_there || left < 0 { Swept::Unchanged } else { awaited }));
        };
        let Some(member) = scene.member else {
            return Ok(scene.held.all_vacated(self.barred(), facts.now));
        };
        let stamped = Member { epoch: self.cuts.max(member.epoch), ..member.clone() };
        if scene.organization.owner == self.user {
            // The stamp keeps them in if they hand the organization over.
            let owner = Decision::unchanged(Swept::Owner);
            return Ok(if stamped == member { owner } else { owner.put(Record::Member(stamped)) });
        }
        Ok(match member.status {
            MemberStatus::Former => {
                let since = member.left_at.is_some_and(|left| left >= self.since);
                let outcome = Decision::unchanged(if since { Swept::Removed } else { Swept::Unchanged });
                if stamped == member { outcome } else { outcome.put(Record::Member(stamped)) }
            }
            _ if member.epoch >= self.cuts => Decision::unchanged(Swept::Unchanged),
            MemberStatus::Active | MemberStatus::Deactivated => {
                // Whatever was sent them since, such as a new invitation, holds.
                let when = self.since.max(member.joined_at);
                removed(&stamped, &scene.held, (when, facts), Swept::Removed)
            }
        })
    }
}

impl CutMember {
    /// One who is on their way in since before the cut finds that they have left.
    fn barred(&self) -> Decision<Swept> {
        let member = Member {
            epoch: self.cuts,
            ..Member::joining(self.user, self.card.clone(), Access::NONE, self.since).left(self.since)
        };
        let event = Event::member("member.removed", self.user).after(json!({"status": member.status}));
        Decision::unchanged(Swept::Unchanged).put(Record::Member(member)).event(event)
    }
}
