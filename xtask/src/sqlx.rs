//! `cargo xtask sqlx`: the offline data that SQL queries are checked against when no database is near.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch, succeed};

const PACKAGE: &str = "roster-storage-sqlite";
const FOLDER: &str = "storage-sqlite/.sqlx";
const ROOT_FILE: &str = "storage-sqlite/src/lib.rs";

/// File name to content.
type Data = BTreeMap<String, Vec<u8>>;

/// Replaces the data; what is there stays until all of the new is made.
pub fn write(repo: &Repo) -> Result<()> {
    let made = make(repo)?;
    let folder = repo.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let kept = read(&folder)?;
    for name in kept.keys().filter(|name| !made.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    for (name, content) in made.iter().filter(|(name, content)| kept.get(*name) != Some(content)) {
        fs::write(folder.join(name), content)?;
    }
    println!("{FOLDER}: {} queries.", made.len());
    Ok(())
}

/// Says whether the data is what the queries would make.
pub fn check(repo: &Repo) -> Result<()> {
    let made = make(repo)?;
    let kept =
        read(&repo.join(FOLDER)).with_context(|| format!("cannot read {FOLDER}; run cargo xtask sqlx"))?;
    let differing = differences(&kept, &made);
    if !differing.is_empty() {
        bail!("{FOLDER} is not current; run cargo xtask sqlx:\n  {}", differing.join("\n  "));
    }
    println!("{FOLDER} is current: {} queries.", made.len());
    Ok(())
}

/// Lets the compiler describe every query against an empty database with the current tables.
fn make(repo: &Repo) -> Result<Data> {
    let scratch = repo.scratch("sqlx")?;
    let database = scratch.path().join("prepared.db");
    let data = scratch.path().join("data");
    fs::create_dir(&data)?;
    // Cargo does not see that a migration has come: both builds below start from a source that has just changed.
    touch(&repo.join(ROOT_FILE))?;
    // Without the default features the crate is its migrations alone: it builds when the data is stale.
    let example = ["run", "-q", "-p", PACKAGE, "--no-default-features", "--example", "prepare", "--"];
    succeed(repo.cargo().args(example).arg(&database))?;
    let checked = describe(repo, &scratch, &database, &data);
    // What was just compiled has seen the temporary database: the next build shall not take it for its own.
    touch(&repo.join(ROOT_FILE))?;
    checked?;
    let made = read(&data)?;
    if made.is_empty() {
        bail!("{PACKAGE} was compiled and described no query");
    }
    Ok(made)
}

fn describe(repo: &Repo, scratch: &Scratch, database: &Path, data: &Path) -> Result<()> {
    let url = format!("sqlite://{}", database.display());
    let mut cargo = repo.cargo();
    cargo.args(["check", "-q", "-p", PACKAGE, "--all-targets"]);
    cargo.env("SQLX_OFFLINE", "false").env("SQLX_SQLITE_URL", url).env("SQLX_OFFLINE_DIR", data);
    succeed(&mut cargo).with_context(|| format!("queries were checked in {}", scratch.path().display()))
}

/// Makes cargo compile the crate again, which alone runs its macros.
#[expect(clippy::disallowed_methods, reason = "the time of a file is for cargo; nothing is decided by it")]
fn touch(path: &Path) -> Result<()> {
    let file = File::options().append(true).open(path);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("cannot touch {}", path.display()))
}

fn read(folder: &Path) -> Result<Data> {
    let mut data = Data::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            data.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(data)
}

fn differences(kept: &Data, made: &Data) -> Vec<String> {
    let names: BTreeSet<&String> = kept.keys().chain(made.keys()).collect();
    let differing = |name: &String| match (kept.get(name), made.get(name)) {
        (None, Some(_)) => Some(format!("{name}: missing")),
        (Some(_), None) => Some(format!("{name}: of no query")),
        (kept, made) => (kept != made).then(|| format!("{name}: differs")),
    };
    names.into_iter().filter_map(differing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(files: &[(&str, &str)]) -> Data {
        files.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect()
    }

    #[test]
    fn differing_files_are_named() {
        let kept = data(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let made = data(&[("a", "1"), ("b", "9"), ("d", "4")]);
        assert_eq!(differences(&kept, &made), ["b: differs", "c: of no query", "d: missing"]);
        assert!(differences(&kept, &kept).is_empty());
    }
}
