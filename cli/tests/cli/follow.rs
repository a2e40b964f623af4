//! What `curl` shows of the events of an organization while an import runs (rules X2, X4), and the bar that a terminal shows.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::place::Place;
use crate::server::Server;
use crate::stores::on_every_store;

const ROWS: usize = 400;

/// `curl -N` on the events of `ext:acme`.
struct Curl {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The last id that it was told.
    last: String,
}

impl Curl {
    fn on(server: &Server, key: &str, last: Option<&str>) -> Self {
        let mut command = Command::new("curl");
        command.args(["-sS", "-N", "-H", &format!("Authorization: Bearer {key}")]);
        command.args(["-H", "Accept: text/event-stream"]);
        if let Some(last) = last {
            command.args(["-H", &format!("Last-Event-ID: {last}")]);
        }
        command.arg(format!("http://{}/v1/organizations/ext:acme/events?after=0", server.address));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, last: String::new() }
    }

    /// The next event; nothing at the end, which comes behind a whole one.
    fn next(&mut self) -> Option<Value> {
        let (mut line, mut event) = (String::new(), None);
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                assert!(event.is_none(), "it ends in the middle of {event:?}");
                return None;
            }
            if let Some(id) = line.strip_prefix("id: ") {
                id.trim_end().clone_into(&mut self.last);
            } else if let Some(data) = line.strip_prefix("data: ") {
                event = Some(serde_json::from_str(data).unwrap());
            } else if line == "\n" && event.is_some() {
                return event;
            }
        }
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

on_every_store! {
    /// In the order of the file, each row once, though the server that is followed is told to end in the midst: the stream ends
    /// behind a whole event, and another server takes it up.
    fn x2_whoever_follows_sees_what_an_import_does_in_its_order() {
        let place = Place::with_acme();
        place.done("organization seats ext:acme --purchased unlimited");
        let key = place.done("operator-key create tests").trim().to_owned();
        let mut file = "user_external_id,account_external_id,role\n".to_owned();
        for n in 0..ROWS {
            writeln!(file, "p{n},north,viewer").unwrap();
        }
        place.write("members.csv", &file);
        let (first, second) = (Server::start(&place), Server::start(&place));
        let mut events: Vec<Value> = Vec::new();
        thread::scope(|scope| {
            let mut curl = Curl::on(&first, &key, None);
            let import = scope.spawn(|| place.json("import members members.csv --organization ext:acme"));
            while events.len() < 100 {
                events.push(curl.next().expect("no end"));
            }
            first.signal("TERM");
            events.extend(std::iter::from_fn(|| curl.next()));
            assert!(curl.child.wait().unwrap().success(), "the answer has an end");
            let (status, said) = first.end();
            assert_eq!(status, Some(0), "{said}");
            let imported = import.join().unwrap();
            assert_eq!(imported["summary"]["added"], json!(ROWS), "{imported}");
            let renamed = second.call("PATCH", "/v1/organizations/ext:acme", &key, Some(&json!({"name": "Last"})));
            assert_eq!(renamed.0, 200);
            let mut curl = Curl::on(&second, &key, Some(&curl.last));
            while events.last().is_none_or(|event| event["type"] != "organization.updated") {
                events.push(curl.next().expect("no end"));
            }
        });
        let at = |event: &Value| (event["seq"].as_u64().unwrap(), event["id"].as_str().unwrap().to_owned());
        assert!(events.windows(2).all(|pair| at(&pair[0]) < at(&pair[1])), "in order, and none twice");
        let members = place.json("member list --organization ext:acme --limit 1000");
        let named = |user: &Value| {
            let found = members["data"].as_array().unwrap().iter().find(|it| it["user_id"] == *user);
            found.and_then(|it| it["external_id"].as_str()).unwrap().to_owned()
        };
        let added = events.iter().filter(|event| event["type"] == "member.added");
        let added: Vec<String> = added.map(|event| named(&event["data"]["target"]["id"])).collect();
        let expected = ["ada", "bob"].map(str::to_owned).into_iter().chain((0..ROWS).map(|n| format!("p{n}")));
        assert_eq!(added, expected.collect::<Vec<_>>());
        let trail = place.json("audit list --organization ext:acme --limit 10000");
        assert_eq!(trail["data"].as_array().unwrap().len(), events.len(), "nothing is left out");
    }
}

/// On a terminal, which `script` gives it.
#[test]
fn x3_a_terminal_shows_a_bar() {
    crate::stores::on("sqlite", || {
        let place = Place::with_acme();
        for line in
            ["user remove-everywhere ext:bob --yes", "import accounts accounts.csv --organization ext:acme"]
        {
            place.write("accounts.csv", "account_external_id,name\nwest,West\n");
            let program = place.command().get_program().to_str().unwrap().to_owned();
            let mut script = Command::new("script");
            script.args(["-qec", &format!("{program} {line}"), "/dev/null"]).stdin(Stdio::null());
            let output = script.current_dir(place.path()).output().unwrap();
            let shown = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{line}: {shown}");
            assert!(shown.contains("% items") && shown.contains("completed"), "{line}: {shown}");
        }
    });
}
