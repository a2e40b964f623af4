//! Sending nothing any more to a receiver that is gone.

use super::{fields, webhook_home};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{Disabled, DisabledReason, TheWebhook, Webhook, WebhookUrl};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Disables a webhook whose receiver says that it is gone for good, unless it is another one by now. As the system.
#[derive(Debug)]
pub struct DisableWebhook {
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// Which.
    pub webhook: WebhookId,
    /// Who said so.
    pub receiver: WebhookUrl,
}

impl Operation for DisableWebhook {
    type State = Option<Webhook>;
    type Output = ();

    fn home(&self) -> Home {
        webhook_home(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(TheWebhook(self.webhook).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheWebhook(self.webhook)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let meant = |it: &Webhook| it.url == self.receiver && it.disabled.is_none();
        let Some(before) = found.filter(meant) else { return Ok(Decision::unchanged(())) };
        let disabled = Some(Disabled { at: facts.now, reason: DisabledReason::ReceiverGone });
        let after = Webhook { disabled, ..before.clone() };
        let event =
            Event::new("webhook.updated", "webhook", after.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(()).put(after.into()).event(event))
    }
}
