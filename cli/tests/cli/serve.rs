//! The server as a process: how it starts, what it shares with the command line, how it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::place::Place;
use crate::server::Server;

fn operator_key(place: &Place) -> String {
    place.done("operator-key create tests").trim().to_owned()
}

/// Started in an empty folder it makes its store and its key, and can work.
#[test]
fn it_starts_from_nothing() {
    let place = Place::empty();
    let server = Server::start(&place);
    assert_eq!(server.call("GET", "/healthz", "", None), (200, json!({"status": "ok"})));
    assert_eq!(server.call("GET", "/readyz", "", None), (200, json!({"status": "ok"})));
    let (status, document) = server.call("GET", "/openapi.json", "", None);
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    assert_eq!(server.call("GET", "/v1/me", "", None).0, 401);
    let key = operator_key(&place);
    let (status, me) = server.call("GET", "/v1/me", &key, None);
    assert_eq!((status, me["actor"]["type"].as_str()), (200, Some("operator")));
    let data = place.path().join("roster-data");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(data.join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(data.join("roster.db").exists());
}

/// M7: removed on the command line, out at the next request.
#[test]
fn what_the_command_line_does_counts_at_the_next_request() {
    let place = Place::with_acme();
    let server = Server::start(&place);
    let key = operator_key(&place);
    let asked = json!({
        "user": "ext:bob", "permission": "members:read", "organization": "ext:acme", "account": "ext:north",
    });
    assert_eq!(server.call("POST", "/v1/check", &key, Some(&asked)).1["allowed"], true);
    place.done("member remove ext:bob --organization ext:acme --yes");
    let (status, answer) = server.call("POST", "/v1/check", &key, Some(&asked));
    assert_eq!(
        (status, &answer["allowed"], &answer["reason"]),
        (200, &json!(false), &json!("no_membership"))
    );
}

/// An operator key that was revoked opens nothing any more.
#[test]
fn a_revoked_key_is_dead_at_the_next_request() {
    let place = Place::empty();
    let server = Server::start(&place);
    let made = place.json("operator-key create tests");
    let key = made["secret"].as_str().unwrap();
    assert_eq!(server.call("GET", "/v1/users", key, None).0, 200);
    place.done(&format!("operator-key revoke {} --yes", made["id"].as_str().unwrap()));
    assert_eq!(server.call("GET", "/v1/users", key, None).0, 401);
}

/// On SIGTERM a request under way is answered, new ones are refused, and the end is a good one.
#[test]
fn a_request_under_way_is_answered_on_the_way_out() {
    let place = Place::with_acme();
    let server = Server::start(&place);
    let key = operator_key(&place);
    let body = json!({"name": "West", "external_id": "west"}).to_string();
    let (head, tail) = body.split_at(10);
    let mut slow = TcpStream::connect(&server.address).unwrap();
    write!(
        slow,
        "POST /v1/organizations/ext:acme/accounts HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{head}",
        body.len()
    )
    .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(server.call("GET", "/readyz", "", None).0, 503);
    let (status, refused) = server.call("GET", "/v1/me", &key, None);
    assert_eq!((status, &refused["code"]), (503, &json!("busy")));
    slow.write_all(tail.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (status, said) = server.end();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(place.json("account show ext:west --organization ext:acme")["name"], "West");
}

/// An address that is taken, and a key that is not the store's, are said before anything is served.
#[test]
fn it_refuses_to_start_where_it_cannot_serve() {
    let place = Place::with_acme();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run_with(&[("ROSTER_SERVER__LISTEN", &address)], "serve");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("server.listen"), "{ran:?}");
    let other = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXI=";
    let ran =
        place.run_with(&[("ROSTER_MASTER_KEY", other), ("ROSTER_SERVER__LISTEN", "127.0.0.1:0")], "serve");
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("master key"), "{ran:?}");
}
