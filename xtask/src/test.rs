//! `cargo xtask test`: all tests, on every store or on those that are named.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::repo::{Repo, spoken};
use crate::servers::{Kind, Servers, Way, install_programs, process};
use crate::suites::Suites;
use crate::{apart, interrupt};

/// The stores there are. The tests read [`VARIABLE`] and know the same names.
const BACKENDS: [&str; 5] = ["memory", "sqlite", "postgres", "redis", "redis-cluster"];
/// Tells the tests which stores to run on, by a list with commas.
pub const VARIABLE: &str = "ROSTER_TEST_BACKENDS";

/// Which stores, and where their servers are to come from.
#[derive(Args, Default)]
pub struct Stores {
    /// On this store only; may be repeated. Without it: those in `ROSTER_TEST_BACKENDS`, else all.
    #[arg(long = "backend", value_name = "NAME")]
    backends: Vec<String>,
    /// How servers are provided. Without it: in containers where a Docker engine answers, else as local processes.
    #[arg(long = "servers", value_name = "WAY")]
    way: Option<Way>,
}

/// What is to be tested.
#[derive(Args, Default)]
pub struct Options {
    #[command(flatten)]
    stores: Stores,
    /// Leaves out the tests that start servers of their own on this machine, and names them at the end.
    #[arg(long)]
    without_private_servers: bool,
    /// What the test runner is given besides.
    #[arg(last = true)]
    runner: Vec<String>,
}

impl Stores {
    /// Their names, in the usual order.
    pub fn names(&self) -> Result<Vec<&'static str>> {
        backends(&self.backends, env::var(VARIABLE).ok().as_deref())
    }

    /// Starts the servers that they need.
    pub fn servers(&self, repo: &Repo) -> Result<Servers> {
        Servers::start(repo, &Kind::of(&self.names()?), self.way)
    }
}

