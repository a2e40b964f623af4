//! Parameters in paths, queries and headers.

use axum::http::Method;
use serde_json::{Value, json};

use crate::route::Route;

/// The parameters that routes share.
pub fn components() -> Value {
    let path = |name: &str, example: &str, about: &str| {
        json!({
            "name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string"},
            "example": example,
        })
    };
    let header = |name: &str, example: &str, about: &str| {
        json!({
            "name": name, "in": "header", "required": false, "description": about, "schema": {"type": "string"},
            "example": example,
        })
    };
    json!({
        "organization": path("organization", "ext:cloud", "The organization, by id or `ext:EXTERNAL_ID`."),
        "account": path("account", "ext:north", "The account, by id or `ext:EXTERNAL_ID`."),
        "user": path("user", "ext:ada", "The user, by id or `ext:EXTERNAL_ID`."),
        "key": path("key", "key_01kb2y0v4tejq8vt0d7c3w4n5e", "The key, by id."),
        "role": path("role", "member", "A system role by name, or a custom one by id."),
        "view": path("view", "vew_01kb2y0v4tejq8vt0d7c3w4n5e", "The view, by id."),
        "indicator": path("indicator", "ind_01kb2y0v4tejq8vt0d7c3w4n5e", "The indicator, by id."),
        "source": path("source", "src_01kb2y0v4tejq8vt0d7c3w4n5e", "The source, by id."),
        "webhook": path("webhook", "whk_01kb2y0v4tejq8vt0d7c3w4n5e", "The webhook, by id."),
        "delivery": path("delivery", "dlv_01kb2y0v4tejq8vt0d7c3w4n5e", "The delivery, by id."),
        "job": path("job", "job_01kb2y0v4tejq8vt0d7c3w4n5e", "The job, by id."),
        "session": path("session", "ses_01kb2y0v4tejq8vt0d7c3w4n5e", "The session, by id, or `current`."),
        "invitation": path("invitation", "inv_01kb2y0v4tejq8vt0d7c3w4n5e", "The invitation, by id."),
        "token": path("token", "rkl_01kb2y0v4tejq8vt0d7c3w4n5e", "What the link ends with."),
        "name": path("name", "csm", "The name of the key role."),
        "type": path("type", "deal", "The type of the record."),
        "external_id": path("external_id", "deal-1", "The vendor's id of the record."),
        "transfer": path("transfer", "trf_01kb2y0v4tejq8vt0d7c3w4n5e", "The transfer, by id."),
        "on-behalf-of": header(
            "Roster-On-Behalf-Of", "ext:ada",
            "The user to be judged instead of the key, by id or `ext:EXTERNAL_ID`. A key of an organization needs \
             `members:act_as`.",
        ),
        "last-event-id": header("Last-Event-ID", "eyJ2IjoxfQ.6kJ1", "For a stream: the `id` of the last event that came."),
        "request-id": header("X-Request-Id", "9eb0cb534e095c003f78082b1affb9fa", "An id for this request, for the logs."),
        "idempotency-key": header("Idempotency-Key", "2b1f1d5e", "Up to 255 visible ASCII characters, kept 24 hours."),
        "if-match": header("If-Match", "\"01kb2y0v4tejq8vt0d7c3w4n5e\"", "Only if the thing still has this `ETag`."),
        "if-none-match": header("If-None-Match", "\"01kb2y0v4tejq8vt0d7c3w4n5e\"", "304 if it still has this `ETag`."),
    })
}

/// Those of a route.
pub fn of_route(route: &Route) -> Vec<Value> {
    let named = |name: &str| json!({"$ref": format!("#/components/parameters/{name}")});
    let mut all: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(named)
        .collect();
    all.extend(route.query.iter().map(|(name, about)| query(name, about)));
    all.extend(route.is_followed().then(|| named("last-event-id")));
    if !route.open {
        all.push(named("on-behalf-of"));
    }
    all.push(named("request-id"));
    if route.method == Method::GET {
        all.extend(route.has_version().then(|| named("if-none-match")));
    } else if route.method == Method::POST {
        all.extend(route.may_be_sent_again().then(|| named("idempotency-key")));
    } else {
        all.push(named("if-match"));
    }
    all
}

fn query(name: &str, about: &str) -> Value {
    let schema = match name {
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        "wait" => json!({"type": "integer", "minimum": 0, "maximum": 60, "default": 0}),
        "status" => {
            let words: Vec<&str> = about.split('`').skip(1).step_by(2).collect();
            json!({"type": "string", "enum": words, "default": words.first()})
        }
        "sort" => {
            json!({"type": "string", "enum": ["name", "-name", "email", "-email", "joined_at", "-joined_at",
                "last_seen_at", "-last_seen_at"]})
        }
        "mode" => {
            json!({"type": "string", "enum": ["deactivate", "remove", "delete"], "default": "deactivate"})
        }
        "create_accounts" | "dry_run" => json!({"type": "boolean", "default": false}),
        "kind" => json!({"type": "string", "enum": ["members"], "default": "members"}),
        "from" | "to" => json!({"type": "string", "format": "date-time"}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": "query", "required": false, "description": about, "schema": schema})
}
