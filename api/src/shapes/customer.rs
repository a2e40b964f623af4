//! The JSON shapes about customers.

use roster_core::model::customer::{DeadLetter, Groups, Source};
use roster_core::reads::ActivityRow;
use serde_json::{Value, json};

/// One source, without its write key.
pub fn source(it: &Source) -> Value {
    let (to, organization, name) = match &it.groups {
        Groups::One(organization) => ("one", Some(*organization), None),
        Groups::Each => ("each", None, None),
        Groups::Trait(name) => ("trait", None, Some(name)),
    };
    json!({
        "id": it.id, "name": it.name,
        "groups": {"to": to, "organization": organization, "trait": name},
        "default_role": it.default_role,
        "events": {
            "message_received": it.events.message_received, "message_sent": it.events.message_sent,
        },
        "created_at": it.created_at,
    })
}

/// One message that could not be applied.
pub fn dead_letter(it: &DeadLetter) -> Value {
    let payload = serde_json::from_str::<Value>(&it.payload).unwrap_or_else(|_| it.payload.clone().into());
    json!({
        "id": it.id, "source_id": it.source, "received_at": it.received_at, "reason": it.reason,
        "payload": payload,
    })
}

/// `{user_id, event, day, count}`: what is not grouped by is null.
pub fn activity(row: &ActivityRow) -> Value {
    let (user, event, day) = &row.key;
    json!({"user_id": user, "event": event, "day": day, "count": row.count})
}
