//! The shell lines of the README, as a newcomer pastes them: two chapters on every store.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, count};
use crate::server::Server;
use crate::stores::{here, on_every_store};

/// Set to take the whole file of members on every store; without it so many rows of it are gone through here.
const WHOLE: &str = "ROSTER_TEST_WHOLE_FILE";
const ROWS: usize = 200;
const FILE: &str = "tests/data/organization-members.csv";
/// Where the README has its server, and the one of the tour with mail.
const SERVER: &str = "127.0.0.1:8080";
const MAIL_SERVER: &str = "127.0.0.1:8081";

/// What surrounds the lines: the statuses of requests and the commands that fail are noted.
const AROUND: &str = r#"
curl() { command curl -sS -w '%{stderr}%{http_code} ' "$@" 2>>statuses; }
trap 'echo "$BASH_COMMAND" >>failed' ERR
"#;

/// Whether the whole file of members is wished for on every store.
pub fn takes_whole() -> bool {
    std::env::var_os(WHOLE).is_some()
}

/// The blocks of shell under a heading.
fn blocks(heading: &str) -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let chapter = readme.split("\n## ").find(|chapter| chapter.starts_with(heading)).unwrap();
    let blocks = chapter.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Whether a block is one to paste here: the program is built and its server runs; a delivery is what a receiver has; and
/// the tour with mail brings a store of its own.
fn is_for_here(block: &str) -> bool {
    let for_others =
        block.contains("cargo build") || block == "roster serve\n" || block.contains("$WEBHOOK_ID");
    !for_others && (here() == "sqlite" || !block.contains("ROSTER_MAIL__URL"))
}

/// A line as it is run: a stream that nobody leaves is left after a moment.
fn line(line: &str) -> String {
    if line.starts_with("curl -N") || line.starts_with("roster events follow") {
        format!("timeout 2 {line} || test $? = 124")
    } else {
        line.to_owned()
    }
}

/// Puts the file where the README has it: how many rows it has and how many accounts.
fn import_file(place: &Place) -> (usize, usize) {
    let text = fs::read_to_string(root().join(FILE)).unwrap();
    let rows = if takes_whole() { usize::MAX } else { ROWS + 1 };
    let cut: String = text.split_inclusive('\n').take(rows).collect();
    fs::create_dir_all(place.path().join(FILE).parent().unwrap()).unwrap();
    place.write(FILE, &cut);
    let (head, rows) = cut.split_once('\n').unwrap();
    let column = head.trim_end().split(',').position(|name| name == "account_external_id").unwrap();
    let accounts: BTreeSet<_> = rows.lines().map(|row| row.split(',').nth(column).unwrap()).collect();
    (rows.lines().count(), accounts.len())
}

/// Pastes blocks into a shell; what it printed.
fn paste(place: &Place, server: &Server, blocks: &[String]) -> String {
    let lines: Vec<String> = blocks.iter().flat_map(|block| block.lines()).map(line).collect();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = format!("{AROUND}{}\n", lines.join("\n"))
        .replace(SERVER, &server.address)
        .replace(MAIL_SERVER, &free.to_string());
    place.write("pasted.sh", &script);
    let program = place.command().get_program().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
        shell.env_remove(name);
    }
    let folder = Path::new(&program).parent().unwrap().display();
    shell.env("PATH", format!("{folder}:{path}")).arg("pasted.sh");
    let output = shell.current_dir(place.path()).stdin(Stdio::null()).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let failed = fs::read_to_string(place.path().join("failed")).unwrap_or_default();
    assert_eq!(failed, "", "{said}");
    said
}

/// What came of the imports, the first first, once no job is under way.
fn imports(place: &Place) -> Vec<Value> {
    let until = Instant::now() + Duration::from_mins(2);
    while Instant::now() < until {
        let jobs = place.json("job list")["data"].as_array().unwrap().clone();
        if jobs.iter().all(|job| !job["finished_at"].is_null()) {
            let imports = jobs.into_iter().filter(|job| job["kind"] == "import_members");
            return imports.map(|job| job["summary"].clone()).collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("jobs do not end");
}

/// What the chapter on customers leads to: the account that events tell of, its owner, and what she did.
fn owned_by_zoe(place: &Place) {
    let mut asked = place.command();
    asked.args([
        "report",
        "accounts",
        "--where",
        "external_id eq \"delta\"",
        "--output",
        "json",
        "--columns",
    ]);
    let output = asked.arg("external_id,owner.email,owner.sessions,traits.plan").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let row = json!({"external_id": "delta", "owner.email": "zoe@example.com", "owner.sessions": 1, "traits.plan": "pro"});
    assert_eq!(report["data"], json!([row]));
    let activity = place.json("activity --organization ext:cloud --group-by event");
    let counted = activity["data"].as_array().unwrap().iter();
    let counted: Vec<_> = counted.map(|row| (row["event"].as_str().unwrap(), row["count"].clone())).collect();
    assert_eq!(counted, [("Report Opened", json!(1))]);
}

on_every_store! {
    /// Every line works, and says the same on every store.
    fn the_chapters_of_the_readme_work() {
        let place = Place::empty();
        let (rows, accounts) = import_file(&place);
        let server = Server::start(&place);
        let tour: Vec<String> = blocks("Five minutes").into_iter().filter(|it| is_for_here(it)).collect();
        let customers = blocks("Customers");
        assert!(tour.len() >= 14 && customers.len() >= 6, "{} and {}", tour.len(), customers.len());
        let said = paste(&place, &server, &[tour, customers].concat());
        let imports = imports(&place);
        // As it would be, as it is, and by HTTP once more.
        let added = json!({"added": rows});
        assert_eq!(imports, [added.clone(), added, json!({"unchanged": rows})], "{said}");
        let statuses = fs::read_to_string(place.path().join("statuses")).unwrap();
        // Only on behalf of one who is no member any more is there nothing.
        let tour = "201 200 200 200 404 200 200 201 200 201 202 ";
        let tour = if here() == "sqlite" { tour.to_owned() } else { tour.replacen("201 200 201", "201 201", 1) };
        assert_eq!(statuses, format!("{tour}200 200 200 202 200 "), "{said}");
        // Those of the file, the organization's first, the one that is made by hand and the one that events tell of.
        assert_eq!(count(&place.json("account list --organization ext:cloud")), accounts + 3);
        owned_by_zoe(&place);
        place.done("verify");
    }
}
