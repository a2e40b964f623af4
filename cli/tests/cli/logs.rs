//! What the server says: one JSON object a line, each of a request bearing its id, and nothing about anybody.

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::Server;

/// X1: the id of a request is in the answer, in each line of it, and in the trail; no secret, no address, no name is in
/// any line, whatever the level.
#[test]
fn x1_lines_bear_the_request_and_nothing_personal() {
    let place = Place::with_acme();
    let key = place.done("operator-key create tests").trim().to_owned();
    let (server, mut said) = Server::start_saying_json(&place);
    let asked = |id: &str, key: &str| format!("Authorization: Bearer {key}\r\nX-Request-Id: {id}\r\n");
    let body = json!({
        "email": "hidden@example.com", "name": "Hidden Name", "external_id": "hidden-id",
        "access": {"type": "organization", "role": "viewer"},
    });
    let members = "/v1/organizations/ext:acme/members";
    let call = |id: &str, key: &str, method: &str, path: &str, body: Option<&Value>| {
        server.try_call(method, path, &asked(id, key), body).unwrap()
    };
    assert_eq!(call("trace-1", &key, "POST", members, Some(&body)).0, 201);
    assert_eq!(call("trace-2", "rko_hidden", "GET", members, None).0, 401);
    assert_eq!(call("trace-3", &key, "GET", "/v1/users?q=hidden%40example.com", None).0, 200);
    assert_eq!(call("trace-4", &key, "GET", "/v1/users/ext:hidden-not", None).0, 404);
    let ill = call("not well formed!", &key, "GET", "/v1/users/ext:hidden-not", None).1;
    let made_up = ill["request_id"].as_str().unwrap().to_owned();
    assert!(!made_up.contains(' '), "{made_up}");
    server.signal("TERM");
    let (status, rest) = server.end();
    assert_eq!(status, Some(0));
    said.push_str(&rest);
    assert!(!said.to_lowercase().contains("hidden") && !said.contains("@example.com"), "{said}");
    assert!(!said.contains(&key) && !said.contains("rko_"), "{said}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        if line["span"]["name"] == "request" {
            assert!(line["span"]["request_id"].is_string(), "{line}");
        }
    }
    for (id, status, code) in [
        ("trace-1", 201, Value::Null),
        ("trace-2", 401, json!("unauthenticated")),
        ("trace-3", 200, Value::Null),
        ("trace-4", 404, json!("not_found")),
        (made_up.as_str(), 404, json!("not_found")),
    ] {
        let answered: Vec<_> =
            lines.iter().filter(|line| line["message"] == "answered" && line["request_id"] == id).collect();
        assert_eq!(answered.len(), 1, "{id} in {said}");
        assert_eq!((&answered[0]["status"], &answered[0]["code"]), (&json!(status), &code), "{id}");
    }
    let trail = place.json("audit list --organization ext:acme --action member.added");
    let ids: Vec<_> = trail["data"].as_array().unwrap().iter().map(|row| &row["request_id"]).collect();
    assert_eq!(ids.last(), Some(&&json!("trace-1")));
}
