//! A rolling restart: two servers on one store are replaced, one after the other, while clients write.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::{Server, call_at};
use crate::stores::on_every_store;

const ACCOUNTS: &str = "/v1/organizations/ext:acme/accounts";
const WRITERS: usize = 4;
/// So many rows has the import that is under way when the first server ends.
const IMPORTED: usize = 500;

/// Where the servers are now.
struct Addresses(Mutex<[String; 2]>);

impl Addresses {
    fn of(&self, n: usize) -> String {
        self.0.lock().unwrap()[n % 2].clone()
    }

    fn set(&self, n: usize, server: &Server) {
        self.0.lock().unwrap()[n].clone_from(&server.address);
    }
}

/// Ends those who ask, however the restart ends.
struct Ends<'a>(&'a AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(2, Ordering::SeqCst);
    }
}

/// One write as the contract has it: what is told to be sent again is, with its key, to either server.
fn write(addresses: &Addresses, key: &str, name: &str) -> Value {
    let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {name}\r\n");
    let body = json!({"name": name, "external_id": name});
    let until = Instant::now() + Duration::from_secs(30);
    for n in name.len().. {
        assert!(Instant::now() < until, "{name} is never answered");
        match call_at(&addresses.of(n), "POST", ACCOUNTS, &headers, Some(&body)) {
            Ok((201, made)) => return made,
            Ok((503, refused)) => {
                let code = refused["code"].as_str().unwrap_or_default();
                assert!(["busy", "store_unavailable", "outcome_unknown"].contains(&code), "{refused}");
            }
            Ok((status, answer)) => panic!("{name}: {status} {answer}"),
            // Nothing listens there any more, or the connection was closed.
            Err(_) => {}
        }
        thread::sleep(Duration::from_millis(20));
    }
    unreachable!("numbers do not end")
}

/// A look at one of the servers, which is answered or told to be asked again.
fn look(addresses: &Addresses, key: &str, n: usize) {
    let auth = format!("Authorization: Bearer {key}\r\n");
    let check = json!({"user": "ext:ada", "permission": "members:read", "organization": "ext:acme"});
    let (method, path, body) = match n % 3 {
        0 => ("POST", "/v1/check", Some(&check)),
        1 => ("GET", "/v1/organizations/ext:acme/accounts?limit=2", None),
        _ => ("GET", "/v1/events?after=0&limit=1&wait=1", None),
    };
    match call_at(&addresses.of(n / 3), method, path, &auth, body) {
        Ok((200, _)) | Err(_) => {}
        Ok((503, refused)) => {
            assert!(["busy", "store_unavailable"].contains(&refused["code"].as_str().unwrap()), "{refused}");
        }
        Ok((status, answer)) => panic!("{path}: {status} {answer}"),
    }
}

/// Asks for an import of many rows.
fn import(server: &Server, key: &str) -> Value {
    let rows = (0..IMPORTED).fold("user_external_id,account_external_id,role\n".to_owned(), |file, n| {
        format!("{file}i{n},home,viewer\n")
    });
    let mut stream = server.connect(&format!(
        "POST /v1/organizations/ext:big/imports?create_accounts=true HTTP/1.1\r\nHost: roster.test\r\n\
         Connection: close\r\nAuthorization: Bearer {key}\r\nContent-Type: text/csv\r\n\
         Content-Length: {}\r\n\r\n{rows}",
        rows.len()
    ));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

on_every_store! {
    /// Whatever was acknowledged is there, once; nothing answers 5xx but what is told to retry; both servers end well.
    fn a_rolling_restart_loses_nothing() {
        let place = Place::with_acme();
        let key = place.done("operator-key create tests").trim().to_owned();
        let first = Server::start(&place);
        // An import is under way, which goes on at the other.
        place.done("organization create --name Big --external-id big --owner-email ada@example.com");
        let job = import(&first, &key);
        let job = job["job"]["id"].as_str().unwrap();
        let job_path = format!("/v1/jobs/{job}");
        // It is the first server's, which ends before the other.
        while first.call("GET", &job_path, &key, None).1["status"] == "queued" {
            thread::sleep(Duration::from_millis(20));
        }
        let mut servers = [first, Server::start(&place)];
        let addresses = Addresses(Mutex::new(servers.each_ref().map(|server| server.address.clone())));
        let (restarted, written) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let made: Vec<Value> = thread::scope(|scope| {
            let writer = |who: usize| {
                let (addresses, key, restarted, written) = (&addresses, &key, &restarted, &written);
                move || {
                    let mut made = Vec::new();
                    while restarted.load(Ordering::SeqCst) < 2 {
                        made.push(write(addresses, key, &format!("w{who}-{}", made.len())));
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                    made
                }
            };
            let writers: Vec<_> = (0..WRITERS).map(|who| scope.spawn(writer(who))).collect();
            scope.spawn(|| {
                for n in 0.. {
                    if restarted.load(Ordering::SeqCst) == 2 {
                        break;
                    }
                    look(&addresses, &key, n);
                    thread::sleep(Duration::from_millis(20));
                }
            });
            let _ends = Ends(&restarted);
            for (n, server) in servers.iter_mut().enumerate() {
                let enough = written.load(Ordering::SeqCst) + 20;
                while written.load(Ordering::SeqCst) < enough {
                    thread::sleep(Duration::from_millis(5));
                }
                if n == 0 {
                    let (_, job) = server.call("GET", &format!("/v1/jobs/{job}"), &key, None);
                    assert!(job["finished_at"].is_null(), "too late: {job}");
                }
                server.signal("TERM");
                let next = Server::start(&place);
                addresses.set(n, &next);
                let (status, said) = std::mem::replace(server, next).end();
                assert_eq!(status, Some(0), "{said}");
                let left = server.call("GET", &format!("/v1/jobs/{job}"), &key, None).1["progress"]["done"].as_u64();
                if n == 0 {
                    // The lease was given back: nobody waits until it has ended.
                    let asked = Instant::now();
                    let goes_on = |job: &Value| job["finished_at"].is_string() || job["progress"]["done"].as_u64() > left;
                    while !goes_on(&server.call("GET", &format!("/v1/jobs/{job}"), &key, None).1) {
                        assert!(asked.elapsed() < Duration::from_secs(25), "the import stands still");
                        thread::sleep(Duration::from_millis(50));
                    }
                }
                restarted.fetch_add(1, Ordering::SeqCst);
            }
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        let ids: BTreeSet<String> = made.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), made.len(), "no write was answered for another");
        let listed = place.json("account list --organization ext:acme");
        let names: Vec<&str> =
            listed["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), made.len() + 2, "each once: {names:?}");
        assert!(made.iter().all(|one| names.contains(&one["name"].as_str().unwrap())));
        let imported = place.json(&format!("job follow {job}"));
        assert_eq!(imported["summary"], json!({"added": IMPORTED}), "{imported}");
        place.done("verify");
    }
}