/// Runs the tests; the exit code is that of what failed.
pub fn run(repo: &Repo, options: &Options) -> Result<ExitCode> {
    let begun = Instant::now();
    interrupt::listen(|| {})?;
    let backends = options.stores.names()?;
    let apart = options.without_private_servers;
    let kinds = if apart { Vec::new() } else { Kind::of(&backends) };
    install_programs(&kinds).context("the tests need programs")?;
    let servers = options.stores.servers(repo).context("the tests need servers")?;
    let files = Files::new()?;
    let mut variables = servers.variables();
    variables.push((VARIABLE, backends.join(",")));
    variables.extend(files.variable());
    let (ended, suites) = run_all(repo, options, &variables)?;
    println!();
    for line in suites.lines() {
        println!("{line}");
    }
    let outcome = match interrupt::code() {
        Some(_) => "were interrupted",
        None if ended.success() => "passed",
        None => "FAILED",
    };
    println!("Tests {outcome} after {}.", spoken(begun.elapsed()));
    println!("{}", tested(&backends, &suites, chooses(&options.runner)));
    println!("{}", servers.said());
    if apart {
        println!("{}", apart::said());
    }
    if !may_mount() {
        println!(
            "Not tested: full disks. A small one can be mounted by root alone, where the machine allows it."
        );
    }
    if !options.runner.is_empty() {
        println!("The runner was given: {}.", options.runner.join(" "));
    }
    let code = interrupt::code().or_else(|| ended.code().and_then(|code| u8::try_from(code).ok()));
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Whether a test may have a small disk of its own.
fn may_mount() -> bool {
    let mut tried = Command::new("unshare");
    tried
        .args(["--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "roster-tests", "/mnt"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}

/// The tests, then the doc tests if all went well.
fn run_all(
    repo: &Repo,
    options: &Options,
    variables: &[(&'static str, String)],
) -> Result<(ExitStatus, Suites)> {
    let (runner, apart) = (&options.runner, options.without_private_servers);
    let with = |mut command: Command| {
        command.envs(variables.iter().cloned());
        command
    };
    let mut tests = with(repo.cargo());
    let (ended, suites) = if repo.has_cargo("nextest") {
        tests.args(["nextest", "run", "--workspace"]);
        let others = if apart { Some(apart::Others::new(repo)?) } else { None };
        tests.args(others.iter().flat_map(apart::Others::arguments)).args(runner);
        if env::var_os(THREADS).is_none() {
            tests.env(THREADS, threads().to_string());
        }
        let report = repo.target()?.join("nextest/default/junit.xml");
        // That of another run would be taken for this one's.
        let _gone = fs::remove_file(&report);
        let ended = interrupt::status(tests)?;
        (ended, Suites::of_nextest(&report))
    } else {
        if apart {
            bail!("--without-private-servers needs cargo-nextest, which is not installed");
        }
        println!("cargo-nextest is not installed: running cargo test.");
        tests.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]).args(runner);
        Suites::of_cargo_test(tests)?
    };
    if !ended.success() {
        return Ok((ended, suites));
    }
    let mut doc = with(repo.cargo());
    doc.args(["test", "--doc", "--workspace"]);
    Ok((interrupt::status(doc)?, suites))
}

/// How many tests nextest runs at a time, unless a flag says so.
const THREADS: &str = "NEXTEST_TEST_THREADS";

/// Two a core: tests wait for the stores' disks half of the time.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where the tests put their files, unless `TMPDIR` says so: in memory where there is enough of it.
struct Files(Option<PathBuf>);

impl Files {
    fn new() -> Result<Self> {
        if env::var_os("TMPDIR").is_some() {
            return Ok(Self(None));
        }
        let folder = process::quick().join(format!("roster-tests-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(Some(folder)))
    }

    fn variable(&self) -> Option<(&'static str, String)> {
        self.0.as_ref().map(|folder| ("TMPDIR", folder.display().to_string()))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(fs::remove_dir_all) {
            eprintln!("files of the tests are left behind: {error}");
        }
    }
}

/// Flags of the runner that leave out no test, and those of them that a value follows.
const ALONE: [&str; 8] =
    ["--no-fail-fast", "--fail-fast", "--ff", "--no-capture", "--verbose", "-v", "--locked", "--offline"];
const VALUED: [&str; 9] = [
    "--test-threads",
    "-j",
    "--build-jobs",
    "--retries",
    "--color",
    "--status-level",
    "--final-status-level",
    "--failure-output",
    "--success-output",
];

/// Whether what the runner is given may leave out tests: anything but flags that are known not to.
fn chooses(runner: &[String]) -> bool {
    let mut words = runner.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let flag = word.split('=').next().unwrap_or(word);
        if VALUED.contains(&word) {
            words.next();
        } else if !ALONE.contains(&word) && !VALUED.contains(&flag) {
            return true;
        }
    }
    false
}

/// The stores, counted; none where no test was run, as after a build that failed. Of tests that were chosen nobody knows
/// here which stores they use, so none is counted.
fn tested(backends: &[&str], suites: &Suites, is_narrowed: bool) -> String {
    if suites.lines().is_empty() {
        return "No test was run: no store was tested.".to_owned();
    }
    if is_narrowed {
        let tests = suites.tests();
        return format!(
            "{tests} of the tests were chosen, and may not be of every store that was asked for: {}.",
            backends.join(", ")
        );
    }
    let counted = match backends.len() {
        1 => "One store was tested",
        2 => "Two stores were tested",
        3 => "Three stores were tested",
        4 => "Four stores were tested",
        _ => "Five stores were tested",
    };
    format!("{counted}: {}.", backends.join(", "))
}

/// The stores to test: those named, else those of the environment, else all.
fn backends(named: &[String], environment: Option<&str>) -> Result<Vec<&'static str>> {
    let wanted: Vec<&str> = if named.is_empty() {
        let listed = environment.unwrap_or_default().split(',').map(str::trim);
        listed.filter(|name| !name.is_empty()).collect()
    } else {
        named.iter().map(String::as_str).collect()
    };
    if let Some(unknown) = wanted.iter().find(|name| !BACKENDS.contains(name)) {
        bail!("there is no store named {unknown:?}; known are: {}", BACKENDS.join(", "));
    }
    Ok(BACKENDS.into_iter().filter(|known| wanted.is_empty() || wanted.contains(known)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_all_stores_are_tested() {
        assert_eq!(backends(&[], None).unwrap(), BACKENDS);
        assert_eq!(backends(&[], Some("")).unwrap(), BACKENDS);
        let (some, none) = (Suites::of("model", 3), Suites::default());
        assert!(tested(&BACKENDS, &some, false).starts_with("Five stores were tested: memory, sqlite, "));
        assert_eq!(tested(&BACKENDS, &none, false), "No test was run: no store was tested.");
        let chosen = "3 of the tests were chosen, and may not be of every store that was asked for: sqlite.";
        assert_eq!(tested(&["sqlite"], &some, true), chosen);
    }

    #[test]
    fn only_what_may_leave_out_tests_chooses_some() {
        let chooses = |line: &str| chooses(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in ["", "--no-fail-fast", "--retries 2 -j 1", "--test-threads=1 --no-capture"] {
            assert!(!chooses(line), "{line}");
        }
        for line in
            ["seats", "-E binary(http)", "--no-fail-fast seats", "-j 1 seats", "-p roster-core", "--lib"]
        {
            assert!(chooses(line), "{line}");
        }
    }

    #[test]
    fn names_win_over_the_environment() {
        let named = ["sqlite".to_owned(), "sqlite".to_owned()];
        assert_eq!(backends(&named, Some("memory")).unwrap(), ["sqlite"]);
        assert_eq!(backends(&[], Some("sqlite, memory")).unwrap(), ["memory", "sqlite"]);
        assert_eq!(tested(&["sqlite"], &Suites::of("model", 3), false), "One store was tested: sqlite.");
    }

    #[test]
    fn only_the_servers_that_stores_need_are_started() {
        assert_eq!(Kind::of(&["memory", "sqlite"]), []);
        assert_eq!(Kind::of(&["redis-cluster", "postgres"]), [Kind::Postgres, Kind::RedisCluster]);
        assert_eq!(Kind::of(&BACKENDS), [Kind::Postgres, Kind::Redis, Kind::RedisCluster]);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = backends(&["sqlit".to_owned()], None).unwrap_err().to_string();
        let known = "memory, sqlite, postgres, redis, redis-cluster";
        assert_eq!(error, format!(r#"there is no store named "sqlit"; known are: {known}"#));
        assert!(backends(&[], Some("memory,nosuch")).is_err());
    }
}
