//! The server as a process: how it starts, what it shares with the command line, what it refuses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::place::Place;
use crate::server::Server;
use crate::stores::on_every_store;

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

on_every_store! {
    /// M7: removed on the command line, out at the next request.
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
    fn a_revoked_key_is_dead_at_the_next_request() {
        let place = Place::empty();
        let server = Server::start(&place);
        let made = place.json("operator-key create tests");
        let key = made["secret"].as_str().unwrap();
        assert_eq!(server.call("GET", "/v1/users", key, None).0, 200);
        place.done(&format!("operator-key revoke {} --yes", made["id"].as_str().unwrap()));
        assert_eq!(server.call("GET", "/v1/users", key, None).0, 401);
    }
}

/// What is to be done next is said as long as there is no key, with the flags that lead to the same store.
#[test]
fn it_says_where_everything_is_and_what_to_do_next() {
    let place = Place::empty();
    let mut server = Server::start_with(&place, "--data-dir else&where");
    let said: Vec<_> = (0..5).map(|_| server.next_line()).collect();
    let data = place.path().join("else&where");
    for (line, path) in said.iter().zip([data.join("roster.db"), data.clone(), data.join("master.key")]) {
        assert!(line.contains(path.to_str().unwrap()), "{said:?}");
    }
    assert!(said[3].contains("mail") && said[3].contains("roster invitation link"), "{said:?}");
    assert!(said[4].contains("roster operator-key create NAME --data-dir 'else&where'"), "{said:?}");
    place.done("operator-key create tests --data-dir else&where");
    server.kill();
    let server = Server::start_with(&place, "--data-dir else&where --log-level warn");
    server.signal("TERM");
    let (status, said) = server.end();
    assert_eq!((status, said.contains("operator-key")), (Some(0), false), "{said}");
}

/// A head that is too large is refused before it is read whole, and the server goes on.
#[test]
fn a_head_of_64_kb_is_refused() {
    let place = Place::empty();
    let server = Server::start(&place);
    let mut stream = server.connect("GET /healthz HTTP/1.1\r\nHost: roster.test\r\n");
    // The server may close before all of it is sent.
    stream.write_all(format!("X-Large: {}\r\n\r\n", "x".repeat(64_000)).as_bytes()).ok();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 431");
    assert_eq!(server.call("GET", "/healthz", "", None).0, 200);
}

