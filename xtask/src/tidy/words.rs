//! What must not stand in files. The patterns are put together here, so that this file does not trip itself.

use super::{Finding, is_source};

/// Not in Rust sources.
const IN_SOURCES: [(&str, &str); 6] = [
    (concat!("todo", "!"), "write it, or leave it out"),
    (concat!("unimplemented", "!"), "write it, or leave it out"),
    (concat!("dbg", "!"), "use tracing, or take it out"),
    (concat!("#", "[ignore"), "a test runs or is not there"),
    (concat!("#", "[allow("), "use #[expect(lint, reason = \"…\")]"),
    (concat!("#", "![allow("), "use #![expect(lint, reason = \"…\")]"),
];

/// Nowhere: folders of one developer's machine.
const FOLDERS: [&str; 3] = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Nowhere: marks of unfinished work.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Findings in a text file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(n, line)| check_line(path, line).map(move |what| Finding::new(path, n + 1, what)))
        .collect()
}

fn check_line(path: &str, line: &str) -> impl Iterator<Item = String> {
    let sources =
        IN_SOURCES.into_iter().filter(move |(word, _)| is_source(path) && begins(line, word, is_name));
    let folders = FOLDERS.into_iter().filter(move |folder| begins(line, folder, is_path));
    let marks = MARKS.into_iter().filter(move |mark| stands(line, mark));
    let sources = sources.map(|(word, instead)| format!("`{word}`: {instead}"));
    let folders = folders.map(|folder| format!("`{folder}`: a path of one machine"));
    let marks = marks.map(|mark| format!("{mark}: finish it, or say plainly what is missing"));
    sources.chain(folders).chain(marks)
}

/// Whether a pattern occurs where the character before it does not make it part of something else.
fn begins(line: &str, pattern: &str, joins: fn(char) -> bool) -> bool {
    line.match_indices(pattern).any(|(at, _)| !line[..at].ends_with(joins))
}

/// Whether a word occurs by itself.
fn stands(line: &str, word: &str) -> bool {
    let alone = |at: usize| !line[..at].ends_with(is_name) && !line[at + word.len()..].starts_with(is_name);
    line.match_indices(word).any(|(at, _)| alone(at))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What makes a folder part of a longer path, such as that of a URL.
fn is_path(c: char) -> bool {
    is_name(c) || matches!(c, '.' | '-' | '~' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(path, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_pattern_is_found_in_a_source() {
        for (word, instead) in IN_SOURCES {
            assert_eq!(found("a.rs", &format!("x\n  {word}")), [format!("a.rs:2: `{word}`: {instead}")]);
            assert!(found("a.md", word).is_empty());
            if word.ends_with('!') {
                assert!(found("a.rs", &format!("my_{word}()")).is_empty());
            }
        }
    }

    #[test]
    fn folders_are_found_anywhere_but_within_longer_paths() {
        for folder in FOLDERS {
            for text in [format!("cd {folder}x"), format!("\"{folder}\""), format!("file://{folder}")] {
                assert_eq!(found("a.toml", &text).len(), 1, "{text}");
            }
            for text in
                [format!("https://example.com{folder}"), format!("${{DIR}}{folder}"), format!("~{folder}")]
            {
                assert!(found("a.toml", &text).is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn marks_are_found_as_words() {
        for mark in MARKS {
            assert_eq!(found("a.md", &format!("({mark}: later)")).len(), 1);
            assert!(found("a.md", &format!("{mark}X")).is_empty());
            assert!(found("a.md", &format!("a{mark}")).is_empty());
            assert!(found("a.md", &mark.to_lowercase()).is_empty());
        }
    }

    #[test]
    fn several_findings_of_a_line_are_all_told() {
        let line = format!("{} {}", FOLDERS[0], MARKS[0]);
        assert_eq!(found("a.md", &line).len(), 2);
    }
}
