//! Paths that the documentation names must be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Finding;
use crate::repo::Repo;

/// The document whose code map must be whole: what looks like a path is one of ours there, whatever it begins with.
const MAP: &str = "docs/ARCHITECTURE.md";

/// How files of ours end.
const ENDINGS: [&str; 7] = ["rs", "md", "toml", "json", "sql", "csv", "lua"];

/// Findings in a document: paths of ours in backticks that lead nowhere.
pub(super) fn check(repo: &Repo, files: &[String], path: &str, text: &str) -> Vec<Finding> {
    let folders: BTreeSet<&str> = files.iter().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    let is_ours = |named: &str| {
        let first = named.split_once('/').map_or("", |(first, _)| first);
        folders.contains(first) || first.contains('*') || (path == MAP && looks_like_a_path(named))
    };
    let missing = named(text)
        .into_iter()
        .filter(|(_, named)| is_ours(named) && !is_there(&repo.join(""), named.trim_end_matches('/')));
    missing.map(|(line, named)| Finding::new(path, line, format!("`{named}` does not exist"))).collect()
}

/// Whether it ends like a folder or a file of ours, from the root of the repository.
fn looks_like_a_path(named: &str) -> bool {
    let last = named.rsplit('/').next().unwrap_or_default();
    let ends_so =
        last.is_empty() || last.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    ends_so && !named.starts_with('/')
}

/// Whether something is there; `*` and `<name>` stand for any part of a name.
fn is_there(folder: &Path, path: &str) -> bool {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let goes_on = |name: &str| rest.is_none_or(|rest| is_there(&folder.join(name), rest));
    if split_wildcard(first).is_none() {
        return folder.join(first).exists() && goes_on(first);
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| fits(first, name)).any(|name| goes_on(&name))
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = split_wildcard(pattern) else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(after, rest)))
}

/// What stands before and after the first `*` or `<name>`.
fn split_wildcard(pattern: &str) -> Option<(&str, &str)> {
    let (before, rest) = pattern.split_at(pattern.find(['*', '<'])?);
    let after = if rest.starts_with('<') { rest.split_once('>')?.1 } else { &rest[1..] };
    Some((before, after))
}

/// What could be a path, with its line: words in backticks outside of fences, alternatives in braces written out,
/// and nothing from `…` or `...` on.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let words = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
            let paths = words.flat_map(|word| alternatives(plain(word)));
            named.extend(paths.map(|path| (n + 1, cut(&path).to_owned())));
        }
    }
    named.retain(|(_, path)| path.contains('/'));
    named
}

/// The word without `./` before it, and without a line number or punctuation after it.
fn plain(word: &str) -> &str {
    let word = word.strip_prefix("./").unwrap_or(word);
    let word = word.split(['#', ':']).next().unwrap_or(word);
    cut(word).trim_end_matches([',', ';', '.', ')'])
}

/// `a/{b,c}/d` is `a/b/d` and `a/c/d`.
fn alternatives(word: &str) -> Vec<String> {
    let parts = word.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (within, after))) = parts else {
        return vec![word.to_owned()];
    };
    let after = alternatives(after);
    let join = |part| after.iter().map(move |after| format!("{before}{part}{after}"));
    within.split(',').flat_map(join).collect()
}

/// What stands before an ellipsis.
fn cut(path: &str) -> &str {
    let before = path.split_once("...").map_or(path, |(before, _)| before);
    before.split_once('…').map_or(before, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        named(text).into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn words_in_backticks_with_a_slash_are_paths() {
        assert_eq!(paths("see `core/src/op.rs`, `core` and docs/x.md"), ["core/src/op.rs"]);
        assert_eq!(
            paths("`ls ./tests/data/` and `api/src/error.rs:12`."),
            ["tests/data/", "api/src/error.rs"]
        );
        assert_eq!(named("\n`a/b`"), [(2, "a/b".to_owned())]);
    }

    #[test]
    fn fences_are_passed_over() {
        assert_eq!(paths("```sh\ncat `a/b`\n```\n`c/d`"), ["c/d"]);
    }

    #[test]
    fn braces_are_written_out() {
        assert_eq!(paths("`a/{b,c}/d.{e,f}`"), ["a/b/d.e", "a/b/d.f", "a/c/d.e", "a/c/d.f"]);
        assert_eq!(paths("`a/{b`"), ["a/{b"]);
    }

    #[test]
    fn nothing_is_named_from_an_ellipsis_on() {
        assert_eq!(paths("`a/…` `a/b/...` `a/b…/c`"), ["a/", "a/b/", "a/b"]);
    }

    /// What is found in a document, in this repository.
    fn found(document: &str, text: &str) -> Vec<String> {
        let files = ["xtask/src/main.rs".to_owned(), "Cargo.toml".to_owned()];
        let repo = Repo::find().unwrap();
        check(&repo, &files, document, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_of_ours_that_lead_nowhere_are_found() {
        let text =
            "`xtask/src/main.rs` `xtask/src/`\n`xtask/nosuch.rs` `application/json` `/v1/check/` `and/or`";
        for document in ["README.md", MAP] {
            assert_eq!(found(document, text), [format!("{document}:2: `xtask/nosuch.rs` does not exist")]);
        }
    }

    #[test]
    fn in_the_map_a_folder_that_is_not_there_is_found() {
        let text = "`nosuch/` `nosuch/src/{read,list}.rs`";
        assert_eq!(found(MAP, text).len(), 3);
        assert!(found("README.md", text).is_empty());
    }

    #[test]
    fn a_pattern_must_fit_something() {
        assert!(found(MAP, "`xtask/src/<name>.rs` `xtask/*/tidy/p*.rs` `x*/src/main.rs`").is_empty());
        assert_eq!(found(MAP, "`xtask/src/<name>.sql` `xtask/*/tidy/x*.rs` `nosuch-*/src/main.rs`").len(), 3);
    }
}
