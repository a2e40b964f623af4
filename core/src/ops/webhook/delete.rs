//! Deleting a webhook.

use super::{fields, require, seen, webhook_home};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{TheWebhook, TheWebhookList, Webhook, WebhookList};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Deletes a webhook: nothing is sent to it from now on.
#[derive(Debug)]
pub struct DeleteWebhook {
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// Which.
    pub webhook: WebhookId,
}

impl Operation for DeleteWebhook {
    type State = (Option<Visible>, Option<Webhook>, WebhookList);
    type Output = ();

    fn home(&self) -> Home {
        webhook_home(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(TheWebhook(self.webhook).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = seen(view, self.organization).await?;
        let list = view.get(&TheWebhookList).await?.unwrap_or_default();
        Ok((visible, view.get(&TheWebhook(self.webhook)).await?, list))
    }

    fn decide(
        &self,
        (visible, found, mut list): Self::State,
        facts: &Facts,
    ) -> Result<Decision<()>, Refusal> {
        require(visible, found.is_some(), facts)?;
        let webhook = found.ok_or(Refusal::NotFound)?;
        list.0.retain(|id| *id != webhook.id);
        let event = Event::new("webhook.deleted", "webhook", webhook.id).before(fields(&webhook));
        let decision = Decision::unchanged(()).remove(TheWebhook(webhook.id).key());
        let decision =
            if list.0.is_empty() { decision.remove(TheWebhookList.key()) } else { decision.put(list.into()) };
        Ok(decision.event(event))
    }
}
