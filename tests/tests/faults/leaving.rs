//! Clients of a real HTTP server that hang up after 0 to 50 ms, before a store with one connection.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::op::{Roster, run};
use roster_core::ops::operator_key::CreateOperatorKey;
use roster_core::verify::verify_all;
use roster_tests::replicas::{BEHIND_ONE_ADDRESS, by_way_of, server_of};
use roster_tests::stores::{CountingEntropy, fresh, selected};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How many come in a wave, and how many waves there are.
const WAVE: u64 = 51;
const WAVES: u64 = 4;

/// A client of one server, with an operator's key.
#[derive(Clone)]
struct Client {
    server: std::net::SocketAddr,
    key: String,
}

impl Client {
    async fn send(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> TcpStream {
        let mut stream = TcpStream::connect(self.server).await.unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// One that waits for its answer.
    async fn call(&self, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
        let mut stream = self.send(method, path, key, body).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// One that hangs up.
    async fn leave(&self, n: u64, accounts: &str) {
        let stream = match n % 5 {
            0 => self.send("GET", accounts, "", None).await,
            _ => self.send("POST", accounts, &format!("key-{n}"), Some(&account(n))).await,
        };
        tokio::time::sleep(Duration::from_millis(n % 51)).await;
        drop(stream);
    }
}

fn account(n: u64) -> Value {
    json!({"name": format!("A{n}"), "external_id": format!("a{n}")})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_leave_no_connection_stuck_and_nothing_half_done() {
    for name in selected().into_iter().filter(|store| BEHIND_ONE_ADDRESS.contains(store)) {
        let test = fresh(name).await;
        let store = by_way_of(&test, server_of(&test).await, Duration::from_secs(30)).await;
        let entropy = Arc::new(CountingEntropy::new(test.clock.clone()));
        let roster = Roster::new(store, entropy);
        let client = serve(&roster).await;
        hang_up(&client).await;
        if let Some(database) = &test.database {
            assert_eq!(database.open_transactions().await, 0, "no connection idles in a transaction");
        }
        let verdict = verify_all(&roster, &mut |_| {}).await.unwrap();
        assert_eq!(verdict.findings, []);
    }
}

async fn serve(roster: &Roster) -> Client {
    let request = Request::new(Actor::CLI, roster.entropy.as_ref());
    let made = run(roster, &request, &CreateOperatorKey { name: "Tests".parse().unwrap() }).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let service = roster_api::router(roster_api::ApiState::new(roster.clone(), [1; 32], [2; 32]));
    tokio::spawn(async move { axum::serve(listener, service).await });
    Client { server, key: made.output.1.reveal().to_owned() }
}

async fn hang_up(client: &Client) {
    let owner = json!({"email": "olga@example.com"});
    let body = json!({"name": "Cloud", "external_id": "cloud", "owner": owner});
    assert_eq!(client.call("POST", "/v1/organizations", "cloud", Some(&body)).await.0, 201);
    let accounts = "/v1/organizations/ext:cloud/accounts";
    for wave in 0..WAVES {
        let leavers = join_all((0..WAVE).map(|n| client.leave(wave * WAVE + n, accounts)));
        let staying = client.call("GET", accounts, "", None);
        let (_, (status, answer)) = futures::join!(leavers, staying);
        assert_eq!(status, 200, "one who stays is served: {answer}");
    }
    let mut done = 0;
    for n in (0..WAVES * WAVE).filter(|n| n % 5 != 0) {
        let (status, made) = client.call("POST", accounts, &format!("key-{n}"), Some(&account(n))).await;
        assert_eq!((status, &made["external_id"]), (201, &json!(format!("a{n}"))), "{made}");
        done += 1;
    }
    let (_, list) = client.call("GET", &format!("{accounts}?limit=200"), "", None).await;
    assert_eq!(list["data"].as_array().unwrap().len(), done + 1, "each once, and the organization's own");
    let path = "/v1/organizations/ext:cloud/audit?limit=200";
    let (_, trail) = client.call("GET", path, "", None).await;
    let created = trail["data"].as_array().unwrap().iter();
    assert_eq!(created.filter(|event| event["action"] == "account.created").count(), done + 1);
}
