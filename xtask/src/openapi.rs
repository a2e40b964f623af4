//! `cargo xtask openapi`: the description of the HTTP interface, made by the router itself.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, output};

const FILE: &str = "docs/openapi.json";

/// Writes the file.
pub fn write(repo: &Repo) -> Result<()> {
    let made = make(repo)?;
    fs::write(repo.join(FILE), made).with_context(|| format!("cannot write {FILE}"))?;
    println!("{FILE} is written.");
    Ok(())
}

/// Says whether the file is what the routes would make.
pub fn check(repo: &Repo) -> Result<()> {
    let made = make(repo)?;
    let kept = repo.read(FILE).with_context(|| format!("run cargo xtask openapi to make {FILE}"))?;
    if let Some(line) = first_difference(&kept, &made) {
        bail!("{FILE} is not what the routes say, from line {line} on; run cargo xtask openapi");
    }
    println!("{FILE} is current.");
    Ok(())
}

/// Without a package named, so that what is built is what the tests need too.
fn make(repo: &Repo) -> Result<String> {
    let printed = output(repo.cargo().args(["run", "-q", "--example", "openapi"]))?;
    let text = String::from_utf8(printed).context("the example openapi printed no UTF-8")?;
    serde_json::from_str::<serde_json::Map<_, _>>(&text)
        .context("the example openapi printed no JSON object")?;
    Ok(format!("{}\n", text.trim_end()))
}

fn first_difference(kept: &str, made: &str) -> Option<usize> {
    if kept == made {
        return None;
    }
    let same = kept.lines().zip(made.lines()).take_while(|(kept, made)| kept == made).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a", "a\n"), Some(2));
    }
}
