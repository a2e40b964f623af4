//! Schemas of what people hold, and of how it is handed over.

use serde_json::{Value, json};

use super::schema::{external_id, id, object, one_of, reference};

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![("AccountOwner", account_owner())]
}

/// The bodies of operations about them.
pub fn body(id: &str) -> Option<Value> {
    Some(match id {
        "set_account_owner"
        | "set_organization_account_owner"
        | "set_key_role"
        | "set_organization_key_role" => {
            object("Whom.", vec![("user", reference("ext:ada"), "The person, by id or external id.")])
        }
        _ => return None,
    })
}

fn account_owner() -> Value {
    let state = |state: &str| json!({"const": state});
    let resolved = object(
        "Somebody.",
        vec![
            ("state", state("resolved"), "Who it is, is known."),
            ("source", one_of(&["manual", "mapping"]), "Set by hand, or named by a trait."),
            ("user_id", id("usr"), "Who."),
        ],
    );
    let unresolved = object(
        "Somebody who is looked for.",
        vec![
            ("state", state("unresolved"), "Nobody fits yet."),
            ("source", state("mapping"), "Named by a trait."),
            ("external_id", external_id("ada"), "Whom the trait names."),
        ],
    );
    json!({"description": "Who owns the buying decision.", "oneOf": [resolved, unresolved]})
}
