//! What a leaving plan is made from. Its numbers are tallies; its revision covers them, the member, who owns the
//! organization, and which keys and webhooks the plan names.

use std::collections::BTreeMap;

use serde_json::json;

use crate::home::{Key, Tally, TheMember, TypedKey};
use crate::id::{JobId, UserId, Version, WebhookId};
use crate::log::{digest, hex};
use crate::model::{MemberStatus, Note, NoteKey, PostName, TheWebhook, TheWebhookList};
use crate::op::View;
use crate::ops::member::{Scene, SceneRead};
use crate::ops::record::HandOver;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::RecordType;

/// As it was read.
#[derive(Debug)]
pub struct PlanRead {
    scene: SceneRead,
    version: Option<Version>,
    pub(crate) hand_over: HandOver,
    invitations: i64,
    /// The last change of the keys that it names.
    keys: Option<Note>,
    /// Webhooks that the person made.
    webhooks: Vec<WebhookId>,
}

/// What is in it, for one who may see it.
#[derive(Debug)]
pub struct PlanNumbers {
    /// The organization, the member and what they hold.
    pub scene: Scene,
    /// Records by type, those that they have any of.
    pub records: BTreeMap<RecordType, i64>,
    /// Pending invitations that they stand for, with those that have ended by time and are not settled.
    pub invitations: i64,
    /// What must still be so when it is executed.
    pub revision: String,
    pub(super) hand_over: HandOver,
}

impl PlanRead {
    /// Reads it. Comes before everything else whose roles the standing shall not know.
    pub async fn load(view: &mut View<'_>, user: UserId, job: Option<JobId>) -> Result<Self, StoreError> {
        let hand_over = HandOver::load(view, user, job).await?;
        let tally = Tally::Invitations(user);
        let invitations = view.tallies(&[tally]).await?.get(&tally).copied().unwrap_or(0);
        let scene = SceneRead::load_with_posts(view, user).await?;
        view.get(&TheMember(user)).await?;
        let keys = view.get(&NoteKey::KeysOf(user)).await?;
        let webhooks = made_by(view, user).await?;
        Ok(Self { scene, version: view.version(&Key::Member(user)), hand_over, invitations, keys, webhooks })
    }

    /// 404 where the actor sees no organization, or the person never was in it.
    pub fn open(self) -> Result<PlanNumbers, Refusal> {
        let scene = self.scene.open()?;
        let member = scene.known()?;
        let types = self.hand_over.types.numbered();
        let records: BTreeMap<RecordType, i64> = types
            .filter_map(|(number, kind)| Some((kind.clone(), *self.hand_over.owned.get(&number)?)))
            .collect();
        let posts: Vec<&PostName> = scene.held.posts().iter().collect();
        let covered = json!({
            "member": self.version.map(|version| version.to_string()), "status": member.status,
            "owner": scene.organization.owner, "records": records, "invitations": self.invitations, "posts": posts,
            "keys": self.keys, "webhooks": self.webhooks,
        });
        let revision = hex(&digest(covered.to_string().as_bytes()))[..32].to_owned();
        let Self { hand_over, invitations, .. } = self;
        Ok(PlanNumbers { scene, records, invitations, revision, hand_over })
    }
}

/// Webhooks of the organization that somebody made.
async fn made_by(view: &mut View<'_>, user: UserId) -> Result<Vec<WebhookId>, StoreError> {
    let mut webhooks = view.get(&TheWebhookList).await?.unwrap_or_default().0;
    view.fetch(webhooks.iter().map(|id| TheWebhook(*id).key()).collect::<Vec<_>>()).await?;
    let mut made = Vec::new();
    for id in webhooks.drain(..) {
        if view.get(&TheWebhook(id)).await?.is_some_and(|webhook| webhook.created_by == Some(user)) {
            made.push(id);
        }
    }
    Ok(made)
}

impl PlanNumbers {
    /// The member's own seat, where it is free once they are gone.
    pub fn seats_freed(&self) -> i64 {
        self.scene.member.as_ref().map_or(0, |member| match member.status {
            MemberStatus::Active => member.seats(),
            MemberStatus::Deactivated | MemberStatus::Former => 0,
        })
    }

    /// What tallies must be when the plan is executed.
    pub(super) fn exact(&self, user: UserId) -> Vec<(Tally, i64)> {
        let owned = self.hand_over.types.numbered().map(|(number, _)| {
            (Tally::Holdings(user, number), self.hand_over.owned.get(&number).copied().unwrap_or(0))
        });
        owned.chain([(Tally::Invitations(user), self.invitations)]).collect()
    }
}
