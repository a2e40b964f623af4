//! The schemas of what people are answered about themselves.

use serde_json::Value;

use super::schema::{Field, email, external_id, id, name, object, of, one_of, or_null, time};

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Value)> {
    let changed = vec![("user_id", id("usr"), "Who."), ("email", email(), "Their address now.")];
    vec![("EmailChanged", object("Whose address was changed.", changed))]
}

/// What a member shows.
pub(super) fn member() -> Vec<Field> {
    vec![
        ("user_id", id("usr"), "Who."),
        ("organization_id", id("org"), "Where."),
        ("external_id", or_null(external_id("ada")), "The vendor's id of the person."),
        ("email", or_null(email()), "Their address."),
        ("name", or_null(name("Ada")), "Their name."),
        ("status", one_of(&["active", "deactivated", "former"]), "Whether they have access."),
        ("access", of("Access"), "What they reach."),
        ("starts_at", or_null(time()), "No access before this instant."),
        ("expires_at", or_null(time()), "No access from this instant on."),
        ("joined_at", time(), "When they came."),
        ("left_at", or_null(time()), "When they went."),
    ]
}

/// With what joins in lists that are sorted by it.
pub(super) fn seen(mut fields: Vec<Field>) -> Vec<Field> {
    fields.push((
        "last_seen_at",
        or_null(time()),
        "When they were last seen, as sources tell; in lists that are sorted by it.",
    ));
    fields
}

/// The names of fields.
pub(super) fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|(name, ..)| *name).collect()
}
