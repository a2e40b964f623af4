//! Throw-away servers for tests: in containers where a Docker engine answers, else private processes on free ports.
//! All are gone when [`Servers`] is dropped.

mod containers;
mod engine;
pub mod postgres;
pub mod process;
pub mod redis;
mod resp;

use std::env;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::interrupt;
use crate::repo::Repo;
use process::{Folder, Server};
use redis::Node;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long one answer of a server may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A server, or several that are one to their clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Postgres,
    Redis,
    RedisCluster,
}

/// How servers are provided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Way {
    /// In containers; needs a Docker engine.
    Containers,
    /// As private processes of this machine; installs Debian's packages if need be.
    Local,
}

/// Servers that run.
pub struct Servers {
    /// Where each is.
    pub addresses: Vec<(Kind, String)>,
    /// What they are, a line each.
    lines: Vec<String>,
    held: Vec<Held>,
}

/// What runs on while this is held.
#[expect(dead_code, reason = "held so that it is dropped")]
enum Held {
    Containers(containers::Containers),
    Postgres(postgres::Postgres),
    Process(Server),
}

impl Kind {
    const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::RedisCluster];

    /// The store that needs it.
    pub const fn backend(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
        }
    }

    /// Tells the tests where it is; if it is set beforehand, that server is used.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "ROSTER_TEST_POSTGRES_URL",
            Self::Redis => "ROSTER_TEST_REDIS_URL",
            Self::RedisCluster => "ROSTER_TEST_REDIS_CLUSTER_URL",
        }
    }

    const fn called(self) -> &'static str {
        match self {
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
            Self::RedisCluster => "Redis Cluster",
        }
    }

    /// Those that some stores need.
    pub fn of(backends: &[&str]) -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| backends.contains(&kind.backend())).collect()
    }
}

impl Servers {
    /// None at all.
    pub const fn none() -> Self {
        Self { addresses: Vec::new(), lines: Vec::new(), held: Vec::new() }
    }

    /// Starts those that the environment does not name.
    pub fn start(repo: &Repo, kinds: &[Kind], way: Option<Way>) -> Result<Self> {
        let named = |kind: &Kind| env::var(kind.variable()).ok().filter(|url| !url.is_empty());
        let mut servers = Self::none();
        for (kind, url) in kinds.iter().filter_map(|kind| Some((*kind, named(kind)?))) {
            let said = format!("the server that {} names", kind.variable());
            servers.add(kind, url, &said);
        }
        let missing: Vec<Kind> = kinds.iter().copied().filter(|kind| named(kind).is_none()).collect();
        if missing.is_empty() {
            return Ok(servers);
        }
        match way {
            Some(Way::Local) => servers.start_processes(&missing)?,
            Some(Way::Containers) if !engine::answers() => {
                bail!(
                    "--servers containers: no Docker engine answers, neither at DOCKER_HOST nor at the usual sockets"
                )
            }
            Some(Way::Containers) => servers.start_containers(repo, &missing)?,
            None if !engine::answers() => {
                eprintln!("No Docker engine answers: starting private local processes.");
                servers.start_processes(&missing)?;
            }
            None => servers.start_either(repo, &missing)?,
        }
        Ok(servers)
    }

    fn start_either(&mut self, repo: &Repo, kinds: &[Kind]) -> Result<()> {
        let Err(error) = self.start_containers(repo, kinds) else {
            return Ok(());
        };
        interrupt::check()?;
        eprintln!("Containers do not start, so these are private local processes. The reason was: {error:#}");
        self.start_processes(kinds)
    }

    fn start_containers(&mut self, repo: &Repo, kinds: &[Kind]) -> Result<()> {
        let started = containers::start(repo, kinds)?;
        for one in &started.each {
            let said = format!("{}, {} of the image {}", one.version, one.how_many(), one.image);
            self.add(one.kind, one.url.clone(), &said);
        }
        self.held.push(Held::Containers(started));
        Ok(())
    }

    fn start_processes(&mut self, kinds: &[Kind]) -> Result<()> {
        for kind in kinds {
            let started = match kind {
                Kind::Postgres => self.start_postgres(),
                Kind::Redis => self.start_redis(*kind, &[Node::single()?], "a private local process"),
                Kind::RedisCluster => {
                    self.start_redis(*kind, &Node::cluster()?, "three masters, private local processes")
                }
            };
            started.with_context(|| format!("{} as a private local process", kind.called()))?;
        }
        Ok(())
    }

