//! A private Postgres.
#![expect(clippy::unwrap_used, reason = "a test whose server does not start has failed")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Folder, PATIENCE, Process, found, free_port, missing};

/// A server that the test may do anything to.
#[derive(Debug)]
pub struct Postgres {
    // Dropped before the folder.
    process: Option<Process>,
    folder: Folder,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// A new one, not started yet.
    ///
    /// # Panics
    /// Where the programs are not installed, or refuse.
    pub fn new() -> Self {
        Self::of(Folder::new(), &[])
    }

    /// A new one in a folder, made with these further arguments of `initdb`, such as `--wal-segsize=1`.
    ///
    /// # Panics
    /// Where the programs are not installed, or refuse.
    pub fn of(folder: Folder, made_with: &[&str]) -> Self {
        let (programs, port) = (programs(), free_port());
        let mut init = folder.command(&programs.join("initdb"));
        init.args(["--username=roster", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        init.args(made_with).arg("-D");
        let made = init.arg(folder.path().join("data")).status().unwrap().success();
        assert!(made, "initdb failed:\n{}", folder.said());
        Self { process: None, folder, programs, port }
    }

    /// A new one, started with these settings, such as `fsync=off`.
    pub fn with(settings: &[&str]) -> Self {
        let mut server = Self::new();
        server.start(settings);
        server
    }

    /// Its folder; the data is in `data` there.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The address of a database for one who may do everything.
    pub fn url(&self) -> String {
        format!("postgres://roster@{}/postgres", self.address())
    }

    /// Starts it, again too, on the same port and data, and waits until it answers. What is left of one that was
    /// killed may hold the data for a moment.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(&mut self, settings: &[&str]) {
        let begun = Instant::now();
        while self.process.is_none() {
            assert!(begun.elapsed() < PATIENCE, "Postgres does not start:\n{}", self.folder.said());
            self.process = Process::start(&self.folder, self.command(settings), || self.answers());
        }
    }

    /// `kill -9` of all of it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) {
        let mut stop = self.folder.command(&self.programs.join("pg_ctl"));
        let stopped = stop.args(["stop", "--mode=fast", "-D", &self.folder.at("data")]).status().unwrap();
        assert!(stopped.success(), "Postgres does not stop:\n{}", self.folder.said());
        self.process = None;
    }

    /// A standby of it, made by `pg_basebackup`, started and answering.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn standby(&self) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let mut copy = folder.command(&self.programs.join("pg_basebackup"));
        copy.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "-D",
            &folder.at("data"),
            "-d",
            &self.url(),
        ]);
        assert!(copy.status().unwrap().success(), "pg_basebackup failed:\n{}", folder.said());
        let mut standby = Self { process: None, folder, programs: self.programs.clone(), port };
        standby.start(&[]);
        standby
    }

    fn command(&self, settings: &[&str]) -> Command {
        let mut command = self.folder.command(&self.programs.join("postgres"));
        command.args(["-D", &self.folder.at("data"), "-p", &self.port.to_string(), "-k"]);
        command.arg(self.folder.path());
        for setting in ["listen_addresses=127.0.0.1", "shared_buffers=16MB"].iter().chain(settings) {
            command.args(["-c", setting]);
        }
        command
    }

    fn answers(&self) -> bool {
        let mut asked = Command::new(self.programs.join("pg_isready"));
        asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).stdout(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

/// The folder of the newest programs that Debian keeps beside each other; else of those on the `PATH`.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    // Beside a server of one version there may be clients alone of another.
    let whole = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    let newest = whole.filter_map(|path| Some((version(&path)?, path))).max();
    let of_path = || Some(found("initdb")?.parent()?.to_owned());
    let programs = newest.map(|(_, path)| path.join("bin")).or_else(of_path);
    programs.unwrap_or_else(|| panic!("{}", missing("Postgres", "postgresql")))
}
