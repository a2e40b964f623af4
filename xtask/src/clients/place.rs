//! Roster on an empty store of its own, for clients of others to speak to.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::tools;
use crate::repo::{Repo, Scratch, succeed};
use crate::running::Running;
use crate::servers::{Kind, Servers, free_ports, program};

/// A store with its configuration.
pub struct Place {
    scratch: Scratch,
    roster: PathBuf,
    port: u16,
    _database: Option<Database>,
}

impl Place {
    /// On one of the stores, with more lines at the end of its configuration.
    pub fn new(repo: &Repo, servers: &Servers, backend: &str, more: &str) -> Result<Self> {
        let scratch = repo.scratch(&format!("clients-{backend}"))?;
        let (section, database) = storage(servers, backend)?;
        let [port] = free_ports()?;
        let settings = format!(
            "data_dir = {:?}\n[server]\nlisten = \"127.0.0.1:{port}\"\n{section}\n{more}",
            scratch.path().join("data").display().to_string(),
        );
        fs::write(scratch.path().join("roster.toml"), settings)?;
        let place = Self { scratch, roster: repo.target()?.join("debug/roster"), port, _database: database };
        succeed(place.command().arg("migrate").stdout(Stdio::null()))?;
        Ok(place)
    }

    /// A folder of its own.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Where it is spoken to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port of that.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server, once it answers.
    pub fn serve(&self) -> Result<Running> {
        let log = File::options().create(true).append(true).open(self.folder("roster.log"))?;
        Running::start(self.command().arg("serve").stdout(Stdio::null()).stderr(log), self.port)
            .with_context(|| self.log())
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder("roster.log")).unwrap_or_default()
    }

    /// What an operator's command prints.
    pub fn says(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command().args(arguments).output().context("roster cannot be started")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Whether an operator's command succeeds, and all that it says.
    pub fn tells(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = self.command().args(arguments).output().context("roster cannot be started")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// What an operator's command prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.says(&[arguments, &["--output", "json"]].concat())?)?)
    }

    /// What the API answers to a GET with a key.
    pub fn get(&self, path: &str, key: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let head = format!("Host: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("that is no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        Ok(serde_json::from_str(body)?)
    }

    /// The command line of Roster, on this store and by these settings alone.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.roster);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ROSTER_")) {
            command.env_remove(name);
        }
        command.current_dir(self.scratch.path()).arg("--config").arg(self.folder("roster.toml"));
        command
    }
}

/// The section about the store, and what goes with the place.
fn storage(servers: &Servers, backend: &str) -> Result<(String, Option<Database>)> {
    let address = |kind: Kind| {
        let found = servers.addresses.iter().find(|(of, _)| *of == kind);
        found.map(|(_, url)| url.clone()).context("its server does not run")
    };
    let redis = |kind| -> Result<String> {
        let (url, prefix) = (address(kind)?, format!("clients-{}:", std::process::id()));
        Ok(format!("[storage]\nbackend = \"redis\"\n[storage.redis]\nurl = {url:?}\nprefix = {prefix:?}"))
    };
    Ok(match backend {
        "sqlite" => ("[storage]\nbackend = \"sqlite\"".to_owned(), None),
        "redis" => (redis(Kind::Redis)?, None),
        "redis-cluster" => (redis(Kind::RedisCluster)?, None),
        "postgres" => {
            let database = Database::new(&address(Kind::Postgres)?)?;
            let url = &database.url;
            let section = format!("[storage]\nbackend = \"postgres\"\n[storage.postgres]\nurl = {url:?}");
            (section, Some(database))
        }
        other => bail!("`{other}` cannot be served from"),
    })
}

/// A database of a Postgres server, gone when it is dropped.
struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    fn new(server: &str) -> Result<Self> {
        if program("psql").is_none() {
            tools::package("postgresql-client")?;
        }
        let name = format!("roster_clients_{}", std::process::id());
        let (before, _) = server.rsplit_once('/').context("the address names no database")?;
        let (server, url) = (server.to_owned(), format!("{before}/{name}"));
        let database = Self { server, name, url };
        database.ask("CREATE DATABASE")?;
        Ok(database)
    }

    fn ask(&self, what: &str) -> Result<()> {
        let psql = program("psql").context("there is no psql")?;
        succeed(Command::new(psql).args(["-q", &self.server, "-c", &format!("{what} {}", self.name)]))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.ask("DROP DATABASE") {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}
