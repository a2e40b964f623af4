//! How the server ends: what is under way is answered, and nothing else is waited for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::place::Place;
use crate::server::Server;

const ACCOUNTS: &str = "/v1/organizations/ext:acme/accounts";

/// A server with a request under way that has been told to end.
fn stopping(place: &Place, body: &str) -> (Server, String, TcpStream) {
    let server = Server::start(place);
    let key = place.done("operator-key create tests").trim().to_owned();
    let under_way = server.begin(ACCOUNTS, &key, body.len());
    server.signal("TERM");
    // A connection from before the signal may be closed without an answer.
    while !matches!(server.try_call("GET", "/readyz", "", None), Ok((503, _))) {
        std::thread::yield_now();
    }
    (server, key, under_way)
}

/// On SIGTERM a request under way is answered, new ones are refused, probes see it, and the end is a good one.
#[test]
fn a_request_under_way_is_answered_on_the_way_out() {
    let place = Place::with_acme();
    let body = json!({"name": "West", "external_id": "west"}).to_string();
    let (server, key, mut under_way) = stopping(&place, &body);
    assert_eq!(server.call("GET", "/readyz", "", None).0, 503);
    assert_eq!(server.call("GET", "/healthz", "", None).0, 200);
    let headers = format!("Authorization: Bearer {key}\r\nX-Request-Id: mine\r\n");
    let (status, refused) = server.try_call("GET", "/v1/me", &headers, None).unwrap();
    assert_eq!((status, &refused["code"], &refused["request_id"]), (503, &json!("busy"), &json!("mine")));
    under_way.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(place.json("account show ext:west --organization ext:acme")["name"], "West");
}

/// A second signal does not wait.
#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::with_acme();
    let (server, _, under_way) = stopping(&place, "{}");
    server.signal("INT");
    let (status, said) = server.end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("a second signal"), "{said}");
    drop(under_way);
    place.done("verify");
}

/// Whoever never finishes does not keep the server, and the end is still a good one.
#[test]
fn a_request_that_never_ends_is_cut() {
    let place = Place::with_acme();
    let begun = Instant::now();
    let (server, _, under_way) = stopping(&place, "{}");
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(begun.elapsed() >= Duration::from_secs(9), "it had its time");
    assert!(said.contains("were cut"), "{said}");
    drop(under_way);
    assert_eq!(place.json("account list --organization ext:acme")["data"].as_array().unwrap().len(), 2);
}

/// Connections without a request are not waited for: one that was used and one that never was.
#[test]
fn idle_connections_are_closed_at_once() {
    let place = Place::empty();
    for signal in ["TERM", "INT"] {
        let server = Server::start_with(&place, "--log-level info");
        let unused = server.connect("");
        let mut used = server.connect("GET /healthz HTTP/1.1\r\nHost: roster.test\r\n\r\n");
        let mut status = [0; 12];
        used.read_exact(&mut status).unwrap();
        assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 200");
        server.signal(signal);
        let (status, said) = server.end();
        assert_eq!(status, Some(0), "{said}");
        assert!(said.ends_with("stopped\n"), "{signal}: {said}");
        drop((unused, used));
    }
}
