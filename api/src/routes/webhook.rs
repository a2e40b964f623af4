//! Webhooks, and what they sent (rule X2).

use roster_core::flows::{
    NewWebhook, create_webhook, delete_webhook, redeliver as send_again, resolve_organization,
    rotate_webhook_secret, update_webhook, webhook_secret,
};
use roster_core::home::Home;
use roster_core::id::{OrganizationId, WebhookId};
use roster_core::model::{DeliveryStatus, EventType, Webhook, WebhookUrl};
use roster_core::op::Done;
use roster_core::ops::webhook::WebhookPatch;
use roster_core::reads;
use roster_core::reference::OrganizationRef;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PAGE;
use crate::answer::Answer;
use crate::call::{Call, Empty};
use crate::error::Problem;
use crate::json::Patch;
use crate::once::once;
use crate::route::Route;
use crate::shapes::webhook as shapes;

/// The routes.
pub fn routes() -> Vec<Route> {
    const ALL: &str = "/webhooks";
    const ONE: &str = "/webhooks/{webhook}";
    let who = "Needs `webhooks:manage` on the whole organization; of the deployment operators only.";
    vec![
        Route::post(ALL, "create_webhook", create)
            .says(
                "Create a webhook",
                "Needs `webhooks:manage` on the whole organization; with `organization: null` it is told of all \
                 organizations and of the deployment, which is for operators. Every event from now on is sent in a POST, as \
                 `GET …/events` shows it, signed as Standard Webhooks has it by the `secret`, which is in this answer and \
                 nowhere else. Any 2xx within 15 seconds takes it; whatever else comes, it is tried again for three days, \
                 and redirects are not followed. 410 says that nobody will ever take any: this event is given up, and the \
                 webhook is `disabled` until its `status` is set to `enabled`, then what came meanwhile is sent. While 500 events wait to be tried again, no new one is begun; they come later. Whoever answers 429 \
                 or 503 with `Retry-After` in seconds is left alone for so long, a day at the most. The same event has the \
                 same `webhook-id` whenever it is sent. When the organization is closed, nothing is sent any more, not \
                 even that it was closed: a webhook of the deployment is told. At most 20 webhooks an organization.",
            )
            .takes(json!({
                "url": "https://example.com/hooks", "types": ["member.added", "member.removed"],
                "organization": "ext:cloud",
            }))
            .answers(201, "NewWebhook")
            .refuses(&["organization_closed"]),
        Route::get(ALL, "list_webhooks", list)
            .says(
                "List webhooks",
                "Operators see all; others those of every organization in which they hold `webhooks:manage` on the whole. \
                 Without secrets.",
            )
            .asks(const { &[("organization", "Only webhooks of this organization."), PAGE[0], PAGE[1]] })
            .answers(200, "[Webhook]"),
        Route::get(ONE, "get_webhook", show).says("Get a webhook", who).answers(200, "Webhook"),
        Route::patch(ONE, "update_webhook", update)
            .says(
                "Change a webhook",
                "Needs `webhooks:manage` on the whole organization; of the deployment operators only. What is to be tried \
                 again goes to a new `url` at once. `organization` cannot be changed. With `status` `disabled` nothing is \
                 sent; what comes meanwhile waits, and is sent from the oldest on once it is `enabled`: of the deployment \
                 what is kept, 30 days.",
            )
            .takes(json!({"types": []}))
            .answers(200, "Webhook")
            .refuses(&["organization_closed"]),
        Route::delete(ONE, "delete_webhook", delete)
            .says("Delete a webhook", "Nothing is sent to it any more, and what is kept of what it sent goes.")
            .answers(204, "")
            .refuses(&["organization_closed"]),
        Route::post("/webhooks/{webhook}/rotate-secret", "rotate_webhook_secret", rotate)
            .says(
                "Give a webhook a new secret",
                "For `overlap_seconds`, at most 2592000, messages bear a signature by the old secret too. The new `secret` \
                 is in this answer and nowhere else.",
            )
            .takes(json!({"overlap_seconds": 86400}))
            .answers(200, "NewWebhook")
            .refuses(&["organization_closed"]),
        Route::get("/webhooks/{webhook}/deliveries", "list_deliveries", deliveries)
            .says(
                "List what a webhook sent",
                "The oldest first; the last 1,000, and those that are still to be tried. Nothing of what the receiver said is \
                 kept but its status.",
            )
            .asks(const { &[("status", "`all`, which is meant if it is left out, `pending`, `delivered` or `failed`."), PAGE[0], PAGE[1]] })
            .answers(200, "[Delivery]"),
        Route::post("/webhooks/{webhook}/deliveries/{delivery}/redeliver", "redeliver", redeliver)
            .says(
                "Send an event again",
                "Within a moment, with the same `webhook-id`, and tried again like a new one if it fails.",
            )
            .answers(200, "Delivery")
            .refuses(&["organization_closed"]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    url: WebhookUrl,
    types: Option<Vec<String>>,
    #[serde(default)]
    organization: Patch<OrganizationRef>,
}

async fn create(call: Call<Create>) -> Result<Answer, Problem> {
    call.roster().webhooks.check(&call.body.url)?;
    let new = NewWebhook {
        url: call.body.url.clone(),
        types: types(call.body.types.as_deref().unwrap_or_default())?,
        organization: whose(&call).await?,
    };
    let make = |done: &Done<Webhook>| {
        Answer::created(with_secret(&call, &done.output), format!("/v1/webhooks/{}", done.output.id))
            .tagged(done.version)
    };
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let outcome = create_webhook(call.roster(), &call.request, &new, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

/// Whose events are meant: where nothing is said, those of the key's organization, and to operators all.
async fn whose(call: &Call<Create>) -> Result<Option<OrganizationId>, Problem> {
    let actor = call.request.actor;
    match &call.body.organization {
        Patch::Set(named) => {
            let id = resolve_organization(call.roster(), named).await?;
            reads::require_visible(call.roster(), &call.request, id).await?;
            Ok(Some(id))
        }
        Patch::Clear => Ok(None),
        Patch::Keep if actor.bound_to().is_some() || actor.is_operator() => Ok(actor.bound_to()),
        Patch::Keep => Err(Problem::invalid("/organization", "say of which organization")),
    }
}

/// Types by name, each once.
fn types(named: &[String]) -> Result<Vec<EventType>, Problem> {
    let mut types: Vec<EventType> = Vec::new();
    for (n, name) in named.iter().enumerate() {
        let kind = name.parse().map_err(|bad| Problem::invalid(format!("/types/{n}"), format!("{bad}")))?;
        if !types.contains(&kind) {
            types.push(kind);
        }
    }
    Ok(types)
}

fn with_secret<B>(call: &Call<B>, webhook: &Webhook) -> Value {
    let mut shape = shapes::webhook(webhook);
    shape["secret"] = webhook_secret(call.roster(), webhook).reveal().into();
    shape
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    organization: Option<OrganizationRef>,
    limit: Option<u16>,
    cursor: Option<String>,
}

async fn list(call: Call<Empty, ListQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let within = match &call.query.organization {
        Some(named) => Some(resolve_organization(call.roster(), named).await?),
        None => None,
    };
    let found = reads::webhooks(call.roster(), &call.request, within, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::webhook).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let shown = reads::webhook(call.roster(), &call.request, call.param("webhook")?).await?;
    Ok(Answer::ok(shapes::webhook(&shown.value)).tagged(Some(shown.version)).unless_known(&call))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    #[serde(default)]
    url: Patch<WebhookUrl>,
    #[serde(default)]
    types: Patch<Vec<String>>,
    #[serde(default)]
    organization: Patch<OrganizationRef>,
    #[serde(default)]
    status: Patch<Status>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Enabled,
    Disabled,
}

async fn update(call: Call<Update>) -> Result<Answer, Problem> {
    let id: WebhookId = call.param("webhook")?;
    let named = call.body.types.clone().into_option_option().map(Option::unwrap_or_default);
    let patch = WebhookPatch {
        url: call.body.url.clone().set_only("/url")?,
        types: named.as_deref().map(types).transpose()?,
        enabled: call.body.status.set_only("/status")?.map(|status| status == Status::Enabled),
    };
    if let Some(named) = call.body.organization.clone().into_option_option() {
        let meant = match &named {
            Some(named) => Some(resolve_organization(call.roster(), named).await?),
            None => None,
        };
        if reads::webhook(call.roster(), &call.request, id).await?.value.organization != meant {
            return Err(Problem::invalid("/organization", "cannot be changed: make another webhook"));
        }
    }
    let done = update_webhook(call.roster(), &call.request, id, patch).await?;
    Ok(Answer::ok(shapes::webhook(&done.output)).tagged(done.version))
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    delete_webhook(call.roster(), &call.request, call.param("webhook")?).await?;
    Ok(Answer::nothing())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    #[serde(default)]
    overlap_seconds: u32,
}

async fn rotate(call: Call<Rotate>) -> Result<Answer, Problem> {
    let make = |done: &Done<Webhook>| Answer::ok(with_secret(&call, &done.output)).tagged(done.version);
    let seal = |done: &Done<_>| make(done).sealed(&call);
    let (id, overlap) = (call.param("webhook")?, call.body.overlap_seconds);
    let outcome = rotate_webhook_secret(call.roster(), &call.request, id, overlap, Some(&seal)).await;
    Answer::of(&call, outcome, make)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveriesQuery {
    status: Option<StatusFilter>,
    limit: Option<u16>,
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    Pending,
    Delivered,
    Failed,
    All,
}

async fn deliveries(call: Call<Empty, DeliveriesQuery>) -> Result<Answer, Problem> {
    let page = call.page(call.query.limit, call.query.cursor.as_deref())?;
    let status = match call.query.status {
        Some(StatusFilter::Pending) => Some(DeliveryStatus::Pending),
        Some(StatusFilter::Delivered) => Some(DeliveryStatus::Delivered),
        Some(StatusFilter::Failed) => Some(DeliveryStatus::Failed),
        Some(StatusFilter::All) | None => None,
    };
    let id = call.param("webhook")?;
    let found = reads::deliveries(call.roster(), &call.request, id, status, &page).await?;
    let rows: Vec<_> = found.rows.iter().map(shapes::delivery).collect();
    Ok(Answer::list(&call, &rows, found.next.as_ref()))
}

async fn redeliver(call: Call) -> Result<Answer, Problem> {
    let (webhook, delivery) = (call.param("webhook")?, call.param("delivery")?);
    // Whoever may not leaves no receipt.
    let found = reads::redeliverable(call.roster(), &call.request, webhook, delivery).await?;
    let home = found.organization.map_or(Home::Deployment, Home::Organization);
    once(&call, home, async |request| {
        let delivery = send_again(call.roster(), &request, webhook, delivery).await?;
        Ok(Answer::ok(shapes::delivery(&delivery)))
    })
    .await
}
