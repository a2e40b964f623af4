//! A folder with the tools of others, fetched by npm and pip.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch};
use crate::servers::process;

/// What others wrote cannot be fetched, for whatever reason: that says nothing of Roster.
#[derive(Debug)]
pub struct Unfetched(String);

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfetched {}

/// Runs an installer that must succeed, within five minutes.
pub(super) fn fetch(command: &Command) -> Result<()> {
    said(&mut limited(command)).map_err(|error| Unfetched(format!("{error:#}")))?;
    Ok(())
}

/// A command that is ended after five minutes, together with what it has started.
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=10", "300"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    // It is no longer in the terminal's foreground, where reading would stop it.
    limited.stdin(Stdio::null());
    limited
}

/// The folder.
pub struct Tools {
    scratch: Scratch,
}

impl Tools {
    /// An empty one, gone when it is dropped.
    pub fn new(repo: &Repo, name: &str) -> Result<Self> {
        Ok(Self { scratch: repo.scratch(name)? })
    }

    /// Where something is in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Fetches packages of Node's.
    pub fn npm(&self, packages: &[&str]) -> Result<()> {
        for program in ["node", "npm"] {
            if !self.has(program) {
                package(if program == "node" { "nodejs" } else { program })?;
            }
        }
        self.write("package.json", "{\"private\": true}\n")?;
        let mut install = self.program("npm");
        let quiet = ["install", "--no-audit", "--no-fund", "--loglevel", "error"];
        for (name, millis) in [("retry-mintimeout", 1_000), ("retry-maxtimeout", 5_000), ("timeout", 30_000)]
        {
            install.arg(format!("--fetch-{name}={millis}"));
        }
        fetch(install.args(quiet).args(packages)).context("the tools cannot be installed by npm")
    }

    /// Fetches packages of Python's.
    pub fn pip(&self, packages: &[&str]) -> Result<()> {
        // Debian's Python knows `venv` without what it makes one of.
        let ready = |program: &str| {
            let mut asked = self.program(program);
            asked.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
            asked.status().is_ok_and(|status| status.success())
        };
        if !ready("python3") {
            package("python3-venv")?;
        }
        fetch(self.program("python3").args(["-m", "venv", "venv"]))?;
        let quiet = ["install", "-q", "--disable-pip-version-check", "--retries", "2", "--timeout", "15"];
        fetch(self.program("venv/bin/pip").args(quiet).args(packages))
            .context("the tools cannot be installed by pip")
    }

    /// Whether a program can be started.
    fn has(&self, program: &str) -> bool {
        let asked =
            self.program(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    }

    /// A program of the folder or of the system, in that folder.
    pub fn program(&self, program: &str) -> Command {
        let own = self.path(program);
        let mut command = if own.is_file() { Command::new(own) } else { Command::new(program) };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = self.path("venv/bin");
        let paths = std::iter::once(own).chain(std::env::split_paths(&path));
        command.current_dir(self.scratch.path()).env("PATH", std::env::join_paths(paths).unwrap_or(path));
        command
    }

    /// A command that a package of Node's brings.
    pub fn npx(&self) -> Command {
        let mut command = self.program("npx");
        command.arg("--no-install").env("REDOCLY_TELEMETRY", "off");
        command
    }

    /// Puts a file into it.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<()> {
        fs::write(self.path(name), text).context("the scratch folder cannot be written")
    }
}

/// Installs a package of Debian's.
pub(super) fn package(name: &str) -> Result<()> {
    if !process::may_install()? {
        return Err(Unfetched(format!("install it: apt-get install {name}")).into());
    }
    eprintln!("Installing the Debian package {name}.");
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", name]] {
        let mut apt = Command::new("apt-get");
        fetch(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

/// Runs a command that must succeed, and gives back all that it says.
pub fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        bail!("{command:?} failed ({}):\n{said}", output.status);
    }
    Ok(said)
}

/// Tries until something is so, fifteen seconds at the most; then it says why not.
pub fn until<T>(so: impl Fn() -> Result<T>) -> Result<T> {
    until_within(Duration::from_secs(15), so)
}

/// The same, for as long as is said.
pub fn until_within<T>(limit: Duration, so: impl Fn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match so() {
            Err(_) if begun.elapsed() < limit => thread::sleep(Duration::from_millis(200)),
            outcome => return outcome,
        }
    }
}
