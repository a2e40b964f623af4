//! Servers in containers, by `xtask-containers`, which holds them as long as its standard input is open.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};

use super::redis::{self, Node};
use super::{ANSWER, Kind, PATIENCE, free_ports, postgres, urls};
use crate::plan::Container;
use crate::repo::{Repo, succeed};

/// The feature of this package with the binary that starts containers.
const BUILD: [&str; 8] =
    ["build", "--quiet", "--package", "xtask", "--features", "containers", "--bin", "xtask-containers"];

/// How long an answer from the engine's own network may take: a server that runs gives it at once, if it is reached at all.
const NEAR: Duration = Duration::from_secs(1);

/// Containers that run.
pub struct Containers {
    pub each: Vec<Started>,
    _holder: Holder,
}

/// A server in a container, or several that are one to their clients.
pub struct Started {
    pub kind: Kind,
    pub image: String,
    pub version: String,
    pub url: String,
}

impl Started {
    pub fn how_many(&self) -> &'static str {
        match self.kind {
            Kind::Postgres | Kind::Redis => "a container",
            Kind::RedisCluster => "three masters, three containers",
        }
    }
}

/// The process that holds them.
struct Holder {
    child: Child,
    /// Whether the containers run. If not, it has said why, and has removed those that did.
    is_ready: bool,
    /// Where each is in the engine's own network; nothing for one that shares another's, or whose engine is elsewhere.
    inside: Vec<Option<IpAddr>>,
}

/// What is to be started, and on which ports it will be.
struct Asked {
    kind: Kind,
    image: String,
    postgres: Option<u16>,
    nodes: Vec<Node>,
}

/// Starts those of these kinds, and waits until they answer.
pub fn start(repo: &Repo, kinds: &[Kind]) -> Result<Containers> {
    let asked: Vec<Asked> = kinds.iter().map(|kind| Asked::new(*kind)).collect::<Result<_>>()?;
    let plan: Vec<Container> = asked.iter().flat_map(Asked::plan).collect();
    eprintln!("A Docker engine answers: starting containers.");
    let holder = Holder::start(repo, &plan)?;
    let (mut each, mut inside) = (Vec::new(), holder.inside.as_slice());
    for asked in asked {
        // A cluster is in the network of its first.
        let (these, others) = inside.split_at(asked.plan().len());
        each.push(asked.answer(these.first().copied().flatten())?);
        inside = others;
    }
    Ok(Containers { each, _holder: holder })
}

impl Asked {
    fn new(kind: Kind) -> Result<Self> {
        let (variable, default) = match kind {
            Kind::Postgres => ("ROSTER_TEST_POSTGRES_IMAGE", "postgres:15"),
            Kind::Redis | Kind::RedisCluster => ("ROSTER_TEST_REDIS_IMAGE", "redis:7.0"),
        };
        let image = env::var(variable).ok().filter(|image| !image.is_empty());
        let image = image.unwrap_or_else(|| default.to_owned());
        let (mut postgres, mut nodes) = (None, Vec::new());
        match kind {
            Kind::Postgres => postgres = Some(free_ports::<1>()?[0]),
            Kind::Redis => nodes.push(Node::single()?),
            Kind::RedisCluster => nodes.extend(Node::cluster()?),
        }
        Ok(Self { kind, image, postgres, nodes })
    }

    fn plan(&self) -> Vec<Container> {
        let (image, tag) = split(&self.image);
        if let Some(port) = self.postgres {
            return vec![for_postgres(image, tag, port)];
        }
        // Three masters share one network, so that what they tell clients and each other is the same on this machine.
        let ports = self.nodes.iter().map(|node| (node.port, node.port)).collect::<Vec<_>>();
        let container = |(n, node): (usize, &Node)| Container {
            image: image.clone(),
            tag: tag.clone(),
            arguments: [vec!["redis-server".to_owned()], node.arguments(), open_to_all()].concat(),
            variables: Vec::new(),
            ports: if n == 0 { ports.clone() } else { Vec::new() },
            shares_network: n > 0,
            folder: "/data".to_owned(),
        };
        self.nodes.iter().enumerate().map(container).collect()
    }

