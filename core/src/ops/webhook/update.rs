//! Changing a webhook.

use super::{fields, require, seen, webhook_home};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{Disabled, DisabledReason, EventType, TheWebhook, Webhook, WebhookUrl};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WebhookPatch {
    /// Where events are sent.
    pub url: Option<WebhookUrl>,
    /// Which; all if there are none.
    pub types: Option<Vec<EventType>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
}

/// Changes where events are sent, which, or whether. What is to be tried again goes to the new place.
#[derive(Debug)]
pub struct UpdateWebhook {
    /// Whose.
    pub organization: Option<OrganizationId>,
    /// Which.
    pub webhook: WebhookId,
    /// What.
    pub patch: WebhookPatch,
}

impl Operation for UpdateWebhook {
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
        require(visible, found.is_some(), facts)?;
        let before = found.ok_or(Refusal::NotFound)?;
        let WebhookPatch { url, types, enabled } = self.patch.clone();
        let by_hand = Disabled { at: facts.now, reason: DisabledReason::ByHand };
        let after = Webhook {
            url: url.unwrap_or_else(|| before.url.clone()),
            types: types.unwrap_or_else(|| before.types.clone()),
            disabled: match enabled {
                None => before.disabled,
                Some(true) => None,
                Some(false) => before.disabled.or(Some(by_hand)),
            },
            ..before.clone()
        };
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event =
            Event::new("webhook.updated", "webhook", after.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}
