//! Turning a webhook's secret: a new one, and the old one for a while beside it.

use super::{require, seen, webhook_home};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{TheWebhook, Webhook};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::api_key::MAX_OVERLAP;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Gives a webhook a new secret. While the old one is good too, messages bear both signatures.
#[derive(Debug)]
pub struct RotateWebhookSecret {
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// Which.
    pub webhook: WebhookId,
    /// For so many seconds the old secret is good too.
    pub overlap_seconds: u32,
}

impl Operation for RotateWebhookSecret {
    type State = (Option<Visible>, Option<Webhook>);
    type Output = Webhook;

    fn home(&self) -> Home {
        webhook_home(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(TheWebhook(self.webhook).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = seen(view, self.organization).await?;
        Ok((visible, view.get(&TheWebhook(self.webhook)).await?))
    }

    fn decide(&self, (visible, found): Self::State, facts: &Facts) -> Result<Decision<Webhook>, Refusal> {
        if self.overlap_seconds > MAX_OVERLAP {
            return Err(Refusal::invalid("/overlap_seconds", "at most 2592000 seconds, which is 30 days"));
        }
        require(visible, found.is_some(), facts)?;
        let before = found.ok_or(Refusal::NotFound)?;
        let until = facts.now.plus_seconds(self.overlap_seconds.into());
        let after = Webhook {
            secret: before.secret + 1,
            old_secret_until: Some(until).filter(|until| *until > facts.now),
            ..before
        };
        let event = Event::new("webhook.rotated", "webhook", after.id);
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}
