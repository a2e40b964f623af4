//! `kill -9` of the server, or of the store under it, in the middle of 200 commits. The ledger of requests and answers
//! is kept here, in a process that is neither.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::place::Place;
use crate::private_server::postgres::Postgres;
use crate::private_server::redis::Redis;
use crate::server::Server;
use crate::stores::on;

const COMMITS: u32 = 200;
const CLIENTS: u32 = 4;

/// What is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// `roster serve`.
    Server,
    /// The store, started again on the same data while the server goes on.
    Store,
}

/// What the commits go to.
enum Backing {
    /// A file, or the servers that all tests share.
    Usual,
    Postgres(Postgres),
    Redis(Redis),
}

impl Backing {
    /// With a server of its own, if the store runs on one that can be killed.
    fn of(store: &str) -> Self {
        match store {
            "postgres" => Self::Postgres(Postgres::with(&[])),
            "redis" => Self::Redis(Redis::with(&[])),
            _ => Self::Usual,
        }
    }

    fn place(&self) -> Place {
        let on = |backend: &str, url: String| {
            let url = format!("[storage.{backend}]\nurl = \"{url}\"\n");
            Place::with_acme_on(&format!("[storage]\nbackend = \"{backend}\"\n{url}"))
        };
        match self {
            Self::Usual => Place::with_acme(),
            Self::Postgres(server) => on("postgres", server.url()),
            Self::Redis(server) => on("redis", server.url()),
        }
    }

    fn kill_and_start_again(&mut self) {
        match self {
            Self::Usual => unreachable!("others use it too"),
            Self::Postgres(server) => {
                server.kill();
                server.start(&[]);
            }
            Self::Redis(server) => {
                server.kill();
                server.start(&[]);
            }
        }
    }
}

const KILLS: [(&str, Victim, u32); 7] = [
    ("sqlite", Victim::Server, 30),
    ("sqlite", Victim::Server, 150),
    ("postgres", Victim::Server, 70),
    ("postgres", Victim::Store, 110),
    ("redis", Victim::Server, 80),
    ("redis", Victim::Store, 120),
    ("redis-cluster", Victim::Server, 100),
];

/// Nothing that was answered is lost, nothing is done twice, and sending all of it again with the same idempotency
/// keys ends with each done once. What was under way is `busy` until its names are dead, a minute at the most; so all
/// that is to be killed is killed at the same time.
#[test]
fn nothing_that_was_answered_is_lost() {
    std::thread::scope(|scope| {
        for (store, victim, after) in KILLS {
            scope.spawn(move || on(store, || killed(Backing::of(store), victim, after)));
        }
    });
}

fn killed(backing: Backing, victim: Victim, stop_after: u32) {
    let place = backing.place();
    place.done("organization seats ext:acme --purchased unlimited");
    let key = place.done("operator-key create tests").trim().to_owned();
    let write_key = place.done("source create Product --organization ext:acme").trim().to_owned();
    let server = Server::start(&place);
    seen_within_a_second(&server, &key, &write_key);
    let backing = RwLock::new(backing);
    let (ledger, told) =
        disturbed(&server, (key.as_str(), write_key.as_str()), stop_after, || match victim {
            Victim::Server => server.signal("KILL"),
            Victim::Store => backing.write().unwrap().kill_and_start_again(),
        });
    // A store that is back soon enough may have been waited for.
    assert!(ledger.len() < COMMITS as usize || victim == Victim::Store, "it was killed in the middle");
    place.done("verify");

    let server = if victim == Victim::Server { Server::start(&place) } else { server };
    for (n, user) in &ledger {
        let (status, member) =
            server.call("GET", &format!("/v1/organizations/ext:acme/members/ext:p{n}"), &key, None);
        assert_eq!((status, &member["user_id"]), (200, user), "answered, then lost: {n}");
    }
    all_sent_again(&server, &key);
    all_told(&place, &told);
    for n in 0..COMMITS {
        assert_eq!(tell(&server, &write_key, n).unwrap().0, 200);
    }
    all_told(&place, &(0..COMMITS).collect::<Vec<_>>());
    server.kill();
    each_once(&place);
}

/// What somebody did is in the statistics within a second (rule G5); a machine with much to do is given three.
fn seen_within_a_second(server: &Server, key: &str, write_key: &str) {
    let body = json!({"userId": "bob", "event": "First"});
    let (status, _) = server.try_call("POST", "/v1/track", &basic(write_key), Some(&body)).unwrap();
    assert_eq!(status, 200);
    let path = "/v1/organizations/ext:acme/activity?group_by=event&event=First";
    let begun = Instant::now();
    while server.call("GET", path, key, None).1["data"][0]["count"] != 1 {
        assert!(begun.elapsed() < Duration::from_secs(3), "not seen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until everything that is known to have been taken in counts, and nothing twice (rules G4, G5).
fn all_told(place: &Place, told: &[u32]) {
    let begun = Instant::now();
    loop {
        let rows = place.json("activity --organization ext:acme --group-by event --limit 1000");
        let rows: BTreeMap<String, u64> = rows["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["event"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap()))
            .collect();
        assert!(rows.values().all(|count| *count == 1), "counted twice: {rows:?}");
        let lost: Vec<_> = told.iter().filter(|n| !rows.contains_key(&format!("e-{n}"))).collect();
        if lost.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "answered, then lost: {lost:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn tell(server: &Server, write_key: &str, n: u32) -> std::io::Result<(u16, Value)> {
    let body = json!({"userId": "bob", "event": format!("e-{n}"), "messageId": format!("m-{n}")});
    server.try_call("POST", "/v1/track", &basic(write_key), Some(&body))
}

fn basic(write_key: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{write_key}:")))
}

/// 200 requests by four clients, with the harm done when one of them comes to that number: the ledger of what was
/// answered, and of what was taken in of somebody's doings. Whoever fails waits until it is done.
fn disturbed(
    server: &Server,
    (key, write_key): (&str, &str),
    stop_after: u32,
    harm: impl FnOnce() + Send,
) -> (Vec<(u32, Value)>, Vec<u32>) {
    let (next, over, ledger) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
    let told = Mutex::new(Vec::new());
    let harm = Mutex::new(Some(harm));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= COMMITS {
                        return;
                    }
                    if n == stop_after {
                        harm.lock().unwrap().take().unwrap()();
                        over.store(true, Ordering::SeqCst);
                    }
                    if matches!(tell(server, write_key, n), Ok((200, _))) {
                        told.lock().unwrap().push(n);
                    }
                    match add(server, key, n) {
                        Ok((201, member)) => ledger.lock().unwrap().push((n, member["user_id"].clone())),
                        Ok((status, answer)) => {
                            assert_eq!(status, 503, "{n}: {answer}");
                            wait_for(&over);
                        }
                        Err(_) => wait_for(&over),
                    }
                }
            });
        }
    });
    (ledger.into_inner().unwrap(), told.into_inner().unwrap())
}

fn wait_for(over: &AtomicBool) {
    let begun = Instant::now();
    while !over.load(Ordering::SeqCst) {
        assert!(begun.elapsed() < Duration::from_mins(2), "the harm is never done");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn all_sent_again(server: &Server, key: &str) {
    let (mut left, begun) = ((0..COMMITS).collect::<Vec<_>>(), Instant::now());
    while !left.is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(3), "still busy: {left:?}");
        left.retain(|n| {
            let (status, answer) = add(server, key, *n).unwrap();
            assert!(status == 201 || answer["code"] == "busy", "{n}: {answer}");
            status != 201
        });
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn each_once(place: &Place) {
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
