//! Webhooks and what they sent, as records.

use roster_core::home::{Home, Record};
use roster_core::id::{DeliveryId, EventId, OrganizationId, WebhookId};
use roster_core::model::{
    DeliveredEvent, Delivery, DeliveryError, DeliveryStatus, Disabled, DisabledReason, Lease, Pending,
    Reached, Webhook, WebhookLine, WebhookList,
};
use uuid::Uuid;

use crate::build::{organization_home, organization_id, text, user_id};
use crate::stores::START;

fn webhook_id(n: u128) -> WebhookId {
    WebhookId::from_uuid(Uuid::from_u128(n << 64 | 5))
}

fn delivery_id(n: u128) -> DeliveryId {
    DeliveryId::from_uuid(Uuid::from_u128(n << 64))
}

fn webhook(n: u128, organization: Option<OrganizationId>) -> Webhook {
    Webhook {
        id: webhook_id(n),
        organization,
        url: text("https://B\u{fc}cher.example.com/hooks?key=1"),
        types: vec![text("member.added"), text("indicator.left")],
        secret: 3,
        old_secret_until: organization.map(|_| START.plus_seconds(9)),
        created_by: organization.map(|_| user_id(1)),
        begins: Reached { entry: u64::MAX >> 1, span: 2, seq: 7, n: 1 },
        created_at: START,
        disabled: organization.map(|_| Disabled { at: START, reason: DisabledReason::ReceiverGone }),
    }
}

/// Webhooks of a home, with the list of them.
pub fn webhooks(organization: Option<OrganizationId>) -> Vec<Record> {
    let first = if organization.is_some() { 1 } else { 3 };
    let list = WebhookList(vec![webhook_id(first), webhook_id(first + 1)]);
    vec![webhook(first, organization).into(), list.into()]
}

fn delivery(n: u128, home: Home, status: DeliveryStatus) -> Delivery {
    let is_done = status == DeliveryStatus::Delivered;
    Delivery {
        id: delivery_id(n),
        webhook: webhook_id(1),
        event: DeliveredEvent {
            id: EventId::from_uuid(Uuid::from_u128(n)),
            kind: "member.added".to_owned(),
            organization: is_done.then(|| organization_id(1)),
            home,
            seq: u64::MAX >> 1,
            n: 3,
        },
        status,
        attempts: 7,
        tries: 2,
        response_status: is_done.then_some(204),
        error: Some(DeliveryError::RefusedAddress).filter(|_| !is_done),
        created_at: START,
        next_attempt_at: Some(START.plus_seconds(5)).filter(|_| !is_done),
        delivered_at: is_done.then(|| START.plus_seconds(3)),
    }
}

/// How far webhooks have come, and what one sent, with the home of it.
pub fn sent() -> (Home, Vec<Record>) {
    let line = WebhookLine {
        reached: Some(Reached { entry: 0, span: 0, seq: 9, n: 1 }),
        pending: vec![Pending { at: START.plus_seconds(5), delivery: delivery_id(2) }],
        begun: 12,
        kept: 2,
        failures: 3,
        rest: Some(START.plus_seconds(4)),
        lease: Some(Lease { holder: Uuid::from_u128(7), until: START.plus_seconds(60) }),
        ..WebhookLine::new(webhook_id(1), Some(organization_id(1)))
    };
    let records = vec![
        line.into(),
        WebhookLine::new(webhook_id(2), None).into(),
        delivery(1, organization_home(1), DeliveryStatus::Delivered).into(),
        delivery(2, Home::User(user_id(2)), DeliveryStatus::Pending).into(),
    ];
    (webhook_id(1).part(), records)
}
