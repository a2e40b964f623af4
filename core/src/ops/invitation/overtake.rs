//! One who joins in another way needs no invitation any more (rule I7).

use serde_json::json;

use super::scene::{InviterRead, is_overtaken};
use crate::home::{Key, Record, TheInvitedAddress};
use crate::model::{Invitation, InvitationStatus, Member};
use crate::op::{Decision, Event, View};
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// The pending invitation of an address.
pub(crate) async fn load_pending(
    view: &mut View<'_>,
    address: Option<&Email>,
) -> Result<Option<Invitation>, StoreError> {
    let Some(address) = address else { return Ok(None) };
    let Some(id) = view.get(&TheInvitedAddress(address.key().to_owned())).await? else { return Ok(None) };
    Ok(view.get(&id).await?.filter(|it| it.status == InvitationStatus::Pending))
}

/// The pending invitation of an address, with whoever stands for it.
#[derive(Debug)]
pub(super) struct PendingRead {
    pub(super) invitation: Invitation,
    inviter: InviterRead,
}

impl PendingRead {
    pub(super) async fn load(view: &mut View<'_>, address: &Email) -> Result<Option<Self>, StoreError> {
        let Some(invitation) = load_pending(view, Some(address)).await? else { return Ok(None) };
        let inviter = InviterRead::of_pending(view, Some(&invitation)).await?;
        Ok(Some(Self { invitation, inviter }))
    }

    /// Whether whoever stands for it has left, or whose address it is was removed since, so that it is in nobody's way (rules
    /// M7, M9).
    pub(super) fn is_dead(&self, member: Option<&Member>, cut_at: Option<Timestamp>, now: Timestamp) -> bool {
        self.inviter.is_gone(&self.invitation, now) || is_overtaken(&self.invitation, member, cut_at)
    }
}

/// The same decision, by which a pending invitation ends too: its link is dead, its seat passes to whoever joins.
pub(crate) fn overtaken<T>(
    decision: Decision<T>,
    pending: Option<&Invitation>,
    now: Timestamp,
) -> Decision<T> {
    match pending {
        Some(pending) => revoked(decision, pending, now),
        None => decision,
    }
}

/// The same decision, which ends a pending invitation.
pub(super) fn revoked<T>(decision: Decision<T>, pending: &Invitation, now: Timestamp) -> Decision<T> {
    replaced(decision, pending, now).remove(Key::InvitedAddress(pending.email.key().to_owned()))
}

/// The same decision, which ends a pending invitation and gives its address to another.
pub(super) fn replaced<T>(decision: Decision<T>, pending: &Invitation, now: Timestamp) -> Decision<T> {
    let event = Event::new("invitation.revoked", "invitation", pending.id)
        .before(json!({"status": pending.status}))
        .after(json!({"status": InvitationStatus::Revoked}));
    decision.put(Record::Invitation(pending.ended(InvitationStatus::Revoked, now))).event(event)
}
