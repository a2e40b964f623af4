//! The schemas about customers.

use serde_json::{Value, json};

use super::schema::{
    closed, count, flag, id, list, list_of, matching, name, object, of, one_of, or_null, reference, role,
    text, time,
};

/// Answers.
#[expect(clippy::too_many_lines, reason = "a table")]
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
            "ReportPage",
            json!({
                "type": "object", "description": "A page of a report.", "required": ["data", "next_cursor"],
                "properties": {
                    "data": {"type": "array", "description": "Rows, with values under the names of the columns.", "items": {"type": "object"}},
                    "next_cursor": {"type": ["string", "null"], "description": "Where the next page begins."},
                },
                "examples": [{"data": [{"name": "North", "owner.email": "ada@example.com"}], "next_cursor": null}],
            }),
        ),
        (
            "View",
            object(
                "A question under a name.",
                vec![
                    ("id", id("vew"), "Its id."),
                    ("name", name("Silent owners"), "Its name."),
                    ("kind", one_of(&["accounts", "organizations"]), "What it has a row for."),
                    (
                        "filter",
                        json!({"type": ["object", "null"], "examples": [{"field": "owner", "op": "missing"}]}),
                        "Which rows.",
                    ),
                    ("columns", list(text("name")), "Its columns; none are the usual ones."),
                    ("sort", list(text("-owner.last_seen_at")), "Its order."),
                ],
            ),
        ),
        (
            "Indicator",
            object(
                "Tells what enters and leaves a view.",
                vec![
                    ("id", id("ind"), "Its id."),
                    ("name", name("Owner went silent"), "Its name."),
                    ("view_id", id("vew"), "On which view."),
                    ("holds_for_days", count(0), "For how many days something must be in the view."),
                    ("created_at", time(), "When it was made."),
                ],
            ),
        ),
        (
            "Alert",
            object(
                "Something entered a view or left it.",
                vec![
                    ("id", id("alr"), "Its id."),
                    ("indicator_id", id("ind"), "Of which indicator."),
                    ("state", one_of(&["entered", "left"]), "Which way."),
                    (
                        "subject",
                        object(
                            "What.",
                            vec![
                                ("type", one_of(&["account", "organization"]), "Its kind."),
                                ("id", text("acc_01kb2y0v4tejq8vt0d7c3w4n5e"), "Its id."),
                            ],
                        ),
                        "What.",
                    ),
                    ("at", time(), "When."),
                ],
            ),
        ),
        (
            "TraitMappings",
            object(
                "Which traits name owners.",
                vec![
                    ("account_owner_trait", or_null(text("ownerId")), "Of accounts."),
                    ("organization_owner_trait", or_null(text("ownerId")), "Of organizations."),
                ],
            ),
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
        (
            "Replayed",
            object(
                "They are in the inbox again.",
                vec![
                    ("replayed", count(1), "How many."),
                    ("more", flag(false), "Whether there may be more of those that can be applied again."),
                ],
            ),
        ),
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
        (
            "organization_owner",
            or_null(id("usr")),
            "Who owns the organizations that groups make, for `each` and `trait`; null: none are made.",
        ),
        (
            "new_organizations_per_day",
            json!({"type": "integer", "minimum": 1, "maximum": 1_000_000, "examples": [100]}),
            "How many organizations its groups make a day at the most, 1 to 1000000.",
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
#[expect(clippy::too_many_lines, reason = "a table")]
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
            (
                "organization_owner",
                or_null(reference("ext:ada")),
                "Who owns the organizations that groups make, for `each` and `trait`; null: none are made.",
            ),
            (
                "new_organizations_per_day",
                json!({"type": "integer", "minimum": 1, "maximum": 1_000_000, "examples": [100]}),
                "How many organizations its groups make a day at the most, 1 to 1000000.",
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
    let question = |more: Vec<super::schema::Field>| {
        let mut fields = vec![
            ("columns", list(text("owner.email")), "The columns; the usual ones if there are none."),
            (
                "filter",
                json!({"type": ["object", "null"], "description": "A tree of `and`, `or`, `not` and tests."}),
                "Which rows.",
            ),
            ("sort", list(text("-owner.last_seen_at")), "By which columns; `-` reverses."),
        ];
        fields.extend(more);
        fields
    };
    Some(match operation {
        "create_source" => closed("What it is.", &["name", "groups"], source()),
        "update_source" => closed("What to change; what is left out stays.", &[], source()),
        "replay_dead_letters" => closed(
            "Which; the oldest if it is left out.",
            &[],
            vec![
                ("ids", list_of(1, 200, id("dlq")), "Dead letters by id."),
                ("all", flag(false), "All that are there, by a job."),
            ],
        ),
        "report_accounts" | "report_organizations" => closed(
            "What is asked.",
            &[],
            question(vec![
                ("limit", count(50), "How many rows, 1 to 200."),
                ("cursor", or_null(text("eyJ2IjoxfQ.6kJ1")), "The `next_cursor` of the page before."),
            ]),
        ),
        "create_view" => closed(
            "What it is.",
            &["name", "kind"],
            question(vec![
                ("name", name("Silent owners"), "What you call it."),
                ("kind", one_of(&["accounts", "organizations"]), "What it has a row for."),
            ]),
        ),
        "update_view" => closed(
            "What to change; what is left out stays.",
            &[],
            question(vec![("name", name("Silent owners"), "What you call it.")]),
        ),
        "create_indicator" => closed(
            "What it is.",
            &["name", "view_id"],
            vec![
                ("name", name("Owner went silent"), "What you call it."),
                ("view_id", id("vew"), "On which view."),
                ("holds_for_days", count(0), "For how many days something must be in the view, 0 to 365."),
            ],
        ),
        "update_indicator" => closed(
            "What to change; what is left out stays.",
            &[],
            vec![
                ("name", name("Owner went silent"), "What you call it."),
                ("holds_for_days", count(0), "For how many days something must be in the view, 0 to 365."),
            ],
        ),
        "put_trait_mappings" | "put_organization_trait_mappings" => closed(
            "Which traits.",
            &[],
            vec![
                ("account_owner_trait", or_null(text("ownerId")), "Names the owner of an account."),
                ("organization_owner_trait", or_null(text("ownerId")), "Names the owner of an organization."),
            ],
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
        "additionalProperties": true,
        "properties": {
            "type": {"type": "string"}, "userId": {"type": ["string", "integer", "null"]},
            "anonymousId": {"type": ["string", "null"]}, "groupId": {"type": ["string", "integer"]},
            "previousId": {"type": ["string", "integer"]}, "event": {"type": "string"},
            "category": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
            "traits": {"type": "object"}, "properties": {"type": "object"}, "context": {"type": "object"},
            "assign": {"type": "boolean"}, "timestamp": {"type": "string"}, "sentAt": {"type": "string"},
            "messageId": {"type": "string"},
        },
    })
}

/// How what a source sends is refused.
pub const REFUSALS: [&str; 9] = [
    "malformed",
    "invalid",
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
