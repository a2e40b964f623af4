//! The `OpenAPI` document, made from the table of routes.

mod answers;
mod bodies;
mod customers;
mod events;
mod export;
mod jobs;
mod leaving;
mod parameters;
mod people;
mod schema;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::route::{Form, Route};
use crate::routes;

const ABOUT: &str = "Who is in which account, as what, who owns the account, and how people leave.\n\n\
    **Who asks:** `Authorization: Bearer SECRET` with an operator key (`rko_…`, every right) or a key of one \
    organization (`rka_…`, the rights of its role), or the session of a user who has signed in (`rks_…`). `Roster-On-Behalf-Of: USER` has a user judged instead.\n\n\
    **Names:** where a path or a body takes the id of an organization, an account or a user, it takes \
    `ext:EXTERNAL_ID` too.\n\n\
    **Errors** are problems (RFC 9457) with a stable `code`. What the caller cannot see answers 404, the same as what \
    does not exist.\n\n\
    **Lists** come in pages: send `next_cursor` back as `cursor`. `Accept: text/csv` gives a page as CSV.\n\n\
    **Writing twice:** with an `Idempotency-Key`, a POST that is sent again within 24 hours is answered as it was, with \
    `Idempotency-Replayed: true`. `If-Match` with an `ETag` makes a change conditional.";

/// The document.
pub fn document() -> Value {
    let named = schemas();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in routes::all() {
        let path = format!("/v1{}", route.path);
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(path).or_default().insert(method, operation(&route, &named));
    }
    for (path, id, summary) in customers::ties() {
        paths.entry(path.to_owned()).or_default().insert("post".to_owned(), tie(id, summary, &named));
    }
    for (path, operation) in unversioned(&named) {
        paths.entry(path.to_owned()).or_default().insert("get".to_owned(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Roster", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"key": []}],
        "tags": TAGS.map(|(name, _, about)| json!({"name": name, "description": about})),
        "paths": paths,
        "components": {
            "schemas": named, "parameters": parameters::components(), "headers": headers(),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An operator key, a key of an organization, or a session."},
                "write_key": {"type": "http", "scheme": "basic", "description": "The write key of a source as user name, without a password."},
            },
        },
    })
}

/// The fields of each named answer, in their order.
pub(crate) fn fields_of_answers() -> BTreeMap<String, Vec<String>> {
    let fields = |schema: &Value| {
        let names = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    answers::all().iter().map(|(name, schema)| (name.clone(), fields(schema))).collect()
}

/// Tags with the operations they cover: by the last noun of the path that matches first.
const TAGS: [(&str, &[&str], &str); 16] = [
    ("Jobs", &["/jobs", "/imports", "/members/bulk"], "What takes long, and how far it is."),
    ("Records", &["/records"], "What people own in the vendor's product."),
    (
        "Sessions",
        &["/sessions", "/me/password", "/password-reset", "/me/email", "/email-changes"],
        "Signing in and out.",
    ),
    ("Members", &["/members"], "People in an organization, what they reach, how they leave."),
    ("Accounts", &["/organizations/{organization}/accounts"], "Workspaces of an organization."),
    ("Roles", &["/roles", "/permissions"], "What roles hold."),
    ("API keys", &["/api-keys"], "Keys of an organization."),
    ("Invitations", &["/invitations"], "Asking people in, and what they answer."),
    ("Audit", &["/audit"], "What was done, by whom."),
    ("Events", &["/events"], "Every change as it happens."),
    ("Webhooks", &["/webhooks"], "Events sent on, signed, and tried again."),
    ("Check", &["/check"], "May this user do this here?"),
    (
        "Customers",
        &[
            "/sources",
            "/identify",
            "/group",
            "/track",
            "/page",
            "/screen",
            "/alias",
            "/batch",
            "/activity",
            "/reports",
            "/views",
            "/indicators",
            "/trait-mappings",
        ],
        "Where events about customers come from, and what sources send.",
    ),
    ("Organizations", &["/organizations"], "Tenants, their owners and seats."),
    ("Users", &["/users", "/me"], "People, once in the deployment."),
    ("Service", &[""], "The service itself."),
];

fn tag(path: &str) -> &'static str {
    TAGS.iter()
        .find(|(_, parts, _)| parts.iter().any(|part| path.contains(part)))
        .map_or("Service", |tag| tag.0)
}

