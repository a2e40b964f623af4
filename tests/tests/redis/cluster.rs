//! A cluster whose masters differ, die, hand slots on or hand over to a replica while it is written to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Connection, Value, cmd};
use roster_core::home::{Record, Tally};
use roster_core::store::{CommitError, Store, StoreErrorKind};
use roster_storage_redis::RedisConfig;
use roster_tests::build::{account, change, organization_home};
use roster_tests::load::assert_consistent;
use roster_tests::redis_cluster::RedisCluster;
use roster_tests::stores::{FINGERPRINT, selected};

use super::{made, refusal};

const LANES: u64 = 6;
const COMMITS_A_LANE: u64 = 60;

fn is_wanted() -> bool {
    selected().contains(&"redis-cluster")
}

/// Every master is looked at.
#[tokio::test]
async fn one_master_that_would_lose_data_is_refused() {
    if !is_wanted() {
        return;
    }
    let cluster = RedisCluster::with(&["--appendfsync", "everysec"]);
    let said = refusal(RedisConfig::new(cluster.url(), FINGERPRINT)).await;
    assert!(said.starts_with("appendfsync is everysec: "), "{said}");
}

/// Commits to homes on all masters, with something done to the cluster when a sixth of them are: each is done once, however
/// often it had to be sent. How often one was refused meanwhile.
async fn disturbed(url: String, harm: impl FnOnce() + Send) -> u32 {
    let config = RedisConfig {
        connection_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(1),
        ..RedisConfig::new(url, FINGERPRINT)
    };
    let store: Arc<dyn Store> = Arc::new(made(config).await.unwrap());
    let done = Arc::new(AtomicU64::new(0));
    let lanes = (1..=LANES).map(|lane| {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..COMMITS_A_LANE {
                let set = change(n + 1, &organization_home(lane)).put(Record::Account(account(n)));
                let set = set.add(Tally::ActiveAccounts, 1, 0..=9_999).done();
                loop {
                    match store.commit(&set).await {
                        Ok(_) => break,
                        Err(CommitError::Store(error)) => {
                            assert_ne!(error.kind, StoreErrorKind::Corrupt, "{error}");
                            refused += 1;
                        }
                        Err(other) => panic!("{other}"),
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
            refused
        })
    });
    let lanes = futures::future::join_all(lanes);
    let harm = async {
        while done.load(Ordering::SeqCst) < COMMITS_A_LANE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::block_in_place(harm);
    };
    let (lanes, ()) = futures::join!(lanes, harm);
    for lane in 1..=LANES {
        let entries = assert_consistent(store.as_ref(), &organization_home(lane)).await;
        assert_eq!(entries, COMMITS_A_LANE, "each once");
    }
    lanes.into_iter().map(Result::unwrap).sum()
}

/// A master is killed in the middle, and started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_loses_nothing() {
    if !is_wanted() {
        return;
    }
    let mut cluster = RedisCluster::with(&[]);
    let refused = disturbed(cluster.url(), || {
        cluster.kill_one();
        std::thread::sleep(Duration::from_millis(300));
        cluster.start_it_again();
    });
    println!("{} were refused meanwhile", refused.await);
}

/// Every slot of the first master that holds something is handed to the second while it is written to: a slot's keys go one
/// by one, so that for a while some are here and some there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_are_handed_on_lose_nothing() {
    if !is_wanted() {
        return;
    }
    let cluster = RedisCluster::with(&[]);
    let mut clients = cluster.clients();
    let moved = AtomicU64::new(0);
    let refused = disturbed(cluster.url(), || {
        let ids = clients.each_mut().map(id);
        for slot in 0..16_384 / 3 {
            moved.fetch_add(hand_on(&cluster, &mut clients, &ids, slot), Ordering::SeqCst);
        }
    });
    let refused = refused.await;
    let moved = moved.into_inner();
    println!("{moved} keys were moved, {refused} were refused meanwhile");
    assert!(moved > 0, "nothing was there");
    let left: i64 = cmd("DBSIZE").query(&mut clients[0]).unwrap();
    assert_eq!(left, 0, "all of it is elsewhere");
}

/// Hands a slot of the first master to the second: how many keys.
fn hand_on(cluster: &RedisCluster, clients: &mut [Connection; 3], ids: &[String; 3], slot: u16) -> u64 {
    let there: u64 = cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot).query(&mut clients[0]).unwrap();
    if there == 0 {
        return 0;
    }
    let set = |client: &mut Connection, how: &str, whose: &str| {
        cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(how).arg(whose).exec(client).unwrap();
    };
    set(&mut clients[1], "IMPORTING", &ids[0]);
    set(&mut clients[0], "MIGRATING", &ids[1]);
    let address = cluster.nodes[1].address();
    let (host, port) = address.split_once(':').unwrap();
    let mut moved = 0;
    loop {
        let keys = cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(1).to_owned();
        let keys: Vec<Vec<u8>> = keys.query(&mut clients[0]).unwrap();
        let Some(key) = keys.first() else { break };
        let mut migrate = cmd("MIGRATE");
        migrate.arg(host).arg(port).arg(key.as_slice()).arg(0).arg(5_000);
        migrate.exec(&mut clients[0]).unwrap();
        moved += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    for n in [1, 0, 2] {
        set(&mut clients[n], "NODE", &ids[1]);
    }
    moved
}

fn id(client: &mut Connection) -> String {
    cmd("CLUSTER").arg("MYID").query(client).unwrap()
}

/// A master hands over to its replica, as for maintenance: it waits until the replica has everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_hands_over_to_its_replica_loses_nothing() {
    if !is_wanted() {
        return;
    }
    let cluster = RedisCluster::with(&[]);
    let replica = cluster.replica_of_the_first();
    let mut client = redis::Client::open(replica.url()).unwrap().get_connection().unwrap();
    let mut role = || {
        let told: Vec<Value> = cmd("ROLE").query(&mut client).unwrap();
        redis::from_redis_value::<String>(told[0].clone()).unwrap()
    };
    assert_eq!(role(), "slave");
    let mut asked = redis::Client::open(replica.url()).unwrap().get_connection().unwrap();
    let refused = disturbed(cluster.url(), || {
        cmd("CLUSTER").arg("FAILOVER").exec(&mut asked).unwrap();
    });
    println!("{} were refused meanwhile", refused.await);
    assert_eq!(role(), "master", "it was handed over");
}
