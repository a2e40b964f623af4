//! What the server says: one JSON object a line, each of a request bearing its id, and nothing about anybody.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::Server;

/// X1: the id of a request is in the answer, in each line of it, and in the trail; no secret, no address, no name is in
/// any line, whatever the level.
#[test]
fn x1_lines_bear_the_request_and_nothing_personal() {
    let place = Place::with_acme();
    // Nobody takes letters there.
    place.write(
        "roster.toml",
        "[mail]\nurl = \"smtp://127.0.0.1:9\"\nfrom = \"Hidden Sender <from.hidden@example.com>\"\n",
    );
    place.done("organization seats ext:acme --purchased 9");
    let last = |url: &str| url.trim().rsplit('/').next().unwrap().to_owned();
    let guest =
        "invitation create guest.hidden@example.com --organization ext:acme --role viewer --all-accounts";
    let (invitation, reset) = (last(&place.done(guest)), last(&place.done("user password-reset ext:bob")));
    let key = place.done("operator-key create tests").trim().to_owned();
    let (mut server, mut said) = Server::start_saying_json(&place);
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
    // Links, by page and by API, and passwords. A page is no JSON, and answered all the same.
    for path in [format!("/invitations/{invitation}"), format!("/password-resets/{reset}")] {
        drop(server.try_call("GET", &path, "", None));
    }
    let accept = format!("/v1/invitations/{invitation}/accept");
    let sign_up = json!({"name": "Hidden Name", "password": "hidden horse battery"});
    assert_eq!(server.try_call("POST", &accept, "", Some(&sign_up)).unwrap().0, 200);
    let sign_in = json!({"email": "guest.hidden@example.com", "password": "hidden horse battery"});
    let session = server.try_call("POST", "/v1/sessions", "", Some(&sign_in)).unwrap().1["token"].clone();
    let wrong = json!({"email": "guest.hidden@example.com", "password": "hidden and wrong"});
    assert_eq!(server.try_call("POST", "/v1/sessions", "", Some(&wrong)).unwrap().0, 401);
    let set = format!("/v1/password-resets/{reset}");
    let password = json!({"password": "hidden battery"});
    assert_eq!(server.try_call("POST", &set, "", Some(&password)).unwrap().0, 204);
    let metrics = server.connect(&format!(
        "GET /metrics HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
    ));
    let counted = std::io::read_to_string(metrics).unwrap();
    assert!(counted.contains("/invitations/{token}"), "{counted}");
    while !said.contains("a letter was not taken") {
        said.push_str(&server.next_line());
    }
    server.signal("TERM");
    let (status, said_later) = server.end();
    assert_eq!(status, Some(0));
    said.push_str(&said_later);
    for all in [&said, &counted] {
        assert!(!all.to_lowercase().contains("hidden"), "{all}");
        for secret in [invitation.as_str(), &reset, session.as_str().unwrap()] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    }
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
    assert!(ids.contains(&&json!("trace-1")), "{ids:?}");
}

/// A worker says what it does in JSON too, counts its jobs where it was told to, and ends at the first signal.
#[test]
fn x1_a_worker_tells_of_itself_as_a_server_does() {
    let place = Place::with_acme();
    let server = Server::start(&place);
    let key = place.done("operator-key create tests").trim().to_owned();
    let body = json!({"action": "deactivate", "users": ["ext:bob"]});
    let bulk = "/v1/organizations/ext:acme/members/bulk";
    assert_eq!(server.call("POST", bulk, &key, Some(&body)).0, 202);
    server.signal("KILL");
    drop(server.end());
    let mut command = place.command();
    command.args(["worker", "--log-format", "json", "--metrics", "127.0.0.1:0"]);
    let mut worker = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(worker.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let begun: Value = serde_json::from_str(&said.next().unwrap()).unwrap();
    assert_eq!(begun["message"], "doing jobs", "{begun}");
    let metrics = begun["metrics"].as_str().unwrap().strip_prefix("http://").unwrap();
    let address = metrics.strip_suffix("/metrics").unwrap();
    // A worker whose words nobody takes stands still before long.
    let said = std::thread::spawn(move || said.collect::<Vec<String>>());
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: roster.test\r\nConnection: close\r\n\r\n").unwrap();
        let counted = std::io::read_to_string(stream).unwrap();
        if counted.contains("roster_jobs_finished_total{kind=\"bulk\",outcome=\"completed\"} 1") {
            break;
        }
        assert!(Instant::now() < until, "{counted}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(place.json("member show ext:bob --organization ext:acme")["status"], "deactivated");
    let pid = rustix::process::Pid::from_raw(i32::try_from(worker.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(worker.wait().unwrap().success());
    for line in said.join().unwrap() {
        let line: Value = serde_json::from_str(&line).expect(&line);
        assert!(line["timestamp"].is_string(), "{line}");
    }
}

/// I9, L8: whatever host a request names, links lead to where the service is: mailed or shown, of invitations, resets and
/// changes of address.
#[test]
fn l8_links_lead_to_the_public_url() {
    let place = Place::with_acme();
    place.write(
        "roster.toml",
        "public_url = \"https://roster.test\"\n[mail]\nurl = \"file:./letters\"\nfrom = \"roster@example.com\"\n",
    );
    let key = place.done("operator-key create tests").trim().to_owned();
    let server = Server::start(&place);
    let ask = |method: &str, path: &str, headers: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = std::io::read_to_string(server.connect(&format!(
            "{method} http://evil.test{path} HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil.test\r\n\
             X-Forwarded-Proto: http\r\nForwarded: for=1.2.3.4;host=evil.test;proto=http\r\nConnection: close\r\n\
             {headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )))
        .unwrap();
        assert!(answer.starts_with("HTTP/1.1 20") && !answer.contains("evil"), "{path}: {answer}");
        answer
    };
    let operator = format!("Authorization: Bearer {key}\r\n");
    let bob = format!("{operator}Roster-On-Behalf-Of: ext:bob\r\n");
    ask("POST", "/v1/password-resets", "", &json!({"email": "bob@example.com"}));
    ask("POST", "/v1/me/email", &bob, &json!({"email": "bobby@example.com"}));
    let access = json!({"type": "organization", "role": "viewer"});
    let invitations = "/v1/organizations/ext:acme/invitations";
    ask("POST", invitations, &operator, &json!({"email": "guest@example.com", "access": access}));
    let made = server.call("GET", invitations, &key, None).1["data"][0]["id"].clone();
    let link = format!("{invitations}/{}/link", made.as_str().unwrap());
    let shown = ask("GET", &link, &operator, &Value::Null);
    let url = "https://roster.test/invitations/";
    assert!(shown.contains(&format!("\"url\":\"{url}")), "{shown}");
    let until = Instant::now() + Duration::from_secs(20);
    for url in [url, "https://roster.test/password-resets/", "https://roster.test/email-changes/"] {
        while !letters(&place).iter().any(|letter| letter.contains(url)) {
            assert!(Instant::now() < until, "no {url} in {:?}", letters(&place));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let letters = letters(&place);
    assert!(letters.len() == 3 && letters.iter().all(|letter| !letter.contains("evil")), "{letters:?}");
}

/// The letters that have come.
fn letters(place: &Place) -> Vec<String> {
    let found = fs::read_dir(place.path().join("letters")).into_iter().flatten().flatten();
    let whole = found.map(|file| file.path()).filter(|path| path.extension() == Some("eml".as_ref()));
    whole.map(|path| fs::read_to_string(path).unwrap()).collect()
}