/// A log that nobody reads is no reason to fail.
#[test]
fn it_goes_on_when_nobody_reads_what_it_says() {
    let place = Place::empty();
    let mut server = Server::start_with(&place, "--log-level trace");
    server.stop_listening_to_it();
    for _ in 0..3 {
        assert_eq!(server.call("GET", "/readyz", "", None).0, 200);
    }
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

/// An address that is taken is said before anything is made.
#[test]
fn an_address_that_is_taken_is_refused() {
    let place = Place::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run_with(&[("ROSTER_SERVER__LISTEN", &address)], "serve");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let wrong = format!("ROSTER_SERVER__LISTEN (server.listen): {address} is in use by another program");
    assert!(ran.stderr.contains(&wrong) && ran.stderr.contains("--listen"), "{ran:?}");
    assert!(!place.path().join("roster-data").exists());
}

/// Another master key, a store out of reach, or an open address without a public one: nothing is served.
#[test]
fn it_refuses_to_start_where_it_cannot_serve() {
    let place = Place::with_acme();
    let other = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXI=";
    for (env, status, said) in [
        (("ROSTER_MASTER_KEY", other), 1, "belongs to another master key"),
        (("ROSTER_STORAGE__SQLITE__PATH", "."), 3, "failed: "),
        (("ROSTER_SERVER__LISTEN", "0.0.0.0:0"), 2, "public_url is not set"),
    ] {
        let listen = ("ROSTER_SERVER__LISTEN", "127.0.0.1:0");
        let ran = place.run_with(&[listen, env], "serve");
        assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{env:?}: {ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("listens"), "{env:?}: {ran:?}");
    }
}

/// Requests that cannot be read, or that two readers may read as two: refused, and the connection is closed.
#[test]
fn what_is_no_clear_request_is_refused() {
    let place = Place::with_acme();
    let server = Server::start(&place);
    let key = operator_key(&place);
    let (host, bearer) = ("Host: roster.test\r\n", format!("Authorization: Bearer {key}\r\n"));
    let smuggled = "GET /v1/audit HTTP/1.1\r\nHost: roster.test\r\n";
    let cases = [
        (format!("GET /v1/me HTTP/1.1\r\n{host}{bearer}X-Long: {}\r\n\r\n", "x".repeat(65_536)), "431"),
        (
            format!(
                "POST /v1/check HTTP/1.1\r\n{host}{bearer}Content-Type: application/json\r\nContent-Length: 5\r\n\
                 Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}{bearer}\r\n"
            ),
            "4",
        ),
        (
            format!(
                "POST /v1/check HTTP/1.1\r\n{host}{bearer}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}x"
            ),
            "400",
        ),
        (format!("GET /v1/me HTTP/1.1\r\n{host}{bearer}Bad Header: x\r\n\r\n"), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ];
    for (request, status) in cases {
        let mut stream = server.connect(&request);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "one answer and no more: {text}");
        assert!(!text.contains("organization.created"), "{text}");
    }
    assert_eq!(server.call("GET", "/v1/me", &key, None).0, 200);
}

/// The status of a request that is left open, and its connection.
fn open(server: &Server, path: &str, key: &str, more: &str) -> (String, TcpStream) {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: roster.test\r\nAuthorization: Bearer {key}\r\n{more}\r\n");
    let mut stream = server.connect(&head);
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    (String::from_utf8(status[9..].to_vec()).unwrap(), stream)
}

/// X2: who follows much keeps nobody from anything else, and from following no more than half.
#[test]
fn x2_followers_have_a_bound_of_their_own() {
    let place = Place::with_acme();
    let server = Server::start_amid(&place, &[("ROSTER_SERVER__FOLLOWERS", "3")], "--log-level warn");
    let (ada, bob, eve) = (operator_key(&place), operator_key(&place), operator_key(&place));
    place.write("accounts.csv", "account_external_id\nnorth\n");
    let job = place.json("import accounts accounts.csv --organization ext:acme");
    let job = format!("/v1/jobs/{}/stream", job["id"].as_str().unwrap());
    let (events, of_acme) = ("/v1/events", "/v1/organizations/ext:acme/events");
    let end = server.call("GET", &format!("{of_acme}?limit=200"), &ada, None).1["next_cursor"].clone();
    let end = end.as_str().unwrap();
    let (ask, at_once) = (&format!("{of_acme}?after={end}"), &format!("{of_acme}?wait=30"));
    let (wait, job): (&str, &str) = (&format!("{ask}&wait=30"), &job);
    let (ask, at_once): (&str, &str) = (ask, at_once);
    let streams = "Accept: text/event-stream\r\n";
    let first = open(&server, events, &ada, streams);
    let (second, third) = (open(&server, of_acme, &ada, streams), open(&server, events, &bob, streams));
    assert_eq!([&first.0, &second.0, &third.0], ["200"; 3]);
    for (path, key, more) in [
        (events, &ada, streams),
        (events, &eve, streams),
        (wait, &bob, ""),
        (wait, &ada, ""),
        (job, &eve, ""),
    ] {
        let (status, mut stream) = open(&server, path, key, &format!("{more}Connection: close\r\n"));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(status == "503" && text.contains(r#""code":"busy""#), "{path}: {status} {text}");
        assert!(text.to_lowercase().contains("retry-after: 5\r\n"), "{path}: {text}");
    }
    let begun = Instant::now();
    for (path, key) in [(ask, &ada), (at_once, &ada), ("/v1/me", &eve)] {
        assert_eq!(server.call("GET", path, key, None).0, 200, "{path}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // One more is somebody else's.
    drop(second);
    let until = Instant::now() + Duration::from_secs(20);
    while open(&server, events, &eve, streams).0 != "200" {
        assert!(Instant::now() < until, "what was left open is never given back");
        std::thread::sleep(Duration::from_millis(50));
    }
}
