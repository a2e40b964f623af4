//! The `OpenAPI` document: what is served, what is in the repository, and that answers which differ from it fail.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::panic::catch_unwind;
use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use roster_tests::contract;
use roster_tests::http::{Reply, Service};
use serde_json::{Value, json};

#[tokio::test]
async fn one_document_is_served_and_kept() {
    let service = Service::on("memory").await;
    let served = service.nobody().get("/openapi.json").await.is(200);
    assert_eq!(served, roster_api::openapi::document());
    let kept = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), served, "run `cargo xtask openapi`");
}

#[test]
fn every_example_fits_its_schema() {
    let document = roster_api::openapi::document();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
    });
    let mut fitting = 0;
    for (path, method, operation) in operations {
        let answers = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
        for content in answers.filter_map(|answer| answer["content"].as_object()) {
            for (kind, content) in content.iter().filter(|(kind, _)| kind.ends_with("json")) {
                let Some(example) = content.get("example") else {
                    assert_eq!(path, "/openapi.json", "{method} {path} has no example of {kind}");
                    continue;
                };
                let misfits = contract::misfits(&content["schema"], example);
                assert_eq!(misfits, [""; 0], "{method} {path}: {example:#}");
                fitting += 1;
            }
        }
    }
    assert!(fitting > 200, "{fitting} examples");
}

#[tokio::test]
async fn the_service_itself_answers_as_documented() {
    let service = Service::on("memory").await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        service.nobody().get(path).await.is(200);
    }
    let page = service.nobody().get("/docs/").await;
    assert!(page.text.contains("swagger"), "{}", page.text);
}

fn reply(status: u16, kind: &'static str, body: &Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("x-request-id", HeaderValue::from_static("a"));
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: body.clone(),
        text: body.to_string(),
    }
}

/// A field too many, one too few, a wrong type, an unknown status and an unknown code are each found.
#[test]
fn answers_that_differ_from_the_document_are_found() {
    let good = json!({"allowed": false, "reason": "not_found", "role": null, "source": null});
    let check = |reply: Reply| contract::check(&Method::POST, "/v1/check", &reply);
    let json_kind = "application/json";
    check(reply(200, json_kind, &good));
    let changed = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let mut short = good.clone();
    short.as_object_mut().unwrap().remove("source");
    let problem = |code: &str| {
        json!({
            "type": format!("urn:roster:problem:{code}"), "title": "T", "status": 409, "detail": "D", "code": code,
            "request_id": "a",
        })
    };
    let bad = [
        reply(200, json_kind, &changed("more", json!(1))),
        reply(200, json_kind, &short),
        reply(200, json_kind, &changed("allowed", json!("yes"))),
        reply(200, json_kind, &changed("reason", json!("because"))),
        reply(200, "text/plain", &good),
        reply(201, json_kind, &good),
        reply(409, "application/problem+json", &problem("no_seat")),
        reply(404, "application/problem+json", &problem("no_seat")),
    ];
    for reply in bad {
        let text = reply.text.clone();
        assert!(catch_unwind(|| check(reply)).is_err(), "{text}");
    }
}