    /// Waits until it answers. Where it is reached by its own address too, clients are given that: what goes by this machine's
    /// ports goes through a process of the engine, which takes up to a fifth of all the processor's time.
    fn answer(mut self, own: Option<IpAddr>) -> Result<Started> {
        let (kind, image) = (self.kind, self.image.clone());
        let what = || format!("{} in a container of {image}", kind.called());
        let (version, url) = if let Some(port) = self.postgres {
            let mut at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let version = patiently(|| postgres::version(at, ANSWER)).with_context(what)?;
            // Its port was drawn, so that nobody else listens at the same.
            if let Some(own) = own.map(|own| SocketAddr::new(own, port))
                && postgres::version(own, NEAR).is_ok_and(|answer| answer == version)
            {
                at = own;
            }
            (version, postgres::url(at))
        } else {
            let mut version = String::new();
            for node in &self.nodes {
                version = patiently(|| node.version()).with_context(what)?;
            }
            if let Some(own) = own.filter(|own| self.nodes.iter().all(|node| node.is_at(*own, NEAR))) {
                self.nodes.iter_mut().for_each(|node| node.host = own);
            }
            if self.kind == Kind::RedisCluster {
                redis::join(&self.nodes).with_context(what)?;
            }
            (version, urls(&self.nodes))
        };
        Ok(Started { kind: self.kind, image: self.image, version, url })
    }
}

fn for_postgres(image: String, tag: String, port: u16) -> Container {
    let port_too = format!("port={port}");
    let settings = postgres::SETTINGS.iter().copied().chain([port_too.as_str()]);
    let settings = settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]);
    let variables = [
        ("POSTGRES_USER", "roster"),
        ("POSTGRES_DB", "postgres"),
        ("POSTGRES_HOST_AUTH_METHOD", "trust"),
        ("PGDATA", "/scratch/data"),
        ("LANG", "C.UTF-8"),
    ];
    Container {
        image,
        tag,
        arguments: std::iter::once("postgres".to_owned()).chain(settings).collect(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ports: vec![(port, port)],
        shares_network: false,
        folder: "/scratch".to_owned(),
    }
}

/// A container's own network is all that reaches it.
fn open_to_all() -> Vec<String> {
    ["--protected-mode", "no"].map(str::to_owned).to_vec()
}

/// An image's name and its tag, which may be missing; a registry may have a port.
fn split(image: &str) -> (String, String) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (image.to_owned(), "latest".to_owned()),
    }
}

/// Asks until there is an answer.
fn patiently<T>(ask: impl Fn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            Err(_) => {}
        }
        crate::interrupt::check()?;
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

impl Holder {
    fn start(repo: &Repo, plan: &[Container]) -> Result<Self> {
        succeed(repo.cargo().args(BUILD)).context("xtask-containers was not built")?;
        let program = repo.target()?.join("debug/xtask-containers");
        let mut command = Command::new(program);
        command.arg(serde_json::to_string(plan)?).process_group(0);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.context("xtask-containers was not started")?;
        let mut holder = Self { child, is_ready: false, inside: Vec::new() };
        let mut said = String::new();
        if let Some(stdout) = holder.child.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        let Some(inside) = said.strip_prefix("ready ") else {
            let why = holder.child.stderr.take().map(std::io::read_to_string).transpose()?;
            bail!("{}", why.unwrap_or_default().trim_end().trim_start_matches("error: "));
        };
        holder.is_ready = true;
        holder.inside = serde_json::from_str(inside).context("where the containers are")?;
        if holder.inside.len() != plan.len() {
            bail!("of {} containers {} were said to run", plan.len(), holder.inside.len());
        }
        crate::interrupt::check()?;
        Ok(holder)
    }
}

impl Drop for Holder {
    /// The containers are gone when it has ended.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.wait();
        let said = self.child.stderr.take().and_then(|stderr| std::io::read_to_string(stderr).ok());
        if self.is_ready && !ended.is_ok_and(|status| status.success()) {
            eprintln!("Containers may be left behind: {}", said.unwrap_or_default().trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_name_and_a_tag() {
        for (image, name, tag) in [
            ("postgres:15", "postgres", "15"),
            ("redis", "redis", "latest"),
            ("localhost/test-redis:7.0", "localhost/test-redis", "7.0"),
            ("registry.test:5000/redis", "registry.test:5000/redis", "latest"),
        ] {
            assert_eq!(split(image), (name.to_owned(), tag.to_owned()), "{image}");
        }
    }

    #[test]
    fn a_cluster_is_three_containers_in_one_network() {
        let plan = Asked::new(Kind::RedisCluster).unwrap().plan();
        assert_eq!(plan.iter().map(|one| one.shares_network).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(plan.iter().map(|one| one.ports.len()).collect::<Vec<_>>(), [3, 0, 0]);
        assert!(plan[0].ports.iter().all(|(here, there)| here == there), "as they tell their clients");
        let told: Vec<&String> = plan.iter().map(|one| &one.arguments[2]).collect();
        assert_eq!(
            plan[0].ports.iter().map(|(port, _)| port.to_string()).collect::<Vec<_>>(),
            told.into_iter().cloned().collect::<Vec<_>>()
        );
    }
}
