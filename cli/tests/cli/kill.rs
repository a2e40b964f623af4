//! `kill -9` of the server in the middle of 200 commits, with a ledger of what was answered.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::Server;

const COMMITS: u32 = 200;
const CLIENTS: u32 = 4;

/// Nothing that was answered is lost, nothing is done twice, and sending all of it again with the same idempotency
/// keys ends with each done once. What was under way is `busy` until its names are dead, a minute at the most.
#[test]
fn nothing_that_was_answered_is_lost() {
    std::thread::scope(|scope| {
        for stop_after in [20, 90, 150] {
            scope.spawn(move || killed(stop_after));
        }
    });
}

fn killed(stop_after: u32) {
    let place = Place::with_acme();
    place.done("organization seats ext:acme --purchased unlimited");
    let key = place.done("operator-key create tests").trim().to_owned();
    let server = Server::start(&place);
    let (next, ledger) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= COMMITS {
                        return;
                    }
                    if n == stop_after {
                        server.signal("KILL");
                    }
                    if let Ok((201, member)) = add(&server, &key, n) {
                        ledger.lock().unwrap().push((n, member["user_id"].clone()));
                    }
                }
            });
        }
    });
    let ledger = ledger.into_inner().unwrap();
    assert!(ledger.len() < COMMITS as usize, "it was killed in the middle");
    drop(server);
    place.done("verify");

    let server = Server::start(&place);
    for (n, user) in &ledger {
        let (status, member) =
            server.call("GET", &format!("/v1/organizations/ext:acme/members/ext:p{n}"), &key, None);
        assert_eq!((status, &member["user_id"]), (200, user), "answered, then lost: {n}");
    }
    let (mut left, begun) = ((0..COMMITS).collect::<Vec<_>>(), Instant::now());
    while !left.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(90), "still busy: {left:?}");
        left.retain(|n| {
            let (status, answer) = add(&server, &key, *n).unwrap();
            assert!(status == 201 || answer["code"] == "busy", "{n}: {answer}");
            status != 201
        });
    }
    server.kill();
    let members = place.json("member list --organization ext:acme --limit 1000");
    assert_eq!(members["data"].as_array().unwrap().len(), COMMITS as usize + 2);
    let trail = place.json("audit list --organization ext:acme --limit 10000");
    let joined = trail["data"].as_array().unwrap().iter();
    let joined = joined.filter(|event| event["action"] == "member.added").count();
    assert_eq!(joined, COMMITS as usize + 2, "each joined once");
    place.done("audit verify --organization ext:acme");
    place.done("verify");
}

fn add(server: &Server, key: &str, n: u32) -> std::io::Result<(u16, Value)> {
    let body = json!({
        "email": format!("p{n}@example.com"), "external_id": format!("p{n}"), "name": format!("Person {n}"),
        "access": {"type": "accounts", "accounts": [{"account": "ext:south", "role": "member"}]},
    });
    let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: add-{n}\r\n");
    server.try_call("POST", "/v1/organizations/ext:acme/members", &headers, Some(&body))
}
