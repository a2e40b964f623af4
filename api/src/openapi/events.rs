//! The schemas of events.

use serde_json::Value;

use super::answers::audit;
use super::schema::{count, id, list, object, of, or_null, text, time};

/// One event. Its data is what the audit trail says of the change.
pub fn event() -> Value {
    const SAID: [&str; 7] = ["actor", "target", "user_id", "before", "after", "request_id", "reason"];
    let said = audit().into_iter().filter(|(name, ..)| SAID.contains(name)).collect();
    object(
        "One change, as it is told to whoever follows.",
        vec![
            ("id", id("evt"), "Its id: the same for the same event, wherever it is read."),
            ("type", text("member.removed"), "What was done, in the words of the audit trail."),
            ("time", time(), "When."),
            ("organization_id", or_null(id("org")), "Where; null outside of organizations."),
            ("seq", count(7), "The number of its entry in the log that it is from."),
            ("data", object("Who did what to whom.", said), "Who did what to whom."),
        ],
    )
}

/// A page of events: there is always somewhere to go on from.
pub fn page() -> Value {
    object(
        "Some events, in order.",
        vec![
            ("data", list(of("Event")), "The events; none where nothing has happened yet."),
            ("next_cursor", text("eyJ2IjoxfQ.6kJ1"), "Where to go on from, at the end too."),
        ],
    )
}
