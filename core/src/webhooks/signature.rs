//! What proves that a message comes from here.

use crate::model::Webhook;
use crate::secret::Links;
use crate::time::Timestamp;

/// `webhook-signature`: one signature for each secret that is good at an instant, with spaces between.
pub fn signatures(
    links: &Links,
    webhook: &Webhook,
    now: Timestamp,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> String {
    let secrets = webhook.secrets(now).into_iter().map(|n| links.webhook_secret(webhook.id, n));
    secrets.map(|secret| secret.sign(id, timestamp, body)).collect::<Vec<_>>().join(" ")
}
