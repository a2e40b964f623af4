//! `cargo xtask tidy`: the rules of this repository that no other tool knows.

mod edges;
mod paths;
mod words;

use std::fmt;
use std::fs;

use anyhow::{Result, bail};

use crate::repo::Repo;

/// The most lines of a source file.
const MAX_LINES: usize = 600;

/// Something to mend.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// About a line, counted from 1; 0 for the file as a whole.
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Checks everything; lists all findings and fails if there are any.
pub fn run(repo: &Repo) -> Result<()> {
    let files = repo.files()?;
    let mut findings = edges::check(repo)?;
    for path in &files {
        let Some(text) = text(&fs::read(repo.join(path))?) else {
            continue;
        };
        findings.extend(words::check(path, &text));
        if is_source(path) {
            findings.extend(length(path, &text));
        }
        if is_prose(path) {
            findings.extend(paths::check(repo, &files, path, &text));
        }
    }
    findings.sort_unstable();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, nothing to mend.", files.len()),
        1 => bail!("tidy: 1 finding"),
        count => bail!("tidy: {count} findings"),
    }
    Ok(())
}

/// The content as text, if it is text.
fn text(content: &[u8]) -> Option<String> {
    let text = String::from_utf8(content.to_vec()).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn is_source(path: &str) -> bool {
    has_extension(path, "rs")
}

/// Whether the paths that a file names are checked.
fn is_prose(path: &str) -> bool {
    let checked = path.starts_with("docs/") || path == "README.md" || path == "CONTRIBUTING.md";
    checked && has_extension(path, "md")
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, own)| own == extension)
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let what = || format!("{lines} lines: split it, {MAX_LINES} are the most");
    (lines > MAX_LINES).then(|| Finding::new(path, 0, what()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart() {
        assert!(is_source("core/src/op.rs") && !is_source("core/src/ops"));
        assert!(is_prose("docs/ARCHITECTURE.md") && is_prose("README.md") && is_prose("CONTRIBUTING.md"));
        assert!(!is_prose("docs/openapi.json") && !is_prose("CHANGELOG.md") && !is_prose("docs/rs"));
        assert_eq!(text(b"a\n").as_deref(), Some("a\n"));
        assert_eq!(text(b"a\0"), None);
        assert_eq!(text(&[0xff]), None);
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(length("a.rs", &"x\n".repeat(MAX_LINES)), None);
        let found = length("a.rs", &"x\n".repeat(MAX_LINES + 1)).unwrap();
        assert_eq!(found.to_string(), "a.rs: 601 lines: split it, 600 are the most");
    }

    #[test]
    fn findings_name_file_and_line() {
        assert_eq!(Finding::new("a.rs", 3, "no").to_string(), "a.rs:3: no");
    }
}
