//! `roster webhook`: who is told of events, and what became of what was sent.

use clap::{Args, Subcommand, ValueEnum};
use roster_api::shapes::webhook as shapes;
use roster_core::flows::{
    NewWebhook, create_webhook, delete_webhook, redeliver, rotate_webhook_secret, update_webhook,
    webhook_secret,
};
use roster_core::id::{DeliveryId, WebhookId};
use roster_core::model::{DeliveryStatus, EventType, Webhook, WebhookUrl};
use roster_core::ops::webhook::WebhookPatch;
use roster_core::reads;
use roster_core::reference::OrganizationRef;
use serde_json::json;

use super::{open, open_to_destroy};
use crate::args::{Global, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a webhook and print its secret, this once.
    Create(Create),
    /// List webhooks, without their secrets.
    List {
        /// Only those of this organization, by id or `ext:VALUE`.
        #[arg(long, value_name = "ORG")]
        organization: Option<OrganizationRef>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a webhook, without its secret.
    Show {
        /// By id.
        webhook: WebhookId,
    },
    /// Change where a webhook's events are sent, which, or whether.
    Update(Update),
    /// Give a webhook a new secret and print it, this once.
    RotateSecret {
        /// By id.
        webhook: WebhookId,
        /// For so long messages bear a signature by the old secret too.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        overlap_seconds: u32,
    },
    /// Delete a webhook; nothing is sent to it any more.
    Delete {
        /// By id.
        webhook: WebhookId,
    },
    /// List what a webhook sent, the oldest first.
    Deliveries {
        /// By id.
        webhook: WebhookId,
        /// Only those that stand so.
        #[arg(long, value_enum)]
        status: Option<Status>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Send an event again: a server or a worker does it.
    Redeliver {
        /// The webhook, by id.
        webhook: WebhookId,
        /// The delivery, by id.
        delivery: DeliveryId,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Where events are sent.
    url: WebhookUrl,
    /// Whose events, by id or `ext:VALUE` [default: those of all organizations and of the deployment].
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
    /// A type of events, such as `member.removed`; once per type [default: all].
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventType>,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id.
    webhook: WebhookId,
    /// Where events are sent from now on.
    #[arg(long)]
    url: Option<WebhookUrl>,
    /// A type of events, such as `member.removed`; once per type.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventType>,
    /// All types of events.
    #[arg(long, conflicts_with = "types")]
    all_types: bool,
    /// Send again, from where it stopped.
    #[arg(long)]
    enable: bool,
    /// Send nothing; what comes meanwhile waits.
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Status {
    /// It is to be tried again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is given up.
    Failed,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("URL", "/url"),
    ("TYPES", "/types"),
    ("ORGANIZATION", "/organization"),
    ("STATUS", "/status"),
    ("CREATED", "/created_at"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("url", "/url"),
    ("types", "/types"),
    ("organization", "/organization"),
    ("status", "/status"),
    ("disabled because", "/disabled_reason"),
    ("created", "/created_at"),
];

const DELIVERIES: &[Column] = &[
    ("ID", "/id"),
    ("TYPE", "/event/type"),
    ("STATUS", "/status"),
    ("ATTEMPTS", "/attempts"),
    ("ANSWER", "/response_status"),
    ("ERROR", "/error"),
    ("FIRST", "/created_at"),
    ("NEXT", "/next_attempt_at"),
];

const DELIVERY: &[Column] = &[
    ("id", "/id"),
    ("webhook", "/webhook_id"),
    ("event", "/event/id"),
    ("type", "/event/type"),
    ("status", "/status"),
    ("attempts", "/attempts"),
    ("next attempt", "/next_attempt_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(asked) => create(open(global).await?, asked).await,
        Command::List { organization, limit } => list(open(global).await?, organization, &limit).await,
        Command::Show { webhook } => {
            let session = open(global).await?;
            let shown = reads::webhook(&session.roster, &session.request(), webhook).await?;
            session.out.one(&shapes::webhook(&shown.value), FIELDS)
        }
        Command::Update(asked) => update(open(global).await?, asked).await,
        Command::RotateSecret { webhook, overlap_seconds } => {
            let session = open(global).await?;
            let request = session.request();
            let done =
                rotate_webhook_secret(&session.roster, &request, webhook, overlap_seconds, None).await?;
            show_secret(&session, &done.output)
        }
        Command::Delete { webhook } => {
            let question = format!("Delete the webhook {webhook}? Nothing is sent to it any more.");
            let session = open_to_destroy(global, &question).await?;
            delete_webhook(&session.roster, &session.request(), webhook).await?;
            session.out.say(&format!("The webhook {webhook} is deleted."), &json!({"changed": true}))
        }
        Command::Deliveries { webhook, status, limit } => {
            deliveries(open(global).await?, webhook, status, &limit).await
        }
        Command::Redeliver { webhook, delivery } => {
            let session = open(global).await?;
            let done = redeliver(&session.roster, &session.request(), webhook, delivery).await?;
            session.out.one(&shapes::delivery(&done), DELIVERY)
        }
    }
}

async fn create(session: Session, asked: Create) -> Result<(), Failure> {
    let organization = match &asked.organization {
        Some(named) => Some(session.organization(named).await?),
        None => None,
    };
    let new = NewWebhook { organization, url: asked.url, types: asked.types };
    let done = create_webhook(&session.roster, &session.request(), &new, None).await?;
    show_secret(&session, &done.output)
}

fn show_secret(session: &Session, webhook: &Webhook) -> Result<(), Failure> {
    let secret = webhook_secret(&session.roster, webhook).reveal();
    let mut shown = shapes::webhook(webhook);
    shown["secret"] = json!(secret);
    let note = format!(
        "This is the only time that the secret of the webhook {} is shown. Check each message by it, as Standard Webhooks \
         has it.",
        webhook.id
    );
    session.out.secret(&secret, &shown, &note)
}

async fn update(session: Session, asked: Update) -> Result<(), Failure> {
    let types =
        if asked.all_types { Some(Vec::new()) } else { Some(asked.types).filter(|it| !it.is_empty()) };
    let enabled = (asked.enable || asked.disable).then_some(asked.enable);
    let patch = WebhookPatch { url: asked.url, types, enabled };
    let done = update_webhook(&session.roster, &session.request(), asked.webhook, patch).await?;
    session.out.one(&shapes::webhook(&done.output), FIELDS)
}

async fn list(session: Session, within: Option<OrganizationRef>, limit: &Limit) -> Result<(), Failure> {
    let organization = match &within {
        Some(named) => Some(session.organization(named).await?),
        None => None,
    };
    let request = session.request();
    let fetch = async |page| reads::webhooks(&session.roster, &request, organization, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(shapes::webhook).collect();
    let none = "There are no webhooks. Make one: roster webhook create URL --organization ORG";
    session.out.list("Webhook", &Listed { rows, next }, COLUMNS, none)
}

async fn deliveries(
    session: Session,
    webhook: WebhookId,
    status: Option<Status>,
    limit: &Limit,
) -> Result<(), Failure> {
    let status = status.map(|status| match status {
        Status::Pending => DeliveryStatus::Pending,
        Status::Delivered => DeliveryStatus::Delivered,
        Status::Failed => DeliveryStatus::Failed,
    });
    let request = session.request();
    let fetch = async |page| reads::deliveries(&session.roster, &request, webhook, status, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(shapes::delivery).collect();
    session.out.list("Delivery", &Listed { rows, next }, DELIVERIES, "Nothing was sent.")
}
