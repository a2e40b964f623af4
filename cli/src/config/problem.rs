//! What is wrong with a configuration, where that came from, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::keys::Key;

/// Where a value came from, lowest precedence first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Source {
    /// Built in, or derived from other settings.
    Default,
    /// A configuration file, or the key file itself when that is what is wrong.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A command-line flag, with its dashes.
    Flag(String),
}

impl Source {
    /// Precedence, without the name: two values of one rank contradict each other.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing to correct. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where the wrong value came from.
    pub source: Source,
    /// The setting as its dotted path, or the unknown name; `None` when a whole file is at fault.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    pub(super) fn at(source: Source, key: &Key, fault: Fault) -> Self {
        Self::named(source, key.path, fault)
    }

    pub(super) fn named(source: Source, key: &str, fault: Fault) -> Self {
        Self { key: Some(key.to_owned()), ..Self::whole(source, fault) }
    }

    pub(super) fn whole(source: Source, fault: Fault) -> Self {
        Self { source, key: None, problem: fault.problem, fix: fault.fix }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, &self.key) {
            (Source::Environment(name) | Source::Flag(name), Some(key)) if name != key => {
                write!(f, "{name} ({key}): ")?;
            }
            (Source::Default, Some(key)) => write!(f, "{key} (default): ")?,
            (Source::File(path), Some(key)) => write!(f, "{}: {key}: ", path.display())?,
            (source, _) => write!(f, "{source}: ")?,
        }
        write!(f, "{}; {}", self.problem, self.fix)
    }
}

impl std::error::Error for Problem {}

/// Every problem of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has 1 problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// A problem before it is known which source gave the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub problem: String,
    pub fix: String,
}

impl Fault {
    pub fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}
