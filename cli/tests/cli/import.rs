//! Importing a file of real life, killed in the middle, and files that cannot be used (rule X4).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::place::{Place, count};
use crate::readme::takes_whole;
use crate::stores::{here, on_every_store};

const HEADER: &str = "user_external_id,email,name,account_external_id,role";

fn real_input() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/organization-members.csv");
    std::fs::read_to_string(file).unwrap()
}

/// People whose external id is there in two spellings.
const TWICE: [&str; 3] = ["noblenewt,", "grandrobin824,", "tidy-marmot334,"];

/// The whole of it on the default store, and where that is wished; else each eighth line and those of [`TWICE`].
fn input_here() -> String {
    let (whole, all) = (real_input(), here() == "sqlite" || takes_whole());
    let is_taken = |(n, line): &(usize, &str)| {
        let line = line.to_lowercase();
        all || n % 8 == 0 || TWICE.iter().any(|person| line.starts_with(person))
    };
    whole.split_inclusive('\n').enumerate().filter(is_taken).map(|(_, line)| line).collect()
}

fn import(place: &Place, flags: &str) -> Value {
    place.json(&format!("import members members.csv --organization ext:cloud {flags}"))
}

fn total(place: &Place, line: &str) -> usize {
    count(&place.json(&format!("{line} --limit 10000")))
}

on_every_store! {
    /// X4, X6: the dry run says what the run does; the file twice changes nothing; nobody is removed that was not.
    fn real_input_is_imported_once() {
        let place = Place::empty();
        place.done("organization create --name Cloud --external-id cloud --owner-email owner@example.com");
        let input = input_here();
        let rows = input.lines().count() - 1;
        let people: BTreeSet<String> =
            input.lines().skip(1).map(|line| line.split(',').next().unwrap().to_lowercase()).collect();
        let people = people.len();
        let (all_rows, all_people) = (2666, 1509);
        assert!(people > all_people / 8 && rows > all_rows / 8, "{rows} rows, {people} people");
        if here() == "sqlite" || takes_whole() {
            assert_eq!((rows, people), (all_rows, all_people));
        }
        place.write("members.csv", &input);
        let dry = import(&place, "--create-accounts --dry-run");
        assert_eq!(total(&place, "user list"), 1, "a dry run does nothing");
        let run = import(&place, "--create-accounts");
        assert_eq!(run, dry);
        assert_eq!(run["summary"], json!({"added": rows, "changed": 0, "unchanged": 0, "refused": 0}));
        assert_eq!((&run["accounts_created"], &run["users_created"]), (&json!(8), &json!(people)));
        let results = run["results"].as_array().unwrap();
        let warned: Vec<_> = results.iter().filter(|row| !row["warning"].is_null()).collect();
        assert_eq!(warned.len(), 3);
        assert!(warned.iter().all(|row| row["warning"] == "external_id_differs"));
        assert_eq!(total(&place, "account list --organization ext:cloud"), 9);
        assert_eq!(total(&place, "user list"), people + 1);
        assert_eq!(total(&place, "member list --organization ext:cloud"), people + 1);

        place.done("member remove ext:noblenewt --organization ext:cloud --account ext:kubernetes --yes");
        place.done("member remove ext:noblenewt --organization ext:cloud --yes");
        assert_eq!(total(&place, "member list --organization ext:cloud"), people);
        assert_eq!(total(&place, "user list"), people + 1, "M6: the user stays");
        place.done("audit verify --organization ext:cloud");
        place.done("verify");
    }

    /// X4: the file that was imported, imported again.
    fn the_same_file_again_changes_nothing() {
        let place = Place::empty();
        place.done("organization create --name Cloud --external-id cloud --owner-email owner@example.com");
        let whole = real_input();
        let part: Vec<&str> = whole.lines().take(301).collect();
        place.write("members.csv", &part.join("\n"));
        assert_eq!(import(&place, "--create-accounts")["summary"]["added"], 300);
        let entries = total(&place, "audit list --organization ext:cloud");
        let again = import(&place, "--create-accounts");
        assert_eq!(again["summary"], json!({"added": 0, "changed": 0, "unchanged": 300, "refused": 0}));
        assert_eq!(total(&place, "audit list --organization ext:cloud"), entries);
    }
}

