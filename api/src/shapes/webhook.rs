//! Webhooks, and what became of what they sent.

use roster_core::model::{Delivery, DeliveryError, Webhook};
use serde_json::{Value, json};

/// `{id, url, types, organization, status, disabled_reason, disabled_at, created_at}`
pub fn webhook(it: &Webhook) -> Value {
    json!({
        "id": it.id, "url": it.url, "types": it.types, "organization": it.organization,
        "status": it.status(), "disabled_reason": it.disabled.map(|disabled| disabled.reason.name()),
        "disabled_at": it.disabled.map(|disabled| disabled.at), "created_at": it.created_at,
    })
}

/// `{id, webhook_id, event, status, attempts, response_status, error, created_at, next_attempt_at, delivered_at}`
pub fn delivery(it: &Delivery) -> Value {
    json!({
        "id": it.id, "webhook_id": it.webhook,
        "event": {
            "id": it.event.id, "type": it.event.kind, "organization_id": it.event.organization,
            "seq": it.event.seq,
        },
        "status": it.status.name(), "attempts": it.attempts, "response_status": it.response_status,
        "error": it.error.map(DeliveryError::name), "created_at": it.created_at,
        "next_attempt_at": it.next_attempt_at, "delivered_at": it.delivered_at,
    })
}
