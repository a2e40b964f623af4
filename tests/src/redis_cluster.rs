//! A private Redis Cluster.
#![expect(clippy::unwrap_used, reason = "a test whose servers do not start has failed")]

use std::time::{Duration, Instant};

use crate::private_server::free_port;
use crate::private_server::redis::Redis;

/// How long the masters may take to know each other.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three masters that share all slots; each may be killed and started again.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters.
    pub nodes: [Redis; 3],
    arguments: Vec<String>,
}

impl RedisCluster {
    /// A new one, whose last master is started with these further arguments.
    ///
    /// # Panics
    /// Where it does not come together.
    pub fn with(of_the_last: &[&str]) -> Self {
        let arguments: Vec<String> =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"].map(str::to_owned).into();
        let buses = [free_port(), free_port(), free_port()];
        let nodes = [0, 1, 2].map(|n: usize| {
            let bus = ["--cluster-port".to_owned(), buses[n].to_string()];
            let further = if n == 2 { of_the_last } else { &[] };
            let words = arguments.iter().chain(&bus).map(String::as_str).chain(further.iter().copied());
            Redis::with(&words.collect::<Vec<_>>())
        });
        let mut clients = nodes.each_ref().map(client);
        for (n, client) in clients.iter_mut().enumerate() {
            let (first, last) = (16_384 * n / 3, 16_384 * (n + 1) / 3 - 1);
            let slots = redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last).to_owned();
            let epoch = redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(n + 1).to_owned();
            slots.exec(client).unwrap();
            epoch.exec(client).unwrap();
        }
        for (node, bus) in nodes.iter().zip(buses).skip(1) {
            let mut meet = redis::cmd("CLUSTER");
            let address = node.address();
            let (host, port) = address.split_once(':').unwrap();
            meet.arg("MEET").arg(host).arg(port).arg(bus).exec(&mut clients[0]).unwrap();
        }
        let begun = Instant::now();
        for client in &mut clients {
            loop {
                let said: String = redis::cmd("CLUSTER").arg("INFO").query(client).unwrap();
                if said.contains("cluster_state:ok") && said.contains("cluster_size:3") {
                    break;
                }
                assert!(begun.elapsed() < PATIENCE, "the cluster does not come together:\n{said}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let arguments = arguments.into_iter().chain(["--cluster-port".to_owned(), buses[0].to_string()]);
        Self { nodes, arguments: arguments.collect() }
    }

    /// A connection to each master.
    ///
    /// # Panics
    /// Where one does not answer.
    pub fn clients(&self) -> [redis::Connection; 3] {
        self.nodes.each_ref().map(client)
    }

    /// A new replica of the first master, which has everything that was written by then.
    ///
    /// # Panics
    /// Where it does not come that far.
    pub fn replica_of_the_first(&self) -> Redis {
        let bus = free_port().to_string();
        let common = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port"];
        let replica = Redis::with(&[common.as_slice(), &[&bus]].concat());
        let (mut asked, mut first) = (client(&replica), client(&self.nodes[0]));
        let master: String = redis::cmd("CLUSTER").arg("MYID").query(&mut first).unwrap();
        let address = replica.address();
        let (host, port) = address.split_once(':').unwrap();
        redis::cmd("CLUSTER").arg("MEET").arg(host).arg(port).arg(bus).exec(&mut first).unwrap();
        let begun = Instant::now();
        let until = |done: &mut dyn FnMut() -> bool| {
            while !done() {
                assert!(begun.elapsed() < PATIENCE, "the replica does not come that far");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        until(&mut || redis::cmd("CLUSTER").arg("REPLICATE").arg(&master).exec(&mut asked).is_ok());
        until(&mut || {
            let said: String = redis::cmd("INFO").arg("replication").query(&mut asked).unwrap();
            said.contains("master_link_status:up")
        });
        replica
    }

    /// Its addresses, with commas between.
    pub fn url(&self) -> String {
        self.nodes.each_ref().map(Redis::url).join(",")
    }

    /// `kill -9` of the first master.
    pub fn kill_one(&mut self) {
        self.nodes[0].kill();
    }

    /// Starts it again on the same data.
    pub fn start_it_again(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.nodes[0].start(&arguments);
    }
}

fn client(node: &Redis) -> redis::Connection {
    redis::Client::open(node.url()).and_then(|client| client.get_connection()).unwrap()
}
