//! Secrets of webhooks: derived from the master key, the webhook and a number, so that a copy of the store reveals none.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Links;
use crate::facts::hmac_sha256;
use crate::id::WebhookId;

/// By what a webhook's messages are signed. Printed only by [`WebhookSecret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; 32]);

impl WebhookSecret {
    /// As Standard Webhooks writes it: `whsec_` and base64.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// The signature of a message: `v1,` and the HMAC-SHA-256 of `ID.TIMESTAMP.BODY` in base64.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        format!("v1,{}", STANDARD.encode(hmac_sha256(&self.0, &signed)))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

impl Links {
    /// The n-th secret of a webhook.
    pub fn webhook_secret(&self, webhook: WebhookId, n: u32) -> WebhookSecret {
        WebhookSecret(self.derive(&format!("webhook {webhook} {n}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Pages;

    #[test]
    fn each_webhook_has_secrets_of_its_own() {
        let id = |n| WebhookId::from_uuid(uuid::Uuid::from_u128(n));
        let links = Links::default();
        let other = Links::new([1; 32], String::new(), Pages::default());
        let secret = links.webhook_secret(id(1), 1);
        assert_eq!(secret, links.webhook_secret(id(1), 1));
        for another in
            [links.webhook_secret(id(2), 1), links.webhook_secret(id(1), 2), other.webhook_secret(id(1), 1)]
        {
            assert_ne!(another, secret);
        }
        assert_eq!(secret.reveal().len(), "whsec_".len() + 44, "32 bytes with padding");
        assert!(!format!("{secret:?}").contains(&secret.reveal()));
    }
}
