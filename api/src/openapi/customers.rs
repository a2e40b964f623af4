//! The schemas about customers.

use serde_json::{Value, json};

use super::schema::{
    closed, count, flag, id, list, list_of, matching, name, object, of, one_of, or_null, reference, role,
    text, time,
};

/// Answers.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Received",
            object("Stored; it is applied within a second.", vec![("success", flag(true), "Always true.")]),
        ),
        (
            "Tied",
            object(
                "Stored; it is applied within a second.",
                vec![("message", text("Success."), "Always this.")],
            ),
        ),
        ("Source", object("Where events about customers come from.", source())),
        (
            "NewSource",
            object("A source with its write key, which is shown this once.", {
                let mut fields = source();
                let key = matching("^rkw_", "rkw_01kb2y0v4tejq8vt0d7c3w4n5e…");
                fields.push(("write_key", key, "The user name of what it sends."));
                fields
            }),
        ),
        (
            "Activity",
            object(
                "How often somebody did something on a day; what is not grouped by is null.",
                vec![
                    ("user_id", or_null(id("usr")), "Who."),
                    ("event", or_null(text("Report Opened")), "What."),
                    ("day", or_null(text("2027-01-31")), "When, in UTC."),
                    ("count", count(3), "How often."),
                ],
            ),
        ),
        (
            "DeadLetter",
            object(
                "A message that could not be applied.",
                vec![
                    ("id", id("dlq"), "Its id."),
                    ("source_id", id("src"), "Whose."),
                    ("received_at", time(), "When it came."),
                    ("reason", text("removed_by_hand"), "Why."),
                    (
                        "payload",
                        json!({"description": "The message.", "examples": [{"userId": "ada"}]}),
                        "The message as it came.",
                    ),
                ],
            ),
        ),
        ("Replayed", object("They are in the inbox again.", vec![("replayed", count(1), "How many.")])),
    ]
}

fn source() -> Vec<super::schema::Field> {
    vec![
        ("id", id("src"), "Its id."),
        ("name", name("Product"), "Its name."),
        (
            "groups",
            object(
                "Where its groups go.",
                vec![
                    (
                        "to",
                        one_of(&["one", "each", "trait"]),
                        "To accounts of one organization, to one each, or by a trait.",
                    ),
                    ("organization", or_null(id("org")), "For `one`."),
                    ("trait", or_null(text("organization_id")), "For `trait`."),
                ],
            ),
            "Where its groups go.",
        ),
        ("default_role", role(), "What it makes people in their accounts."),
        (
            "events",
            object(
                "Which of its events are messages.",
                vec![
                    ("message_received", list(text("Message Received")), "The person wrote to us."),
                    ("message_sent", list(text("Message Sent")), "We wrote to the person."),
                ],
            ),
            "Which of its events are messages.",
        ),
        ("created_at", time(), "When it was made."),
    ]
}

/// Bodies.
pub fn body(operation: &str) -> Option<Value> {
    let source = || {
        vec![
            ("name", name("Product"), "What you call it."),
            (
                "groups",
                closed(
                    "Where its groups go.",
                    &["to"],
                    vec![
                        (
                            "to",
                            one_of(&["one", "each", "trait"]),
                            "To accounts of one organization, to one each, or by a trait.",
                        ),
                        ("organization", or_null(reference("ext:cloud")), "For `one`."),
                        ("trait", or_null(text("organization_id")), "For `trait`."),
                    ],
                ),
                "Where its groups go.",
            ),
            ("default_role", role(), "What it makes people in their accounts."),
            (
                "events",
                closed(
                    "Which of its events are messages; a list that is left out stays.",
                    &[],
                    vec![
                        ("message_received", list(text("Message Received")), "The person wrote to us."),
                        ("message_sent", list(text("Message Sent")), "We wrote to the person."),
                    ],
                ),
                "Which of its events are messages.",
            ),
        ]
    };
    Some(match operation {
        "create_source" => closed("What it is.", &["name", "groups"], source()),
        "update_source" => closed("What to change; what is left out stays.", &[], source()),
        "replay_dead_letters" => closed(
            "Which; all if it is left out.",
            &[],
            vec![("ids", list_of(1, 200, id("dlq")), "Dead letters by id.")],
        ),
        "identify" | "group" | "track" | "page" | "screen" | "alias" => message(),
        "batch" => json!({
            "type": "object", "description": "Messages, each with its `type`.", "required": ["batch"],
            "properties": {"batch": {"type": "array", "items": message()}},
        }),
        "link" | "unlink" => json!({
            "type": "object", "description": "Who, and which account; with a `timestamp` or a `messageId`.",
            "required": ["userId", "accountId"],
            "properties": {
                "userId": {"type": ["string", "integer"]}, "accountId": {"type": ["string", "integer"]},
                "timestamp": {"type": "string"}, "messageId": {"type": "string"},
            },
        }),
        _ => return None,
    })
}

/// A message of Segment's protocol, as far as it is looked at.
fn message() -> Value {
    json!({
        "type": "object", "description": "A message of Segment's protocol; unknown fields are allowed.",
        "properties": {
            "type": {"type": "string"}, "userId": {"type": ["string", "integer", "null"]},
            "anonymousId": {"type": ["string", "null"]}, "groupId": {"type": ["string", "integer"]},
            "previousId": {"type": ["string", "integer"]}, "event": {"type": "string"},
            "traits": {"type": "object"}, "properties": {"type": "object"}, "context": {"type": "object"},
            "assign": {"type": "boolean"}, "timestamp": {"type": "string"}, "sentAt": {"type": "string"},
            "messageId": {"type": "string"},
        },
    })
}

/// How what a source sends is refused.
pub const REFUSALS: [&str; 8] = [
    "malformed",
    "unauthenticated",
    "too_large",
    "unsupported_media_type",
    "store_unavailable",
    "busy",
    "outcome_unknown",
    "internal",
];

/// Links and unlinks stand beside `/v1`.
pub fn ties() -> [(&'static str, &'static str, &'static str); 2] {
    [
        ("/analytics/v1/link", "link", "Say that somebody belongs to an account"),
        ("/analytics/v1/unlink", "unlink", "Say that somebody belongs to an account no more"),
    ]
}

/// The answer's name.
pub fn tied() -> Value {
    of("Tied")
}
