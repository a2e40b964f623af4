//! How long each suite (test binary) took, as the test runners say it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Result;

use crate::interrupt;
use crate::repo::spoken;

/// Tests of each suite, and the time they took together. Tests that run side by side count each in full.
#[derive(Default, Debug, PartialEq)]
pub struct Suites(BTreeMap<String, (usize, f64)>);

impl Suites {
    /// What cargo-nextest wrote: a `testcase` a test, with its suite as `classname`.
    pub fn of_nextest(report: &Path) -> Self {
        let mut suites = Self::default();
        for element in fs::read_to_string(report).unwrap_or_default().split("<testcase ").skip(1) {
            if let (Some(suite), Some(time)) = (attribute(element, "classname"), attribute(element, "time")) {
                suites.add(suite, 1, time.parse().unwrap_or(0.0));
            }
        }
        suites
    }

    /// Runs `cargo test`, passes on what it says, and reads it.
    pub fn of_cargo_test(mut command: Command) -> Result<(ExitStatus, Self)> {
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut suites = Self::default();
        let mut running = String::new();
        let ended = interrupt::status_while(command, || {
            for line in BufReader::new(reader).lines() {
                let line = line?;
                println!("{line}");
                suites.read(&line, &mut running);
            }
            Ok(())
        })?;
        Ok((ended, suites))
    }

    /// A line of `cargo test`: a suite that begins, or how it ended.
    fn read(&mut self, line: &str, running: &mut String) {
        let line = line.trim();
        if let Some(begun) = line.strip_prefix("Running ") {
            let program = begun.rsplit_once('(').map_or(begun, |(_, program)| program);
            let file = program.trim_end_matches(')').rsplit('/').next().unwrap_or_default();
            file.rsplit_once('-').map_or(file, |(name, _)| name).clone_into(running);
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let before = |word: &str| counts.split(word).next()?.trim().rsplit(' ').next()?.parse().ok();
            let count = |word: &str| -> usize { before(word).unwrap_or(0) };
            let time = counts.rsplit_once("finished in ").map(|(_, time)| time.trim_end_matches('s'));
            let time = time.and_then(|time| time.parse().ok()).unwrap_or(0.0);
            self.add(running, count("passed") + count("failed"), time);
        }
    }

    /// One suite.
    #[cfg(test)]
    pub fn of(suite: &str, tests: usize) -> Self {
        let mut suites = Self::default();
        suites.add(suite, tests, 0.0);
        suites
    }

    fn add(&mut self, suite: &str, tests: usize, seconds: f64) {
        let so_far = self.0.entry(suite.to_owned()).or_default();
        *so_far = (so_far.0 + tests, so_far.1 + seconds);
    }

    /// How many tests there were.
    pub fn tests(&self) -> usize {
        self.0.values().map(|(tests, _)| tests).sum()
    }

    /// A headline and a line a suite, the longest first; those without a test are left out.
    pub fn lines(&self) -> Vec<String> {
        let mut suites: Vec<_> = self.0.iter().filter(|(_, (tests, _))| *tests > 0).collect();
        suites.sort_by(|(_, (_, one)), (_, (_, other))| other.total_cmp(one));
        let width = suites.iter().map(|(suite, _)| suite.len()).max().unwrap_or(0);
        let line = |(suite, (tests, seconds)): (&String, &(usize, f64))| {
            let time = spoken(Duration::try_from_secs_f64(*seconds).unwrap_or_default());
            format!("  {suite:width$}  {tests:4} tests  {time}")
        };
        let headline = (!suites.is_empty()).then(|| "Time of each suite's tests, added up:".to_owned());
        headline.into_iter().chain(suites.into_iter().map(line)).collect()
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let value = element.split_once(&format!(" {name}=\""))?.1;
    value.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_report_are_added_by_suite() {
        let report = r#"<?xml version="1.0"?><testsuites name="nextest-run" tests="3" time="9.0">
            <testsuite name="roster-tests::model" tests="2">
                <testcase name="a" classname="roster-tests::model" timestamp="x" time="1.5"></testcase>
                <testcase name="b" classname="roster-tests::model" timestamp="x" time="70"></testcase>
            </testsuite>
            <testcase name="time=&quot;7&quot;" classname="roster-core" time="0.25"/></testsuites>"#;
        let folder = std::env::temp_dir().join(format!("roster-suites-{}.xml", std::process::id()));
        fs::write(&folder, report).unwrap();
        let suites = Suites::of_nextest(&folder);
        fs::remove_file(&folder).unwrap();
        let lines =
            ["  roster-tests::model     2 tests  1 min 11 s", "  roster-core             1 tests  0.2 s"];
        assert_eq!(suites.lines()[1..], lines);
    }

    #[test]
    fn a_report_that_is_not_there_tells_nothing() {
        assert!(Suites::of_nextest(Path::new("/nonexistent/junit.xml")).lines().is_empty());
    }

    #[test]
    fn what_cargo_test_says_is_read() {
        let (mut suites, mut running) = (Suites::default(), String::new());
        for line in [
            "     Running unittests src/lib.rs (target/debug/deps/roster_core-0123abc)",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "     Running tests/model/main.rs (target/debug/deps/model-4567def)",
            "test the_stores_do_as_the_rules_say ... ok",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 61.20s",
        ] {
            suites.read(line, &mut running);
        }
        assert_eq!(suites.lines()[1..], ["  model     3 tests  1 min 1 s"]);
    }
}
