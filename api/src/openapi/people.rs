//! The schemas of what people are answered about themselves.

use serde_json::Value;

use super::schema::{email, id, object};

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Value)> {
    let changed = vec![("user_id", id("usr"), "Who."), ("email", email(), "Their address now.")];
    vec![("EmailChanged", object("Whose address was changed.", changed))]
}
