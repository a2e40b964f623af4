//! Small words to write schemas in (JSON Schema 2020-12), each leaf with an example.
#![expect(
    clippy::needless_pass_by_value,
    reason = "schemas nest: callers hand over what they have just made"
)]

use serde_json::{Map, Value, json};

/// A field of an object: its name, its schema, what it means.
pub type Field = (&'static str, Value, &'static str);

/// An object with exactly these fields, all present.
pub fn object(about: &str, fields: Vec<Field>) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    closed(about, &required, fields)
}

/// A page of a list of named rows.
pub fn page(row: &str) -> Value {
    object(
        "One page of a list.",
        vec![
            ("data", list(of(row)), "The rows."),
            (
                "next_cursor",
                or_null(text("eyJ2IjoxfQ.6kJ1")),
                "The cursor of the next page; null on the last.",
            ),
        ],
    )
}

/// An object with these fields and no other, of which some must be given.
pub fn closed(about: &str, required: &[&str], fields: Vec<Field>) -> Value {
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema, about)| (name.to_owned(), described(schema, about))).collect();
    let mut schema = json!({
        "type": "object", "description": about, "properties": properties, "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = about.into();
    schema
}

/// A named schema.
pub fn of(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The same, or null.
pub fn or_null(schema: Value) -> Value {
    if let Some(kind) = schema.get("type").and_then(Value::as_str) {
        let mut nullable = schema.clone();
        nullable["type"] = json!([kind, "null"]);
        if let Some(Value::Array(allowed)) = nullable.get_mut("enum") {
            allowed.push(Value::Null);
        }
        return nullable;
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

/// A list with bounds.
pub fn list_of(least: u32, most: u32, items: Value) -> Value {
    json!({"type": "array", "items": items, "minItems": least, "maxItems": most})
}

/// An id with its prefix.
pub fn id(prefix: &str) -> Value {
    json!({
        "type": "string", "pattern": format!("^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"),
        "examples": [format!("{prefix}_01kb2y0v4tejq8vt0d7c3w4n5e")],
    })
}

/// An id, or `ext:` and the vendor's own.
pub fn reference(example: &str) -> Value {
    json!({"type": "string", "minLength": 5, "examples": [example]})
}

/// The vendor's own id.
pub fn external_id(example: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 255, "examples": [example]})
}

/// A name that people read.
pub fn name(example: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 255, "examples": [example]})
}

/// An e-mail address.
pub fn email() -> Value {
    json!({"type": "string", "format": "email", "maxLength": 254, "examples": ["ada@example.com"]})
}

/// An instant.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time", "examples": ["2026-11-24T09:30:00.000Z"]})
}

/// Some text.
pub fn text(example: &str) -> Value {
    json!({"type": "string", "examples": [example]})
}

/// Text that matches a pattern.
pub fn matching(pattern: &str, example: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "examples": [example]})
}

/// One of several words; the first is the example.
pub fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// A whole number that is not negative.
pub fn count(example: u64) -> Value {
    json!({"type": "integer", "minimum": 0, "examples": [example]})
}

/// True or false.
pub fn flag(example: bool) -> Value {
    json!({"type": "boolean", "examples": [example]})
}

/// A role: a system role by name, or a custom one by id.
pub fn role() -> Value {
    json!({
        "type": "string", "pattern": "^(owner|admin|member|viewer|rol_[0-7][0-9a-hjkmnp-tv-z]{25})$",
        "examples": ["member"],
    })
}

/// A permission.
pub fn permission() -> Value {
    matching("^[a-z0-9_.-]+:[a-z0-9_.-]+$", "members:read")
}

/// JSON values by name.
pub fn traits() -> Value {
    json!({"type": "object", "additionalProperties": true, "examples": [{"plan": "pro"}]})
}

/// An object of which only the keys are known to be text.
pub fn map_of(values: &Value) -> Value {
    json!({"type": "object", "additionalProperties": values, "examples": [{}]})
}

/// An example that fits a schema, made from the examples of its leaves.
pub fn example(schema: &Value, named: &Map<String, Value>) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return example(named.get(name).unwrap_or(&Value::Null), named);
    }
    let given = schema["examples"].get(0).or_else(|| schema["enum"].get(0)).or_else(|| schema.get("const"));
    if let Some(given) = given {
        return given.clone();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = schema[choice].get(0) {
            return example(first, named);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, schema)| (name.clone(), example(schema, named))).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([example(&schema["items"], named)]),
        _ => Value::Null,
    }
}
