//! `cargo xtask sqlx`: the offline data that SQL queries are checked against when no database is near.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch, succeed};
use crate::servers::{self, postgres::Postgres};

/// A crate with queries.
struct Checked {
    /// Its folder; the package is `roster-` and this.
    folder: &'static str,
    /// What names the database that its queries are checked against.
    variable: &'static str,
    /// An empty database for it.
    database: fn(&Scratch) -> Result<Database>,
}

/// An empty database, gone when this is dropped.
struct Database {
    /// For `examples/prepare.rs`.
    argument: String,
    /// For the macros.
    url: String,
    _server: Option<Postgres>,
}

const CRATES: [Checked; 2] = [
    Checked { folder: "storage-sqlite", variable: "SQLX_SQLITE_URL", database: sqlite },
    Checked { folder: "storage-postgres", variable: "SQLX_POSTGRES_URL", database: postgres },
];

#[expect(clippy::unnecessary_wraps, reason = "as every other maker of a database")]
fn sqlite(scratch: &Scratch) -> Result<Database> {
    let argument = scratch.path().join("prepared.db").display().to_string();
    let url = format!("sqlite://{argument}");
    Ok(Database { argument, url, _server: None })
}

fn postgres(_: &Scratch) -> Result<Database> {
    let server = servers::postgres::start(&servers::process::quick())
        .context("queries are checked against a Postgres")?;
    Ok(Database { argument: server.url.clone(), url: server.url.clone(), _server: Some(server) })
}

/// File name to content.
type Data = BTreeMap<String, Vec<u8>>;

/// Replaces the data; what is there stays until all of the new is made.
pub fn write(repo: &Repo) -> Result<()> {
    for checked in CRATES {
        let made = make(repo, &checked)?;
        let folder = repo.join(checked.data());
        fs::create_dir_all(&folder)?;
        let kept = read(&folder)?;
        for name in kept.keys().filter(|name| !made.contains_key(*name)) {
            fs::remove_file(folder.join(name))?;
        }
        for (name, content) in made.iter().filter(|(name, content)| kept.get(*name) != Some(content)) {
            fs::write(folder.join(name), content)?;
        }
        println!("{}: {} queries.", checked.data(), made.len());
    }
    Ok(())
}

/// Says whether the data is what the queries would make.
pub fn check(repo: &Repo) -> Result<()> {
    for checked in CRATES {
        let (made, data) = (make(repo, &checked)?, checked.data());
        let kept =
            read(&repo.join(&data)).with_context(|| format!("cannot read {data}; run cargo xtask sqlx"))?;
        let differing = differences(&kept, &made);
        if !differing.is_empty() {
            bail!("{data} is not current; run cargo xtask sqlx:\n  {}", differing.join("\n  "));
        }
        println!("{data} is current: {} queries.", made.len());
    }
    Ok(())
}

impl Checked {
    fn package(&self) -> String {
        format!("roster-{}", self.folder)
    }

    fn data(&self) -> String {
        format!("{}/.sqlx", self.folder)
    }

    fn root_file(&self) -> String {
        format!("{}/src/lib.rs", self.folder)
    }
}

/// Lets the compiler describe every query against an empty database with the current tables.
fn make(repo: &Repo, checked: &Checked) -> Result<Data> {
    let scratch = repo.scratch("sqlx")?;
    let database = (checked.database)(&scratch)?;
    let data = scratch.path().join("data");
    fs::create_dir(&data)?;
    let root_file = repo.join(checked.root_file());
    // Cargo does not see that a migration has come: both builds below start from a source that has just changed.
    touch(&root_file)?;
    // Without the default features the crate is its migrations alone: it builds when the data is stale.
    let package = checked.package();
    let example = ["run", "-q", "-p", &package, "--no-default-features", "--example", "prepare", "--"];
    succeed(repo.cargo().args(example).arg(&database.argument))?;
    let described = describe(repo, checked, &scratch, &database, &data);
    // What was just compiled has seen the temporary database: the next build shall not take it for its own.
    touch(&root_file)?;
    described?;
    let made = read(&data)?;
    if made.is_empty() {
        bail!("{package} was compiled and described no query");
    }
    Ok(made)
}

fn describe(
    repo: &Repo,
    checked: &Checked,
    scratch: &Scratch,
    database: &Database,
    data: &Path,
) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["check", "-q", "-p", &checked.package(), "--all-targets"]);
    cargo.env("SQLX_OFFLINE", "false").env(checked.variable, &database.url).env("SQLX_OFFLINE_DIR", data);
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