/// X4: killed with -9 at any moment, run again: the end is that of a run that was not killed.
#[test]
fn an_import_that_was_killed_is_finished_by_the_next() {
    let whole = real_input();
    let part: Vec<&str> = whole.lines().take(301).collect();
    for millis in [200, 600, 1_200] {
        let place = Place::empty();
        place.done("organization create --name Cloud --external-id cloud --owner-email owner@example.com");
        place.write("members.csv", &part.join("\n"));
        let mut command = place.command();
        command.args([
            "import",
            "members",
            "members.csv",
            "--organization",
            "ext:cloud",
            "--create-accounts",
        ]);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        place.done("verify");
        let summary = &import(&place, "--create-accounts")["summary"];
        assert_eq!(summary["refused"], 0, "after {millis} ms");
        let done = summary["added"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap();
        assert_eq!(done, 300, "after {millis} ms: {summary}");
        let added = place.json("audit list --organization ext:cloud --limit 10000");
        let joined = added["data"].as_array().unwrap().iter();
        let joined = joined.filter(|event| event["action"] == "member.added").count();
        assert_eq!(joined, total(&place, "member list --organization ext:cloud"), "nobody joined twice");
        place.done("verify");
    }
}

on_every_store! {
    /// S1, X4: seats are counted for the whole file first.
    fn a_file_for_which_seats_are_too_few_is_refused_whole() {
        let place = Place::with_acme();
        place.write(
            "members.csv",
            &format!("{HEADER}\nc1,c1@example.com,C,north,member\nc2,c2@example.com,D,south,viewer\n"),
        );
        let line = "import members members.csv --organization ext:acme";
        let ran = place.run(line);
        assert!(ran.status == 1 && ran.stderr.starts_with("refused: no_seat"), "{ran:?}");
        assert!(ran.stdout.contains("no_seat") && !ran.stdout.contains("c1@"), "the rows that find none: {ran:?}");
        // The dry run ends the same way, with all rows.
        let told = "item,line,status,code,warning,detail\r\nc1,2,added,,,\r\n\
            c2,3,refused,no_seat,,All purchased seats are in use; free one or purchase more.\r\n";
        let dry = place.run(&format!("{line} --dry-run --output csv"));
        assert_eq!((dry.status, dry.stdout.as_str()), (1, told), "{dry:?}");
        assert!(dry.stderr.starts_with("refused: no_seat"), "{dry:?}");
        assert_eq!(total(&place, "member list --organization ext:acme"), 2);
        assert_eq!(total(&place, "user list"), 2);
    }
}

/// Files that cannot be used as a whole change nothing and say why.
#[test]
fn a_file_without_a_usable_header_is_refused() {
    let cases = [
        ("", "empty"),
        ("\u{feff}", "empty"),
        ("a,b,c\n", "unknown column"),
        ("email,account_external_id\nx@example.com,north\n", "role"),
        ("account_external_id,role\nnorth,member\n", "user_external_id"),
        ("email,email,account_external_id,role\n", "twice"),
        ("ann@example.com,north,member\n", "unknown column"),
    ];
    let place = Place::with_acme();
    for (text, said) in cases {
        place.write("members.csv", text);
        let ran = place.run("import members members.csv --organization ext:acme");
        assert_eq!(ran.status, 1, "{text:?}: {ran:?}");
        assert!(ran.stderr.contains("invalid") && ran.stderr.contains(said), "{text:?}: {}", ran.stderr);
    }
    assert_eq!(total(&place, "user list"), 2);
}

on_every_store! {
    /// One bad row does not stop the others; each says on which line and why.
    fn bad_rows_are_refused_one_by_one() {
        let long = "x".repeat(1024 * 1024);
        let rows = [
            ("r1,r1@example.com,Row,north,member", "added", Value::Null),
            ("r1,r1@example.com,Row,north,member", "unchanged", Value::Null),
            ("r2,R2@Example.COM,Row,north,viewer", "added", Value::Null),
            (",r2@example.com,,north,member", "changed", Value::Null),
            (",,Nobody,north,member", "refused", json!("invalid")),
            ("r3,not-an-address,Row,north,member", "refused", json!("invalid")),
            ("r4,r4@example.com,Row,nowhere,member", "refused", json!("not_found")),
            ("r5,r5@example.com,Row,north,owner", "refused", json!("owner_by_transfer_only")),
            ("r6,r6@example.com,Row,north,chief", "refused", json!("invalid")),
            ("r7,r7@example.com,Row,north", "refused", json!("invalid")),
            ("r8,r8@example.com,Row,north,member,more", "refused", json!("invalid")),
            ("r9,r9@example.com,\"a\u{7}b\",north,member", "refused", json!("invalid")),
            ("\"r10\"\"\",r10@example.com,\"Row, the tenth\",north,member", "added", Value::Null),
            ("r11,r11@example.com,a\"b,north,member", "refused", json!("invalid")),
            (&format!("r12,r12@example.com,{long},north,member"), "refused", json!("invalid")),
            ("ada,ada@example.com,Ada,north,admin", "refused", json!("owner_must_transfer")),
            ("r1,r2@example.com,Two people,north,member", "refused", json!("external_id_exists")),
        ];
        for end in ["\n", "\r\n", "\r"] {
            let place = Place::with_acme();
            place.done("organization seats ext:acme --purchased unlimited");
            let text =
                rows.iter().fold(format!("\u{feff}{HEADER}"), |text, (row, ..)| format!("{text}{end}{row}"));
            place.write("members.csv", &text);
            let ran = place.run("import members members.csv --organization ext:acme --output json");
            assert_eq!(ran.status, 1, "{}", ran.stderr);
            let report: Value = serde_json::from_str(&ran.stdout).unwrap();
            for ((n, (row, status, code)), result) in
                rows.iter().enumerate().zip(report["results"].as_array().unwrap())
            {
                let row: String = row.chars().take(60).collect();
                assert_eq!((&result["status"], &result["code"]), (&json!(status), code), "{row}: {result}");
                assert_eq!(result["line"], json!(n + 2), "{row}");
            }
            assert_eq!(total(&place, "member list --organization ext:acme"), 5);
            place.done("verify");
        }
    }
}
