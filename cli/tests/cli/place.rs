//! A folder of its own for each test, and the real program run in it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::stores::{self, Database};

/// A folder with a store that no test shares.
pub struct Place(TempDir, Option<Database>);

/// How the program ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// An empty folder, or one with what leads to an empty store on a server.
    pub fn empty() -> Self {
        let mut place = Self(tempfile::tempdir().unwrap(), None);
        if let Some((configuration, database)) = stores::configuration() {
            place.1 = database;
            place.write("roster.toml", &configuration);
            place.done("migrate");
        }
        place
    }

    /// One with the organization `ext:acme`, owned by Ada, with the accounts `ext:north` and `ext:south`; Bob
    /// (`ext:bob`) is a member on the first.
    pub fn with_acme() -> Self {
        let place = Self::empty();
        place.add_acme();
        place
    }

    /// The same on the store that a configuration names.
    pub fn with_acme_on(configuration: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap(), None);
        place.write("roster.toml", configuration);
        place.done("migrate");
        place.add_acme();
        place
    }

    fn add_acme(&self) {
        self.done(
            "organization create --name Acme --external-id acme --owner-email ada@example.com \
             --owner-external-id ada --owner-name Ada --account North=north --account South=south --seats 3",
        );
        self.done(
            "member add --organization ext:acme --email bob@example.com --external-id bob --name Bob \
             --role member --account ext:north",
        );
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program, here, without settings from outside.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROSTER_")) {
            command.env_remove(name);
        }
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs a line of words.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(self.command().args(line.split_whitespace()))
    }

    /// Runs a line with settings in the environment.
    pub fn run_with(&self, env: &[(&str, &str)], line: &str) -> Ran {
        Ran::of(self.command().envs(env.iter().copied()).args(line.split_whitespace()))
    }

    /// Runs a line with text on standard input.
    pub fn run_reading(&self, text: &str, line: &str) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Runs a line whose output nobody reads, as that of `| true`.
    pub fn run_unread(&self, line: &str) -> Ran {
        let mut command = self.command();
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        Ran::from(child.wait_with_output().unwrap())
    }

    /// What a line prints that must end well.
    pub fn done(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.status, 0, "{line}: {ran:?}");
        ran.stdout
    }

    /// The JSON of a line that must end well.
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{line} --output json"))).unwrap()
    }

    /// The code with which a line is refused.
    pub fn refused(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.status, 1, "{line}: {ran:?}");
        assert_eq!(ran.stdout, "", "{line}");
        let said = ran.stderr.strip_prefix("refused: ").unwrap_or_else(|| panic!("{line}: {ran:?}"));
        said.split(':').next().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }
}

impl From<std::process::Output> for Ran {
    fn from(output: std::process::Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The names of an object's fields, sorted.
pub fn keys(value: &Value) -> String {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

/// The names of the fields of every row of a list that is whole.
pub fn row_keys(list: &Value) -> String {
    assert_eq!(keys(list), "data next_cursor");
    assert!(list["next_cursor"].is_null());
    let rows = list["data"].as_array().unwrap();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| keys(row) == keys(&rows[0])));
    keys(&rows[0])
}

/// How many rows a list has.
pub fn count(list: &Value) -> usize {
    list["data"].as_array().unwrap().len()
}
