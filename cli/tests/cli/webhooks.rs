//! Events sent by a server, made by another process, to a receiver on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, count, keys, row_keys};
use crate::server::Server;
use crate::stores::{on, on_every_store};

/// A receiver that takes everything: its URL, and what comes.
fn receiver() -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(got) = take(stream.unwrap()) else { continue };
            if sender.send(got).is_err() {
                return;
            }
        }
    });
    (url, received)
}

/// One request: its `webhook-id`, and its body.
fn take(mut stream: TcpStream) -> std::io::Result<(String, Value)> {
    let (mut id, mut length) = (String::new(), 0);
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.clone_into(&mut id),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")?;
    Ok((id, serde_json::from_slice(&body).unwrap()))
}

on_every_store! {
    fn x2_a_server_sends_what_commands_do() {
        let place = Place::with_acme();
        let (url, received) = receiver();
        let settings = std::fs::read_to_string(place.path().join("roster.toml")).unwrap_or_default();
        assert_eq!(place.refused(&format!("webhook create {url}")), "invalid", "no private address unless allowed");
        place.write("roster.toml", &format!("{settings}\n[webhooks]\nallow_private_addresses = true\n"));
        let made = place.json(&format!("webhook create {url} --organization ext:acme --type member.removed"));
        assert_eq!(keys(&made), "created_at disabled_at disabled_reason id organization secret status types url");
        let id = made["id"].as_str().unwrap().to_owned();
        // Nothing listens where a proxy would be: no environment leads events elsewhere.
        let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let proxies = proxies.map(|name| (name, "http://127.0.0.1:9"));
        let server = Server::start_amid(&place, &proxies, "--log-level warn");
        place.done("member remove ext:bob --organization ext:acme --yes");
        let next = || received.recv_timeout(Duration::from_secs(20)).unwrap();
        let (first, event) = next();
        assert_eq!((event["type"].as_str(), event["id"].as_str()), (Some("member.removed"), Some(first.as_str())));
        let deliveries = || place.json(&format!("webhook deliveries {id} --status delivered"));
        let mut sent = deliveries();
        while count(&sent) == 0 {
            sent = deliveries();
        }
        assert_eq!(
            row_keys(&sent),
            "attempts created_at delivered_at error event id next_attempt_at response_status status webhook_id"
        );
        let delivery = sent["data"][0]["id"].as_str().unwrap();
        assert_eq!(place.json(&format!("webhook redeliver {id} {delivery}"))["status"], "pending");
        assert_eq!(next(), (first, event));
        place.json(&format!("webhook update {id} --all-types"));
        assert_eq!(next().1["type"], "webhook.updated");
        let turned = place.done(&format!("webhook rotate-secret {id} --overlap-seconds 60"));
        assert!(turned.starts_with("whsec_") && turned.lines().count() == 1, "{turned}");
        assert_eq!(next().1["type"], "webhook.rotated");
        assert_eq!(count(&place.json("webhook list --organization ext:acme")), 1);
        assert_eq!(place.json(&format!("webhook show {id}"))["types"], json!([]));
        assert_eq!(place.run(&format!("webhook delete {id}")).status, 2, "asks, and nobody is there to answer");
        place.done(&format!("webhook delete {id} --yes"));
        assert_eq!(place.refused(&format!("webhook show {id}")), "not_found");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        place.done("verify");
    }
}

/// T6: a server evaluates indicators by itself; what enters a view is an event, and goes to a webhook of the deployment.
#[test]
fn t6_a_server_tells_of_what_enters_a_view() {
    on("sqlite", || {
        let place = Place::with_acme();
        let (url, received) = receiver();
        let settings = "[webhooks]\nallow_private_addresses = true\n[indicators]\nevaluate_every = \"1s\"\n";
        place.write("roster.toml", settings);
        place.done(&format!("webhook create {url} --type indicator.entered"));
        let key = place.done("operator-key create tests").trim().to_owned();
        let server = Server::start(&place);
        let says = |method: &str, path: &str, body: Value| {
            let (status, answer) = server.call(method, path, &key, Some(&body));
            assert!((200..300).contains(&status), "{path}: {answer}");
            answer
        };
        let filter = json!({"field": "traits.plan", "op": "eq", "value": "pro"});
        let view = says("POST", "/v1/views", json!({"name": "Pro", "kind": "accounts", "filter": filter}));
        let made = says("POST", "/v1/indicators", json!({"name": "Upgrades", "view_id": view["id"]}));
        // Whatever is in the view when it is looked at for the first time has not entered it.
        let event = ["pro", "free"].iter().cycle().take(20).find_map(|plan| {
            std::thread::sleep(Duration::from_secs(2));
            let north = "/v1/organizations/ext:acme/accounts/ext:north";
            says("PATCH", north, json!({"traits": {"plan": plan}}));
            received.recv_timeout(Duration::from_secs(3)).ok()
        });
        let (id, event) = event.expect("nothing was told");
        assert_eq!(
            (event["type"].as_str(), event["id"].as_str()),
            (Some("indicator.entered"), Some(id.as_str()))
        );
        let feed = server.call("GET", "/v1/events?after=0&limit=200", &key, None).1;
        assert!(feed["data"].as_array().unwrap().iter().any(|it| it["id"] == json!(id)), "{feed}");
        let indicator = made["id"].as_str().unwrap();
        let alerts = place.json(&format!("indicator alerts {indicator}"));
        assert_eq!(alerts["data"][0]["state"], "entered");
    });
}
