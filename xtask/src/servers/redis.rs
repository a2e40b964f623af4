//! Redis servers: what they are told, the same in a container and as a process, and how three become a cluster.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::{Folder, Server};
use super::resp::Client;
use super::{ANSWER, PATIENCE, free_ports, install_missing, program};

/// How many masters the cluster of the tests has.
const MASTERS: usize = 3;

/// How many slots every cluster has.
const SLOTS: u16 = 16_384;

/// Where servers listen, and where containers are reached in any case.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Where a server is.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub host: IpAddr,
    pub port: u16,
    /// Where the others of a cluster speak to it.
    pub bus: Option<u16>,
}

impl Node {
    /// One that stands alone.
    pub fn single() -> Result<Self> {
        let [port] = free_ports()?;
        Ok(Self { host: HERE, port, bus: None })
    }

    /// Those of a cluster.
    pub fn cluster() -> Result<[Self; MASTERS]> {
        let ports: [u16; 2 * MASTERS] = free_ports()?;
        let mut pairs = ports.chunks_exact(2);
        let mut next = || pairs.next().map(|pair| Self { host: HERE, port: pair[0], bus: Some(pair[1]) });
        let nodes = [next(), next(), next()];
        match nodes {
            [Some(one), Some(two), Some(three)] => Ok([one, two, three]),
            _ => bail!("there are too few free ports"),
        }
    }

    /// What `redis-server` is told so that Roster takes it for durable.
    pub fn arguments(self) -> Vec<String> {
        let mut arguments = vec!["--port".to_owned(), self.port.to_string()];
        let settings = "--appendonly yes --appendfsync always --maxmemory-policy noeviction --save";
        arguments.extend(settings.split(' ').map(str::to_owned));
        arguments.push(String::new());
        if let Some(bus) = self.bus {
            let settings = format!("--cluster-enabled yes --cluster-port {bus}");
            arguments.extend(settings.split(' ').map(str::to_owned));
        }
        arguments
    }

    /// Its address for clients.
    pub fn url(self) -> String {
        format!("redis://{}", self.at())
    }

    const fn at(self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Its version, if it answers.
    pub fn version(self) -> Result<String> {
        let said = self.says(ANSWER)?;
        Ok(field(&said, "redis_version").context("the server says no version")?.to_owned())
    }

    /// Whether the server is reached at another host as well.
    pub fn is_at(self, host: IpAddr, patience: Duration) -> bool {
        let run =
            |node: Self| node.says(patience).ok().and_then(|said| Some(field(&said, "run_id")?.to_owned()));
        let there = run(Self { host, ..self });
        there.is_some() && there == run(self)
    }

    fn says(self, patience: Duration) -> Result<String> {
        Client::connect(self.at(), patience)?.ask(&["INFO", "server"])
    }
}

/// A running one that stands alone.
pub struct Redis {
    _server: Server,
    /// Its address for clients.
    pub url: String,
    /// As the program says it.
    pub version: String,
}

/// Starts one on a free port, with its files below a folder; installs Debian's package if there is none.
pub fn start(under: &Path) -> Result<Redis> {
    install_missing("redis-server")?;
    let program = program("redis-server").context("there is no redis-server on the PATH")?;
    let node = Node::single()?;
    let folder = Folder::new(under, "roster-redis", "redis")?;
    let mut command = folder.command(&program, "redis.log")?;
    command.args(node.arguments()).args(["--bind", "127.0.0.1", "--dir"]).arg(folder.path());
    let (server, version) = Server::start(folder, command, "redis.log", || node.version())?;
    Ok(Redis { _server: server, url: node.url(), version })
}

/// Makes a cluster of servers that know nothing yet, and waits until every one of them says that it is whole.
pub fn join(nodes: &[Node]) -> Result<()> {
    let mut clients = Vec::new();
    for (n, (node, (first, last))) in nodes.iter().zip(ranges(nodes.len())).enumerate() {
        let mut client = Client::connect(node.at(), ANSWER)?;
        // What the others and its clients are told, where it may have been reached at another before.
        let host = node.host.to_string();
        client.ask(&["CONFIG", "SET", "cluster-announce-ip", &host])?;
        client.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
        client.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()])?;
        clients.push(client);
    }
    for node in &nodes[1..] {
        let (host, port) = (node.host.to_string(), node.port.to_string());
        let bus = node.bus.context("a node of a cluster has a second port")?.to_string();
        clients[0].ask(&["CLUSTER", "MEET", &host, &port, &bus])?;
    }
    let begun = Instant::now();
    for client in &mut clients {
        loop {
            let said = client.ask(&["CLUSTER", "INFO"])?;
            if is_whole(&said, nodes.len()) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                bail!("the cluster does not come together:\n{said}");
            }
            crate::interrupt::check()?;
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// All slots in as many parts as there are masters, each from its first to its last.
fn ranges(masters: usize) -> Vec<(u16, u16)> {
    let begin = |n: usize| u16::try_from(usize::from(SLOTS) * n / masters).unwrap_or(SLOTS);
    (0..masters).map(|n| (begin(n), begin(n + 1) - 1)).collect()
}

/// Whether a node knows the whole cluster, by what `CLUSTER INFO` says.
fn is_whole(said: &str, masters: usize) -> bool {
    let wanted = [
        ("cluster_state", "ok".to_owned()),
        ("cluster_slots_ok", SLOTS.to_string()),
        ("cluster_known_nodes", masters.to_string()),
        ("cluster_size", masters.to_string()),
    ];
    wanted.iter().all(|(name, value)| field(said, name) == Some(value))
}

/// A line of what `INFO` says.
fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_in_one_range() {
        assert_eq!(ranges(3), [(0, 5_460), (5_461, 10_921), (10_922, 16_383)]);
        assert_eq!(ranges(1), [(0, 16_383)]);
        for masters in 1..=10 {
            let ranges = ranges(masters);
            assert_eq!((ranges[0].0, ranges[masters - 1].1), (0, SLOTS - 1));
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }

    #[test]
    fn a_cluster_is_whole_when_a_node_knows_all_of_it() {
        let said = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
                    cluster_known_nodes:3\r\ncluster_size:3\r\n";
        assert!(is_whole(said, 3));
        for (right, wrong) in [("state:ok", "state:fail"), ("ok:16384", "ok:5461"), ("nodes:3", "nodes:2")] {
            assert!(!is_whole(&said.replace(right, wrong), 3), "{wrong}");
        }
        assert!(!is_whole("", 3));
    }

    #[test]
    fn servers_are_told_to_lose_nothing() {
        let said = Node { host: HERE, port: 7_000, bus: None }.arguments();
        let is_said = |name: &str, value: &str| said.windows(2).any(|pair| pair == [name, value]);
        assert!(is_said("--appendonly", "yes") && is_said("--appendfsync", "always"));
        assert!(is_said("--maxmemory-policy", "noeviction") && is_said("--save", ""));
        assert!(!said.contains(&"--cluster-enabled".to_owned()));
        let said = Node { host: HERE, port: 7_000, bus: Some(7_001) }.arguments();
        assert!(said.windows(2).any(|pair| pair == ["--cluster-port", "7001"]));
    }
}
