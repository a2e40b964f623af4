//! One who joins in another way needs no invitation any more (rule I7).

use serde_json::json;

use crate::home::{Key, Record, TheInvitedAddress};
use crate::model::{Invitation, InvitationStatus};
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
    let event = Event::new("invitation.revoked", "invitation", pending.id)
        .before(json!({"status": pending.status}))
        .after(json!({"status": InvitationStatus::Revoked}));
    decision
        .remove(Key::InvitedAddress(pending.email.key().to_owned()))
        .put(Record::Invitation(pending.ended(InvitationStatus::Revoked, now)))
        .event(event)
}
