//! A store to measure on, and the servers on it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};

use super::{CONNECTIONS, Scale};
use crate::repo::{Repo, Scratch, succeed};
use crate::servers::free_ports;
use crate::servers::postgres::{self, Postgres};
use crate::servers::redis::{self, Redis};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// A server process, ended when this is dropped.
pub struct Running {
    pub port: u16,
    child: Child,
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

    fn config(&self) -> PathBuf {
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
        let mut running = Running { port: self.port, child: command.spawn().context("cannot start roster")? };
        running.wait()?;
        Ok(running)
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
        Ok(Running { port, child })
    }
}

impl Running {
    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.answers() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once ({status})");
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server does not answer");
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// The most memory that it has had, in MiB.
    pub fn memory_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
