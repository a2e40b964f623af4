//! Webhooks: the line that leads to one goes first, then the webhook; when it is deleted, what it sent goes last.

use super::refresh::tidied;
use crate::facts::Request;
use crate::id::{DeliveryId, OrganizationId, WebhookId};
use crate::model::{Delivery, EventType, Reached, Webhook, WebhookUrl};
use crate::op::{Done, Roster, Seal, preflight, run, run_sealed};
use crate::ops::pointer::NOT_AFTER;
use crate::ops::webhook::{
    CreateWebhook, DeleteWebhook, ForgetDeliveries, PutLine, Redeliver, RotateWebhookSecret, Settle, Settled,
    UpdateWebhook, WebhookPatch, webhook_home,
};
use crate::reads::{self, EventSource, deliveries_behind, events_end, organization_of};
use crate::refusal::OpError;
use crate::secret::WebhookSecret;

/// So many steps take away what is left of a webhook; whoever looks at lines does the rest.
const FORGETTING: u32 = 100;

/// What a webhook is made from.
#[derive(Clone, PartialEq, Debug)]
pub struct NewWebhook {
    /// Whose events; of all organizations and the deployment where it is none's.
    pub organization: Option<OrganizationId>,
    /// Where they are sent.
    pub url: WebhookUrl,
    /// Which; all if there are none.
    pub types: Vec<EventType>,
}

/// Makes a webhook. Nothing from before is sent to it.
pub async fn create_webhook(
    roster: &Roster,
    request: &Request,
    new: &NewWebhook,
    seal: Option<Seal<'_, Webhook>>,
) -> Result<Done<Webhook>, OpError> {
    let NewWebhook { organization, url, types } = new.clone();
    let id = WebhookId::from_uuid(request.seed.uuid("webhook"));
    roster.webhooks.check(&url)?;
    let source = organization.map_or(EventSource::Deployment, EventSource::Organization);
    let begins: Reached = events_end(roster, source).await?.into();
    let mut operation = CreateWebhook { id, organization, url, types, begins, not_after: None };
    preflight(roster, request, &operation).await?;
    let clock = roster.store.read(&webhook_home(organization), &[], &[]).await?.clock;
    let line = PutLine { webhook: id, organization };
    run(roster, &request.as_system("webhook line"), &line).await?;
    operation.not_after = Some(clock.plus_seconds(NOT_AFTER));
    let done = run_sealed(roster, request, &operation, seal).await?;
    roster.webhooks.wake.notify_one();
    Ok(done)
}

/// Changes a webhook. What waits goes to a new place at once: it may have been changed because nobody was at the old one.
/// So it does once it is enabled again.
pub async fn update_webhook(
    roster: &Roster,
    request: &Request,
    webhook: WebhookId,
    patch: WebhookPatch,
) -> Result<Done<Webhook>, OpError> {
    if let Some(url) = &patch.url {
        roster.webhooks.check(url)?;
    }
    let organization = organization_of(roster, webhook).await?;
    let moved = patch.url.is_some() || patch.enabled == Some(true);
    let done = run(roster, request, &UpdateWebhook { organization, webhook, patch }).await?;
    if moved {
        let settle = Settle { webhook, settled: Settled::Due };
        if let Err(error) = run(roster, &request.as_system("webhook moved"), &settle).await {
            tracing::warn!(%webhook, %error, "what waits for a webhook that was moved goes there when it is due");
        }
        roster.webhooks.wake.notify_one();
    }
    Ok(done)
}

/// Gives a webhook a new secret.
pub async fn rotate_webhook_secret(
    roster: &Roster,
    request: &Request,
    webhook: WebhookId,
    overlap_seconds: u32,
    seal: Option<Seal<'_, Webhook>>,
) -> Result<Done<Webhook>, OpError> {
    let organization = organization_of(roster, webhook).await?;
    let operation = RotateWebhookSecret { organization, webhook, overlap_seconds };
    run_sealed(roster, request, &operation, seal).await
}

/// The secret by which a webhook's messages are signed now, to be shown to whoever has made or turned it.
pub fn webhook_secret(roster: &Roster, webhook: &Webhook) -> WebhookSecret {
    roster.links.webhook_secret(webhook.id, webhook.secret)
}

/// Deletes a webhook with everything that is kept of what it sent.
pub async fn delete_webhook(roster: &Roster, request: &Request, webhook: WebhookId) -> Result<(), OpError> {
    let organization = organization_of(roster, webhook).await?;
    run(roster, request, &DeleteWebhook { organization, webhook }).await?;
    tidied(forget_webhook(roster, request, webhook).await);
    Ok(())
}

/// Takes away what is left of a webhook that is gone.
pub(crate) async fn forget_webhook(
    roster: &Roster,
    request: &Request,
    webhook: WebhookId,
) -> Result<(), OpError> {
    for n in 0..FORGETTING {
        let found = deliveries_behind(roster, webhook, None, 400).await?;
        let deliveries: Vec<DeliveryId> = found.into_iter().map(|it| it.id).collect();
        let forget = ForgetDeliveries { webhook, deliveries, gone: true };
        if run(roster, &request.as_system(&format!("webhook gone {n}")), &forget).await?.output {
            break;
        }
    }
    Ok(())
}

/// Has an event sent again; needs what managing the webhook does.
pub async fn redeliver(
    roster: &Roster,
    request: &Request,
    webhook: WebhookId,
    delivery: DeliveryId,
) -> Result<Delivery, OpError> {
    reads::redeliverable(roster, request, webhook, delivery).await?;
    let request = Request { if_match: None, receipt: None, ..request.clone() };
    let done = run(roster, &request, &Redeliver { webhook, delivery }).await?;
    roster.webhooks.wake.notify_one();
    Ok(done.output)
}
