//! The pages for people who open a link, in a real browser by playwright, and judged by axe.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::place::Place;
use super::tools::Tools;
use crate::repo::{Repo, succeed};
use crate::servers::{Servers, process, program};

const NPM: [&str; 2] = ["playwright-core@1.65.1", "@axe-core/playwright@4.13.0"];
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Opens, fills in and sends every page, by the keyboard alone.
pub fn run(repo: &Repo, servers: &Servers) -> Result<()> {
    let tools = Tools::new(repo, "pages")?;
    tools.npm(&NPM)?;
    tools.write("pages.js", include_str!("pages.js"))?;
    let letters = tools.path("letters");
    let mail = format!("[mail]\nurl = \"file:{}\"\nfrom = \"roster@example.com\"\n", letters.display());
    let place = Place::new(repo, servers, "sqlite", &mail)?;
    let create = ["organization", "create", "--name", "Cloud", "--external-id", "cloud", "--owner-email"];
    place.says(&[&create[..], &["owner@example.com"]].concat())?;
    let key = place.says(&["operator-key", "create", "pages"])?;
    let _served = place.serve()?;
    let mut browse = tools.program("node");
    browse.arg("pages.js").env("ROSTER", place.url()).env("OPERATOR_KEY", key);
    browse.env("LETTERS", letters).env("CHROMIUM", browser()?);
    succeed(&mut browse).context("the pages have faults")
}

/// Chromium or the like, from Debian if there is none.
fn browser() -> Result<PathBuf> {
    let found = || NAMES.into_iter().find_map(program);
    if let Some(found) = found() {
        return Ok(found);
    }
    process::install("chromium")?;
    found().context("there is no browser: install chromium")
}
