//! The schemas of webhooks.

use roster_core::model::{DeliveryError, DeliveryStatus, DisabledReason, EVENT_TYPES};
use serde_json::{Value, json};

use super::schema::{
    Field, closed, count, id, list, matching, object, one_of, or_null, reference, text, time,
};

/// Answers.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Webhook", object("Whoever is told of events.", webhook())),
        (
            "NewWebhook",
            object("A webhook with its secret, which is shown this once.", {
                let mut fields = webhook();
                let secret = matching("^whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=");
                fields.push(("secret", secret, "By which messages are signed, as Standard Webhooks has it."));
                fields
            }),
        ),
        ("Delivery", object("What became of an event that was sent.", delivery())),
    ]
}

fn webhook() -> Vec<Field> {
    vec![
        ("id", id("whk"), "Its id."),
        ("url", url(), "Where events are sent."),
        ("types", list(text("member.removed")), "Which; all if there are none."),
        (
            "organization",
            or_null(id("org")),
            "Whose events; null for those of all organizations and of the deployment.",
        ),
        (
            "status",
            one_of(&["enabled", "disabled"]),
            "Nothing is sent to a disabled one; what comes meanwhile waits.",
        ),
        (
            "disabled_reason",
            or_null(one_of(&DisabledReason::ALL.map(DisabledReason::name))),
            "Why it is disabled: the receiver answered 410, or somebody wanted it.",
        ),
        ("disabled_at", or_null(time()), "Since when it is disabled."),
        ("created_at", time(), "When it was made."),
    ]
}

fn delivery() -> Vec<Field> {
    let event = object(
        "Which event.",
        vec![
            ("id", id("evt"), "Its id, which is the `webhook-id` too."),
            ("type", text("member.removed"), "Its type."),
            ("organization_id", or_null(id("org")), "Where; null outside of organizations."),
            ("seq", count(7), "The number of its entry in the log that it is from."),
        ],
    );
    vec![
        ("id", id("dlv"), "Its id."),
        ("webhook_id", id("whk"), "By which webhook."),
        ("event", event, "Which event."),
        ("status", one_of(&DeliveryStatus::ALL.map(DeliveryStatus::name)), "How it stands."),
        ("attempts", count(1), "How often it was tried."),
        ("response_status", or_null(count(200)), "What the receiver answered last."),
        (
            "error",
            or_null(one_of(&DeliveryError::ALL.map(DeliveryError::name))),
            "Why the last attempt failed: what the receiver says is not kept.",
        ),
        ("created_at", time(), "When it was first tried."),
        ("next_attempt_at", or_null(time()), "When it is tried again."),
        ("delivered_at", or_null(time()), "When the receiver took it."),
    ]
}

/// Bodies.
pub fn body(operation: &str) -> Option<Value> {
    let types = || or_null(list(one_of(&EVENT_TYPES)));
    let fields = || {
        vec![
            ("url", url(), "Where events are sent; not to private addresses, unless that is allowed."),
            ("types", types(), "Which; all if there are none, or it is left out."),
            (
                "organization",
                or_null(reference("ext:cloud")),
                "Whose events, by id or external id; the key's own if left out. Null, which is for operators only, for those \
                 of all organizations and of the deployment. It stays what it was made with.",
            ),
        ]
    };
    Some(match operation {
        "create_webhook" => closed("What it is.", &["url"], fields()),
        "update_webhook" => closed("What to change; what is left out stays.", &[], {
            let mut fields = fields();
            fields.push(("status", one_of(&["enabled", "disabled"]), "Whether anything is sent."));
            fields
        }),
        "rotate_webhook_secret" => closed(
            "How long the old secret stays.",
            &[],
            vec![(
                "overlap_seconds",
                count(86_400),
                "For so long messages bear both signatures, at most 2592000; not at all if left out.",
            )],
        ),
        _ => return None,
    })
}

fn url() -> Value {
    json!({"type": "string", "format": "uri", "maxLength": 2048, "examples": ["https://example.com/hooks"]})
}
