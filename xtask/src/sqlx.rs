//! `cargo xtask sqlx`: the offline data that SQL queries are checked against when no database is near.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::ci::{ALL_TARGETS, CLIPPY};
use crate::repo::{Repo, Scratch, succeed};
use crate::servers::{self, postgres::Postgres};

/// A crate with queries.
struct Checked {
    /// Its folder; the package is `roster-` and this.
    folder: &'static str,
    /// Its example that makes the tables.
    example: &'static str,
    /// What names the database that its queries are checked against.
    variable: &'static str,
    /// An empty database for it.
    database: fn(&Scratch) -> Result<Database>,
}

/// An empty database, gone when this is dropped.
struct Database {
    /// For the example.
    argument: String,
    /// For the macros.
    url: String,
    _server: Option<Postgres>,
}

const CRATES: [Checked; 2] = [
    Checked {
        folder: "storage-sqlite",
        example: "prepare_sqlite",
        variable: "SQLX_SQLITE_URL",
        database: sqlite,
    },
    Checked {
        folder: "storage-postgres",
        example: "prepare_postgres",
        variable: "SQLX_POSTGRES_URL",
        database: postgres,
    },
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
        let made = make(repo, &checked, By::Itself)?;
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

/// Says whether the data is what the queries would make. Builds little but what the linter and the tests build too.
pub fn check(repo: &Repo) -> Result<()> {
    for checked in CRATES {
        let (made, data) = (make(repo, &checked, By::Workspace)?, checked.data());
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

/// What a crate is compiled with. Cargo builds what is below it with the features that all of this needs together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Nothing: it builds when the data is stale, and its example when the crates that it rests on do not build.
    Itself,
    /// All crates, as the linter and the tests are built: what is below is not built once more.
    Workspace,
}

impl By {
    /// What to do where the tables cannot be made.
    const fn advice(self) -> &'static str {
        match self {
            Self::Itself => "the migrations are run on an empty database",
            Self::Workspace => "where queries and their data do not agree, run cargo xtask sqlx",
        }
    }

    /// Cargo's arguments to make the tables with a crate's migrations.
    fn example(self, checked: &Checked) -> Vec<String> {
        // Without the default features a crate is its migrations alone.
        let itself = ["-p", &checked.package(), "--no-default-features"].map(str::to_owned);
        let selection = match self {
            Self::Itself => &itself[..],
            Self::Workspace => &[],
        };
        let run = ["run", "-q"].map(str::to_owned);
        let example = ["--example", checked.example, "--"].map(str::to_owned);
        [&run, selection, &example].concat()
    }

    /// Cargo's arguments to compile a crate with all its queries, those of its unit tests too; it has no others.
    fn check(self, checked: &Checked) -> Vec<String> {
        match self {
            Self::Itself => {
                ["check", "-q", "-p", &checked.package(), ALL_TARGETS].map(str::to_owned).to_vec()
            }
            // Examples too: with nothing that is for development, crates below would be built with other features.
            Self::Workspace => CLIPPY
                .into_iter()
                .flat_map(|word| match word {
                    ALL_TARGETS => vec!["--lib", "--examples", "--profile", "test"],
                    _ => vec![word],
                })
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Lets the compiler describe every query against an empty database with the current tables.
fn make(repo: &Repo, checked: &Checked, by: By) -> Result<Data> {
    let scratch = repo.scratch("sqlx")?;
    let database = (checked.database)(&scratch)?;
    let data = scratch.path().join("data");
    fs::create_dir(&data)?;
    let root_file = repo.join(checked.root_file());
    let check = || {
        let mut check = repo.cargo();
        check.args(by.check(checked));
        for other in &CRATES {
            check.env_remove(other.variable);
        }
        check
    };
    if by == By::Workspace {
        // Whatever else is to be compiled is so by its own data, and not with this crate below.
        succeed(&mut check()).context("everything is compiled before queries are checked")?;
    }
    // Cargo does not see that a migration has come: both builds below start from a source that has just changed.
    touch(&root_file)?;
    succeed(repo.cargo().args(by.example(checked)).arg(&database.argument)).with_context(|| by.advice())?;
    let mut check = check();
    check.env("SQLX_OFFLINE", "false").env(checked.variable, &database.url).env("SQLX_OFFLINE_DIR", &data);
    let made =
        succeed(&mut check).context("queries were checked against a database").and_then(|()| read(&data));
    // What was just compiled has seen the temporary database: unless the data says the same, the next build shall not
    // take it for its own.
    let kept = read(&repo.join(checked.data()));
    if !matches!((&made, &kept), (Ok(made), Ok(kept)) if made == kept) {
        touch(&root_file)?;
    }
    let made = made?;
    if made.is_empty() {
        bail!("{} was compiled and described no query", checked.package());
    }
    Ok(made)
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
