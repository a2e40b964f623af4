//! A folder with the tools of others, fetched by npm and pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, Scratch, succeed};

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
        self.write("package.json", "{\"private\": true}\n")?;
        let mut install = self.program("npm");
        let quiet = ["install", "--no-audit", "--no-fund", "--loglevel", "error"];
        succeed(install.args(quiet).args(packages)).context("the tools cannot be installed by npm")
    }

    /// Fetches packages of Python's.
    pub fn pip(&self, packages: &[&str]) -> Result<()> {
        succeed(self.program("python3").args(["-m", "venv", "venv"]))?;
        let quiet = ["install", "-q", "--disable-pip-version-check"];
        succeed(self.program("venv/bin/pip").args(quiet).args(packages))
            .context("the tools cannot be installed by pip")
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

/// Runs a command that must succeed, and gives back all that it says.
pub fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        bail!("{command:?} failed:\n{said}");
    }
    Ok(said)
}

/// Tries until something is so, fifteen seconds at the most; then it says why not.
pub fn until<T>(so: impl Fn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match so() {
            Err(_) if begun.elapsed() < Duration::from_secs(15) => thread::sleep(Duration::from_millis(200)),
            outcome => return outcome,
        }
    }
}
