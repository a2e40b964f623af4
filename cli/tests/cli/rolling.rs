//! A rolling restart: two servers on one store are replaced, one after the other, while clients write.

use std::collections::BTreeSet;
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

on_every_store! {
    /// Whatever was acknowledged is there, once; nothing answers 5xx but what is told to retry; both servers end well.
    fn a_rolling_restart_loses_nothing() {
        let place = Place::with_acme();
        let key = place.done("operator-key create tests").trim().to_owned();
        let mut servers = [Server::start(&place), Server::start(&place)];
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
            for (n, server) in servers.iter_mut().enumerate() {
                let enough = written.load(Ordering::SeqCst) + 20;
                while written.load(Ordering::SeqCst) < enough {
                    thread::yield_now();
                }
                server.signal("TERM");
                let next = Server::start(&place);
                addresses.set(n, &next);
                let (status, said) = std::mem::replace(server, next).end();
                assert_eq!(status, Some(0), "{said}");
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
        place.done("verify");
    }
}
