//! Paths that the documentation names must be there.

use std::collections::BTreeSet;

use super::Finding;
use crate::repo::Repo;

/// Findings in a document: paths in backticks that begin with a folder of ours and lead nowhere.
pub(super) fn check(repo: &Repo, files: &[String], path: &str, text: &str) -> Vec<Finding> {
    let folders: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| Some(file.split_once('/')?.0))
        .collect();
    let missing = named(text).into_iter().filter(|(_, named)| {
        let ours = named
            .split_once('/')
            .is_some_and(|(folder, _)| folders.contains(folder));
        ours && !repo.join(named).exists()
    });
    missing
        .map(|(line, named)| Finding::new(path, line, format!("`{named}` does not exist")))
        .collect()
}

/// What could be a path, with its line: words in backticks outside of fences, alternatives in braces written out,
/// and nothing from the first part on that stands for many.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let words = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
            let paths = words.flat_map(|word| alternatives(plain(word)));
            named.extend(paths.map(|path| (n + 1, fixed(&path))));
        }
    }
    named.retain(|(_, path)| path.contains('/'));
    named
}

/// The word without `./` before it, and without a line number or punctuation after it.
fn plain(word: &str) -> &str {
    let word = word.strip_prefix("./").unwrap_or(word);
    let word = word.split(['#', ':']).next().unwrap_or(word);
    word.trim_end_matches([',', ';', '.', ')'])
}

/// `a/{b,c}/d` is `a/b/d` and `a/c/d`.
fn alternatives(word: &str) -> Vec<String> {
    let parts = word
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (within, after))) = parts else {
        return vec![word.to_owned()];
    };
    let after = alternatives(after);
    let join = |part| after.iter().map(move |after| format!("{before}{part}{after}"));
    within.split(',').flat_map(join).collect()
}

/// The folders before a part such as `*.rs`, `<verb>.rs` or `…`.
fn fixed(path: &str) -> String {
    let stands_for_many = |part: &&str| part.contains(['*', '<', '…']);
    let parts: Vec<&str> = path
        .split('/')
        .take_while(|part| !stands_for_many(part))
        .collect();
    let cut = parts.len() < path.split('/').count();
    if cut {
        format!("{}/", parts.join("/"))
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        named(text).into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn words_in_backticks_with_a_slash_are_paths() {
        assert_eq!(
            paths("see `core/src/op.rs`, `core` and docs/x.md"),
            ["core/src/op.rs"]
        );
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
        assert_eq!(
            paths("`a/{b,c}/d.{e,f}`"),
            ["a/b/d.e", "a/b/d.f", "a/c/d.e", "a/c/d.f"]
        );
        assert_eq!(paths("`a/{b`"), ["a/{b"]);
    }

    #[test]
    fn parts_that_stand_for_many_are_left_out() {
        assert_eq!(
            paths("`a/b/*.rs` `a/<noun>/<verb>.rs` `a/…` `a/b/...`"),
            ["a/b/", "a/", "a/", "a/b/"]
        );
    }

    #[test]
    fn only_missing_paths_of_ours_are_found() {
        let repo = Repo::find().unwrap();
        let files = ["xtask/src/main.rs".to_owned(), "Cargo.toml".to_owned()];
        let text =
            "`xtask/src/main.rs` `xtask/src/` `xtask/nosuch.rs` `elsewhere/nosuch.rs` `application/json`";
        let found = check(&repo, &files, "docs/a.md", text);
        assert_eq!(
            found,
            [Finding::new("docs/a.md", 1, "`xtask/nosuch.rs` does not exist")]
        );
    }
}
