//! Making a webhook.

use super::{fields, require, seen, webhook_home};
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, WebhookId};
use crate::model::{
    EventType, MAX_WEBHOOKS, Reached, TheWebhook, TheWebhookList, Webhook, WebhookList, WebhookUrl,
};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Makes a webhook, to whose line a pointer leads already.
#[derive(Debug)]
pub struct CreateWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events; of all organizations and the deployment where it is none's.
    pub organization: Option<OrganizationId>,
    /// Where they are sent.
    pub url: WebhookUrl,
    /// Which; all if there are none.
    pub types: Vec<EventType>,
    /// Where events were when it was asked for.
    pub begins: Reached,
    /// The pointer leads here until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for CreateWebhook {
    type State = (Option<Visible>, WebhookList);
    type Output = Webhook;

    fn home(&self) -> Home {
        webhook_home(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(TheWebhook(self.id).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = seen(view, self.organization).await?;
        Ok((visible, view.get(&TheWebhookList).await?.unwrap_or_default()))
    }

    fn decide(&self, (visible, mut list): Self::State, facts: &Facts) -> Result<Decision<Webhook>, Refusal> {
        match visible {
            None if !facts.actor.is_operator() => return Err(Refusal::lacks("operator")),
            visible => require(visible, true, facts)?,
        }
        if list.0.len() >= MAX_WEBHOOKS {
            let text =
                format!("there are {MAX_WEBHOOKS} webhooks, the most: change one, or delete one first");
            return Err(Refusal::invalid("/organization", text));
        }
        let webhook = Webhook {
            id: self.id,
            organization: self.organization,
            url: self.url.clone(),
            types: self.types.clone(),
            secret: 1,
            old_secret_until: None,
            created_by: facts.actor.user(),
            begins: self.begins,
            created_at: facts.now,
            disabled: None,
        };
        list.0.push(self.id);
        list.0.sort_unstable();
        let event = Event::new("webhook.created", "webhook", self.id).after(fields(&webhook));
        let decision = Decision::unchanged(webhook.clone()).put(webhook.into()).put(list.into());
        Ok(decision.event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
