//! `roster serve --demo`, shell completions, the manual.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::place::{Place, count};

/// What a pasted line prints.
fn pasted(line: &str) -> Value {
    let ran = Command::new("sh").args(["-c", line]).output().expect("a shell");
    assert!(ran.status.success(), "{line}: {ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.ends_with('\n'), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Every line that it prints to be pasted does what it is there to show, and nothing stays behind.
#[test]
fn a_demo_can_be_tried_and_leaves_nothing() {
    let place = Place::empty();
    let temporary = tempfile::tempdir().unwrap();
    let mut command = place.command();
    command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", temporary.path());
    command.env("ROSTER_STORAGE__BACKEND", "postgres").env("ROSTER_MASTER_KEY", "of no use here");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut lines = Vec::new();
    while lines.len() < 5 {
        let line = stdout.next().expect("five lines to paste").unwrap();
        if line.starts_with("curl ") { lines.push(line) } else { said.push(line) }
    }
    assert!(said.iter().any(|line| line.contains("thrown away")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("  rko_")), "{said:?}");
    assert!(std::fs::read_dir(temporary.path()).unwrap().next().is_some());
    assert_eq!(count(&pasted(&lines[0])), 3);
    assert_eq!(pasted(&lines[1])["allowed"], true);
    assert_eq!(pasted(&lines[2])["changed"], true);
    assert_eq!(pasted(&lines[3])["allowed"], false);
    assert_eq!(count(&pasted(&lines[4])), 2);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(!stderr.contains("rko_"), "{stderr}");
    for folder in [temporary.path(), place.path()] {
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "{}", folder.display());
    }
}

#[test]
fn a_demo_has_no_other_store() {
    let place = Place::empty();
    for flag in ["--data-dir here", "--config roster.toml"] {
        let ran = place.run(&format!("serve --demo {flag}"));
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("leave out --config and --data-dir"), "{ran:?}");
    }
}

#[test]
fn completions_know_the_nouns() {
    let place = Place::empty();
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef roster"), ("fish", "complete -c roster")]
    {
        let made = place.done(&format!("completions {shell}"));
        for word in [sign, "operator-key", "member", "audit", "organization"] {
            assert!(made.contains(word), "{shell} knows no {word}");
        }
    }
    assert_eq!(place.run("completions tcsh").status, 2);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "no store is opened");
}

#[test]
fn there_is_a_manual() {
    let place = Place::empty();
    let page = place.done("man");
    assert!(page.contains(".TH roster 1") && page.contains("audit"), "{page}");
    place.done("man --folder pages");
    let written = |name: &str| Path::new(place.path()).join("pages").join(name).exists();
    assert!(written("roster.1") && written("roster-member-add.1") && written("roster-audit-export.1"));
}