fn schemas() -> Map<String, Value> {
    let mut named = answers::all();
    named.extend(bodies::shared());
    for route in routes::all() {
        if let Some(body) = bodies::of_operation(route.id) {
            named.insert(bodies::schema_name(route.id), body);
        }
        if let Some(row) = route.answer.and_then(row_of_page) {
            let page = if route.is_followed() { events::page() } else { schema::page(row) };
            named.insert(format!("{row}Page"), page);
        }
    }
    named
}

/// `Account` of `[Account]`.
pub(crate) fn row_of_page(answer: &'static str) -> Option<&'static str> {
    answer.strip_prefix('[')?.strip_suffix(']')
}

fn operation(route: &Route, named: &Map<String, Value>) -> Value {
    let mut operation = json!({
        "operationId": route.id, "summary": route.summary, "description": route.description,
        "tags": [tag(route.path)], "parameters": parameters::of_route(route), "responses": responses(route, named),
    });
    if route.open {
        let either = json!([{}, {"key": []}]);
        operation["security"] = if route.may_be_signed() { either } else { json!([]) };
    }
    if route.ingests {
        operation["security"] = json!([{"write_key": []}]);
        let on_behalf = json!({"$ref": "#/components/parameters/on-behalf-of"});
        let idempotent = json!({"$ref": "#/components/parameters/idempotency-key"});
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.retain(|one| *one != on_behalf && *one != idempotent);
        }
    }
    if let Some(example) = &route.body {
        let content = json!({"schema": bodies::named(route.id), "example": example});
        let mut kinds = json!({"application/json": content});
        if route.method == Method::PATCH {
            kinds["application/merge-patch+json"] = content;
        }
        operation["requestBody"] = json!({"required": true, "content": kinds});
    }
    if route.upload {
        let content = json!({"text/csv": {"schema": {"type": "string", "maxLength": 67_108_864}}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

fn responses(route: &Route, named: &Map<String, Value>) -> Value {
    let mut responses: BTreeMap<String, Value> = BTreeMap::new();
    for status in route.statuses() {
        responses.insert(status.to_string(), success(route, status, named));
    }
    if route.method == Method::GET && route.has_version() {
        let headers = json!({"X-Request-Id": header("X-Request-Id"), "ETag": header("ETag")});
        responses.insert(
            "304".to_owned(),
            json!({"description": "As the client has it already.", "headers": headers}),
        );
    }
    let mut refusals: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes(route) {
        refusals.entry(status_of(code)).or_default().push(code);
    }
    for (status, codes) in refusals {
        responses.insert(status.to_string(), refusal(status, &codes, named));
    }
    json!(responses)
}

fn success(route: &Route, status: u16, named: &Map<String, Value>) -> Value {
    let mut headers = json!({"X-Request-Id": header("X-Request-Id")});
    let queued = Some("JobAccepted").filter(|_| route.may_queue && status == 202);
    let Some(answer) = queued.or(route.answer) else {
        return json!({"description": "Done.", "headers": headers});
    };
    let row = row_of_page(answer);
    let schema = schema::of(&row.map_or_else(|| answer.to_owned(), |row| format!("{row}Page")));
    if route.has_version() {
        headers["ETag"] = header("ETag");
    }
    if status == 201 || status == 202 {
        headers["Location"] = header("Location");
    }
    if route.method == Method::POST && !route.ingests {
        headers["Idempotency-Replayed"] = header("Idempotency-Replayed");
    }
    let example = schema::example(&schema, named);
    let kind = match route.form {
        Form::Lines => "application/x-ndjson",
        Form::Events => "text/event-stream",
        Form::One => "application/json",
    };
    let mut content = json!({kind: {"schema": schema, "example": example}});
    if row.is_some() || route.form == Form::Lines || answer == "ReportPage" {
        content["text/csv"] = json!({"schema": {"type": "string"}});
    }
    if answer == "ReportPage" {
        headers["Roster-Next-Cursor"] = header("Roster-Next-Cursor");
    }
    if route.is_followed() {
        let told = "id: eyJzZXEiOjh9\ndata: {\"id\": \"evt_01kb2y0v4tejq8vt0d7c3w4n5e\", …}\n\n";
        content["text/event-stream"] = json!({"schema": {"type": "string"}, "example": told});
    }
    let about = match status {
        201 => "Made.",
        202 => "Asked for; the job does it.",
        _ => "Done.",
    };
    json!({"description": about, "headers": headers, "content": content})
}

fn refusal(status: u16, codes: &[&str], named: &Map<String, Value>) -> Value {
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut example = schema::example(&schema::of("Problem"), named);
    let code = codes.first().copied().unwrap_or_default();
    let about = crate::error::title(code);
    example["status"] = status.into();
    example["code"] = code.into();
    example["title"] = about.clone().into();
    example["type"] = format!("urn:roster:problem:{code}").into();
    example["detail"] = format!("{about}.").into();
    for beside in ["errors", "source", "uses", "checks", "message"] {
        let refused = (beside == "errors" && status == 422) || code == "implicit_access";
        let wanted = (refused && !["checks", "uses", "message"].contains(&beside))
            || (beside == "uses" && code == "role_in_use");
        if let Some(fields) = example.as_object_mut().filter(|_| !wanted) {
            fields.remove(beside);
        }
    }
    if code == "implicit_access" {
        example["source"] = json!({"type": "organization", "role": "admin"});
    }
    let schema = json!({
        "allOf": [schema::of("Problem"), {"type": "object", "properties": {"code": {"enum": codes}}}],
    });
    let mut headers = json!({"X-Request-Id": header("X-Request-Id")});
    if status == 503 || status == 429 {
        headers["Retry-After"] = header("Retry-After");
    }
    json!({
        "description": listed.join(", "), "headers": headers,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    })
}

/// Every code with which an operation may be refused.
fn codes(route: &Route) -> Vec<&'static str> {
    if route.ingests {
        return customers::REFUSALS.to_vec();
    }
    let writes = route.method != Method::GET;
    let mut codes =
        vec!["unauthenticated", "forbidden", "not_found", "invalid", "store_unavailable", "busy", "internal"];
    if route.open {
        codes.push("rate_limited");
        codes.retain(|code| !["unauthenticated", "forbidden"].contains(code));
    } else {
        codes.push("reauthentication_required");
    }
    if route.answer.is_some_and(|answer| answer.starts_with('[')) {
        codes.push("invalid_cursor");
    }
    codes.extend(["malformed", "too_large", "unsupported_media_type"]);
    if writes && !route.reads {
        codes.push("outcome_unknown");
        codes.push("conflict");
    }
    if writes && !route.reads && route.path.contains("{organization}") {
        codes.push("organization_closed");
    }
    if route.method == Method::POST && !route.reads && route.may_be_sent_again() {
        codes.push("idempotency_mismatch");
    }
    if [Method::PUT, Method::PATCH, Method::DELETE].contains(&route.method) {
        codes.push("precondition_failed");
    }
    codes.extend(route.codes);
    codes
}

/// The status that a code comes with.
fn status_of(code: &str) -> u16 {
    match code {
        "malformed" | "invalid_cursor" => 400,
        "unauthenticated" | "invalid_credentials" | "reauthentication_required" => 401,
        "forbidden" | "cannot_grant_unheld" | "owner_by_transfer_only" | "wrong_recipient" => 403,
        "not_found" => 404,
        "cursor_expired" | "invitation_used" | "invitation_expired" | "invitation_revoked"
        | "offer_expired" | "reset_used" | "reset_expired" => 410,
        "precondition_failed" => 412,
        "too_large" => 413,
        "unsupported_media_type" => 415,
        "invalid" | "confirmation_required" | "idempotency_mismatch" => 422,
        "rate_limited" => 429,
        "internal" => 500,
        "busy" | "store_unavailable" | "outcome_unknown" => 503,
        _ => 409,
    }
}

/// What says who belongs to which account.
fn tie(id: &str, summary: &str, named: &Map<String, Value>) -> Value {
    let body = customers::body(id).unwrap_or_default();
    let example = json!({"userId": "ada", "accountId": "north", "messageId": "m-1"});
    let schema = customers::tied();
    let answer = schema::example(&schema, named);
    let mut responses = json!({"200": {
        "description": "Done.", "headers": {"X-Request-Id": header("X-Request-Id")},
        "content": {"application/json": {"schema": schema, "example": answer}},
    }});
    for code in customers::REFUSALS {
        let status = status_of(code);
        responses[status.to_string()] = refusal(status, &codes_of(status), named);
    }
    json!({
        "operationId": id, "summary": summary, "tags": ["Customers"], "security": [{"write_key": []}],
        "description": "As the tracking API: Basic authentication with a write key, stored before this answers, applied \
                        within a second.",
        "parameters": [{"$ref": "#/components/parameters/request-id"}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": body, "example": example}}},
        "responses": responses,
    })
}

/// Those of the codes of ingestion that come with a status.
fn codes_of(status: u16) -> Vec<&'static str> {
    customers::REFUSALS.into_iter().filter(|code| status_of(code) == status).collect()
}

fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

fn headers() -> Value {
    let text = |about: &str| json!({"description": about, "schema": {"type": "string"}});
    json!({
        "X-Request-Id": text("The id of the request: the client's own if it sent one."),
        "ETag": text("The version, for `If-Match` and `If-None-Match`."),
        "Location": text("Where the new thing is."),
        "Idempotency-Replayed": text("`true` where an earlier answer is given again."),
        "Retry-After": text("Seconds to wait before trying again."),
        "Roster-Next-Cursor": text("With a page as CSV: the `cursor` of the next; missing on the last."),
    })
}

fn unversioned(named: &Map<String, Value>) -> [(&'static str, Value); 4] {
    let plain =
        |kind: &str| json!({"description": "Done.", "content": {kind: {"schema": {"type": "string"}}}});
    let open = |id: &str, summary: &str, about: &str, answer: Value| {
        json!({
            "operationId": id, "summary": summary, "description": about, "tags": ["Service"], "security": [],
            "parameters": [], "responses": {"200": answer},
        })
    };
    let status = json!({
        "description": "All is well.",
        "content": {"application/json": {
            "schema": schema::of("Status"), "example": schema::example(&schema::of("Status"), named),
        }},
    });
    let mut ready = open(
        "get_readiness",
        "Can it work?",
        "Whether the store answers and the process stays. With `verbose` every check is listed, also when it is not \
         ready: the process, the store, its schema, and what an acknowledged change survives (`durability`).",
        json!({
            "description": "All is well.",
            "content": {"application/json": {
                "schema": schema::of("Readiness"), "example": schema::example(&schema::of("Readiness"), named),
            }},
        }),
    );
    ready["parameters"] = json!([{
        "name": "verbose", "in": "query", "required": false, "allowEmptyValue": true,
        "description": "List every check.", "schema": {"type": "string", "enum": ["", "true", "false"]},
    }]);
    ready["responses"]["422"] = refusal(422, &["invalid"], named);
    ready["responses"]["503"] = refusal(503, &["store_unavailable"], named);
    let document = json!({
        "description": "This document.", "content": {"application/json": {"schema": {"type": "object"}}},
    });
    [
        ("/healthz", open("get_health", "Is it alive?", "200 as long as the process lives.", status)),
        ("/readyz", ready),
        (
            "/metrics",
            open(
                "get_metrics",
                "Metrics",
                "Counts and durations for Prometheus, as `OpenMetrics` text.",
                plain("application/openmetrics-text"),
            ),
        ),
        ("/openapi.json", open("get_openapi", "This document", "The `OpenAPI` document.", document)),
    ]
}
