//! A store to measure on, and the servers on it.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::{CONNECTIONS, Scale};
use crate::repo::{Repo, Scratch, succeed};
use crate::running::Running;
use crate::servers::free_ports;
use crate::servers::postgres::{self, Postgres};
use crate::servers::redis::{self, Redis};

/// A store with its configuration.
pub struct Place {
    pub backend: &'static str,
    /// The store's, as its program says it.
    pub version: String,
    /// Where the raw limit finds it: an address, or the path of a file.
    pub address: String,
    pub scratch: Scratch,
    programs: PathBuf,
    port: u16,
    _server: Server,
}

/// What runs beside Roster.
enum Server {
    None,
    Postgres { _held: Postgres },
    Redis { _held: Redis },
}

impl Place {
    /// An empty store.
    pub fn new(repo: &Repo, backend: &'static str) -> Result<Self> {
        let scratch = repo.scratch("bench")?;
        let (server, address, version) = match backend {
            "postgres" => {
                let server = postgres::start(&env::temp_dir())?;
                let (address, version) = (server.url.clone(), server.version.clone());
                (Server::Postgres { _held: server }, address, version)
            }
            "redis" => {
                let server = redis::start(&env::temp_dir())?;
                let (address, version) = (server.url.clone(), server.version.clone());
                (Server::Redis { _held: server }, address, version)
            }
            _ => {
                (Server::None, scratch.path().join("roster.db").display().to_string(), "built in".to_owned())
            }
        };
        let programs = scratch.path().ancestors().nth(2).context("no target folder")?.join("measured");
        let [port] = free_ports()?;
        let place = Self { backend, version, address, scratch, programs, port, _server: server };
        fs::write(place.config(), place.settings())?;
        Ok(place)
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.scratch.path().join("roster.toml")
    }

    fn settings(&self) -> String {
        let (backend, address) = (self.backend, &self.address);
        let section = match backend {
            "sqlite" => format!("path = {address:?}"),
            "redis" => format!("url = {address:?}"),
            _ => format!("url = {address:?}\nconnections = {CONNECTIONS}"),
        };
        format!(
            "data_dir = {:?}\n[server]\nlisten = \"127.0.0.1:{}\"\n[storage]\nbackend = \"{backend}\"\n[storage.{backend}]\n{section}\n",
            self.scratch.path().display().to_string(),
            self.port
        )
    }

    /// The program of the bench itself.
    pub fn tool(&self) -> Command {
        Command::new(self.programs.join("roster-bench"))
    }

    /// The command line of Roster, on this store and by these settings alone.
    pub fn roster(&self) -> Command {
        let mut command = Command::new(self.programs.join("roster"));
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROSTER_")) {
            command.env_remove(name);
        }
        command.arg("--config").arg(self.config());
        command
    }

    /// Fills the store.
    pub fn seed(&self, scale: &Scale) -> Result<()> {
        let mut tool = self.tool();
        tool.arg("seed").arg("--config").arg(self.config()).arg("--into").arg(self.scratch.path());
        let numbers = [
            ("--organizations", scale.organizations),
            ("--members", scale.members),
            ("--large", scale.large),
        ];
        for (name, number) in numbers {
            tool.arg(name).arg(number.to_string());
        }
        succeed(&mut tool)?;
        // What autovacuum does within a minute.
        match self.backend {
            "postgres" => succeed(Command::new("psql").args(["-q", "-c", "VACUUM ANALYZE", &self.address])),
            _ => Ok(()),
        }
    }

    /// Roster, once it answers.
    pub fn serve(&self) -> Result<Running> {
        let log = File::create(self.scratch.path().join("roster.log"))?;
        let mut command = self.roster();
        command.arg("serve").stderr(log).stdout(Stdio::null());
        Running::start(&mut command, self.port)
    }

    /// How long it takes from the start to the first answer, in milliseconds: the median of five.
    pub fn time_start(&self) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            drop(self.serve()?);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[2])
    }

    /// The bare handlers on the same data.
    pub fn serve_bare(&self) -> Result<Running> {
        let mut tool = self.tool();
        tool.arg("bare").args([self.backend, &self.address, "--connections", &CONNECTIONS.to_string()]);
        let mut child = tool.stdout(Stdio::piped()).spawn().context("cannot start the bare handlers")?;
        let mut line = String::new();
        let said = child.stdout.take().context("no output")?;
        BufReader::new(said).read_line(&mut line)?;
        let port = line.trim().parse().context("the bare handlers name no port")?;
        Ok(Running::of(child, port))
    }
}