    fn start_postgres(&mut self) -> Result<()> {
        let server = postgres::start(&process::quick())?;
        let said = format!("{}, a private local process", server.version);
        self.add(Kind::Postgres, server.url.clone(), &said);
        self.held.push(Held::Postgres(server));
        Ok(())
    }

    fn start_redis(&mut self, kind: Kind, nodes: &[Node], what: &str) -> Result<()> {
        install_missing("redis-server")?;
        let program = program("redis-server").context("there is no redis-server on the PATH")?;
        let mut version = String::new();
        for node in nodes {
            let folder = Folder::new(&process::quick(), "roster-redis", "redis")?;
            let mut command = folder.command(&program, "redis.log")?;
            command.args(node.arguments()).args(["--bind", "127.0.0.1", "--dir"]).arg(folder.path());
            let (server, answered) = Server::start(folder, command, "redis.log", || node.version())?;
            self.held.push(Held::Process(server));
            version = answered;
        }
        if kind == Kind::RedisCluster {
            redis::join(nodes)?;
        }
        self.add(kind, urls(nodes), &format!("{version}, {what}"));
        Ok(())
    }

    fn add(&mut self, kind: Kind, url: String, said: &str) {
        let line = format!("{}: {said}.", kind.called());
        eprintln!("{line}");
        self.addresses.push((kind, url));
        self.lines.push(line);
    }

    /// What they are, for the end of a run.
    pub fn said(&self) -> String {
        if self.lines.is_empty() { "No server was needed.".to_owned() } else { self.lines.join("\n") }
    }

    /// For the environment of the tests.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.addresses.iter().map(|(kind, url)| (kind.variable(), url.clone())).collect()
    }
}

fn urls(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.url()).collect::<Vec<_>>().join(",")
}

/// Sees to the programs that tests start by themselves on this machine, wherever the other servers come from: servers
/// to configure, kill and start again. Installs what is missing, or says all of it at once.
pub fn install_programs(kinds: &[Kind]) -> Result<()> {
    let redis = kinds.iter().any(|kind| matches!(kind, Kind::Redis | Kind::RedisCluster));
    let postgres = kinds.contains(&Kind::Postgres);
    let is_there = |name| program(name).is_some();
    // The shell lines of the README want curl, and tests of TLS make certificates.
    let wanted = [
        ("curl", true, is_there("curl")),
        ("openssl", true, is_there("openssl")),
        ("postgresql", postgres, postgres::find().is_some()),
        ("pgbouncer", postgres, is_there("pgbouncer")),
        ("redis-server", redis, is_there("redis-server")),
    ];
    let missing: Vec<&str> =
        wanted.iter().filter(|(_, wanted, there)| *wanted && !there).map(|(package, ..)| *package).collect();
    if !missing.is_empty() && !process::may_install()? {
        bail!("{}", by_hand(&missing));
    }
    for package in missing {
        if package == "postgresql" { postgres::install_missing()? } else { process::install(package)? }
    }
    Ok(())
}

/// What to do where nothing can be installed.
fn by_hand(missing: &[&str]) -> String {
    format!(
        "some tests start servers of their own on this machine, to configure, kill and start them again, also where the \
         other servers are in containers. Missing are: {}. Install them (on Debian: apt-get install {}), or leave those \
         tests out by --without-private-servers, or test the stores that need none of it: --backend memory --backend \
         sqlite (curl and openssl are needed in any case)",
        missing.join(", "),
        missing.join(" ")
    )
}

/// Installs a program that has the name of its package.
fn install_missing(name: &str) -> Result<()> {
    if program(name).is_none() { process::install(name) } else { Ok(()) }
}

/// A program on the PATH, or where Debian keeps those of services.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
}

/// Ports that nobody listens on now, all different.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        let said = by_hand(&["pgbouncer", "redis-server"]);
        assert!(said.contains("Missing are: pgbouncer, redis-server."), "{said}");
        assert!(said.contains("apt-get install pgbouncer redis-server)"), "{said}");
        assert!(said.contains(" --without-private-servers,"), "{said}");
    }
}
