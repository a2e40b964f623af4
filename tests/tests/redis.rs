//! What is Redis' own: what is refused at the start, full memory, commits that were cut off half-way, connections that
//! break, records of an older schema.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use roster_core::health::Durability;
use roster_core::store::{CommitError, Store, StoreClock, StoreErrorKind};
use roster_storage_redis::{OpenError, RedisConfig, RedisStore};
use roster_tests::build::organization_home;
use roster_tests::keyspaces::{CLUSTER, Keyspace, SERVER};
use roster_tests::load::{self, add_account, assert_consistent};
use roster_tests::private_server::redis::Redis;
use roster_tests::stores::{FINGERPRINT, selected};
use serde_json::Value;

fn wanted() -> Vec<Keyspace> {
    let variables = [("redis", SERVER), ("redis-cluster", CLUSTER)];
    let wanted = variables.into_iter().filter(|(name, _)| selected().contains(name));
    wanted.map(|(_, variable)| Keyspace::fresh(variable)).collect()
}

fn is_wanted() -> bool {
    selected().contains(&"redis")
}

fn config(server: &Redis) -> RedisConfig {
    RedisConfig::new(server.url(), FINGERPRINT)
}

async fn made(config: RedisConfig) -> Result<RedisStore, OpenError> {
    RedisStore::migrate(&config).await?;
    RedisStore::open(config, StoreClock::Server).await
}

/// The sentence of a refusal.
async fn refusal(config: RedisConfig) -> String {
    made(config).await.unwrap_err().to_string()
}

/// A server that was emptied is not ready: what it held is gone.
#[tokio::test]
async fn an_emptied_server_does_not_answer_a_ping_well() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&[]);
    let store = made(config(&server)).await.unwrap();
    assert_eq!(store.ping().await, Ok(()));
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    assert_eq!(store.ping().await.unwrap_err().kind, StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn what_would_lose_data_is_refused_at_the_start() {
    if !is_wanted() {
        return;
    }
    let cases: [(&[&str], &str, &str); 5] = [
        (&["--appendonly", "no"], "appendonly is no: a crash would lose", "set it to yes in redis.conf"),
        (&["--appendfsync", "no"], "appendfsync is no: a crash would lose", "set it to always in redis.conf"),
        (
            &["--appendfsync", "everysec"],
            "appendfsync is everysec: a power cut would lose about the last",
            "always",
        ),
        (
            &["--maxmemory-policy", "allkeys-lru"],
            "maxmemory-policy is allkeys-lru: full memory",
            "noeviction",
        ),
        (&["--maxmemory-policy", "volatile-ttl"], "maxmemory-policy is volatile-ttl: ", "noeviction"),
    ];
    for (arguments, begins, names) in cases {
        let said = refusal(config(&Redis::with(arguments))).await;
        assert!(said.starts_with(begins) && said.contains(names), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn everysec_is_accepted_when_that_is_said() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&["--appendfsync", "everysec"]);
    let relaxed = RedisConfig { durability: Durability::Relaxed, ..config(&server) };
    assert!(made(relaxed).await.is_ok());
    let server = Redis::with(&["--appendfsync", "no"]);
    let relaxed = RedisConfig { durability: Durability::Relaxed, ..config(&server) };
    assert!(refusal(relaxed).await.starts_with("appendfsync is no: "));
}

#[tokio::test]
async fn a_server_that_does_not_say_how_durable_it_is_must_be_declared() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&["--rename-command", "CONFIG", ""]);
    let said = refusal(config(&server)).await;
    assert!(
        said.contains("does not answer CONFIG GET") && said.contains("storage.redis.appendfsync"),
        "{said}"
    );
    let declared =
        |word: &str| RedisConfig { declared_appendfsync: Some(word.to_owned()), ..config(&server) };
    assert!(refusal(declared("everysec")).await.starts_with("appendfsync is everysec: "));
    assert!(made(declared("always")).await.is_ok());
    // What INFO says is asked of such a server too.
    let server = Redis::with(&["--rename-command", "CONFIG", "", "--appendonly", "no"]);
    let config = RedisConfig { declared_appendfsync: Some("always".to_owned()), ..config(&server) };
    assert!(refusal(config).await.starts_with("appendonly is no: "));
}

#[tokio::test]
async fn a_replica_and_half_a_cluster_are_refused() {
    if !is_wanted() {
        return;
    }
    let primary = Redis::with(&[]);
    let address = primary.address();
    let (host, port) = address.split_once(':').unwrap();
    let replica = Redis::with(&["--replicaof", host, port]);
    assert!(refusal(config(&replica)).await.starts_with("this server is a replica: "));
    let node = Redis::with(&["--cluster-enabled", "yes"]);
    assert!(refusal(config(&node)).await.starts_with("this server is a node of a Redis Cluster: "));
    let other = Redis::with(&[]);
    let two = RedisConfig::new(format!("{},{}", primary.url(), other.url()), FINGERPRINT);
    let said = refusal(two).await;
    assert!(said.contains("cluster") || said.contains("Cluster"), "{said}");
}

#[tokio::test]
async fn what_is_there_must_be_ours_and_known() {
    for keyspace in wanted() {
        let config = || keyspace.config();
        let said = RedisStore::open(config(), StoreClock::Server).await.unwrap_err().to_string();
        assert!(said.ends_with("run `roster migrate`"), "{said}");
        let (one, other) = (config(), config());
        let (one, other) = futures::join!(RedisStore::migrate(&one), RedisStore::migrate(&other));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        assert!(made(config()).await.is_ok());
        let another = RedisConfig { fingerprint: [9; 32], ..config() };
        assert!(refusal(another).await.starts_with("this store belongs to another master key"));
        set_meta(&keyspace, "schema", "99");
        assert!(refusal(config()).await.contains("written by a newer Roster (schema 99"));
        set_meta(&keyspace, "schema", "x");
        assert!(refusal(config()).await.contains("is not Roster's"));
    }
}

/// In whichever node has it.
fn set_meta(keyspace: &Keyspace, field: &str, value: &str) {
    let key = format!("{}{{meta}}", keyspace.prefix());
    let mut set = cmd("HSET");
    set.arg(key).arg(field).arg(value);
    let done = keyspace.nodes().into_iter().any(|mut node| set.query::<()>(&mut node).is_ok());
    assert!(done);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_said_to() {
    let config = |url: &str| RedisConfig {
        connection_timeout: Duration::from_millis(200),
        ..RedisConfig::new(url, FINGERPRINT)
    };
    let said = refusal(config("redis://roster:hunter2@127.0.0.1:1")).await;
    assert!(said.starts_with("Redis cannot be reached: ") && !said.contains("hunter2"), "{said}");
    let said = refusal(config("nonsense")).await;
    assert!(said.starts_with("storage.redis.url is no address"), "{said}");
}

#[tokio::test]
async fn full_memory_is_unavailable_and_nothing_is_done() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&["--maxmemory", "4mb"]);
    let store = made(config(&server)).await.unwrap();
    let mut told = 0;
    let refused = loop {
        match store.commit(&add_account(told + 1)).await {
            Ok(_) => told += 1,
            Err(error) => break error,
        }
    };
    let CommitError::Store(error) = refused else { panic!("{refused}") };
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, told, "nothing of it is done");
    let mut client = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let () = cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).query(&mut client).unwrap();
    assert!(store.commit(&add_account(told + 1)).await.is_ok(), "with room it goes on");
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, told + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_do_not_harm_those_that_stay() {
    for keyspace in wanted() {
        let store: Arc<dyn Store> = Arc::new(made(keyspace.config()).await.unwrap());
        load::clients_that_leave(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_redis() {
    for keyspace in wanted() {
        let one = made(keyspace.config()).await.unwrap();
        let other = made(keyspace.config()).await.unwrap();
        load::two_over_one(&[one, other].map(|store| Arc::new(store) as Arc<dyn Store>)).await;
    }
}

/// The server ends every connection again and again: what is answered is there, what is not may be, and sending it
/// again tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_lose_nothing() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&[]);
    let store: Arc<dyn Store> = Arc::new(made(config(&server)).await.unwrap());
    let lanes = (0..4_u64).map(|lane| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..20 {
                // One by itself, and three that are sent together.
                let mut left: Vec<_> = (0..3).map(|k| add_account(1_000 * (lane + 1) + 3 * n + k)).collect();
                while !left.is_empty() {
                    let outcomes = match left.as_slice() {
                        [one] => vec![store.commit(one).await],
                        many => store.commit_all(many).await,
                    };
                    let mut done = outcomes.into_iter().map(|outcome| match outcome {
                        Ok(_) => true,
                        Err(CommitError::Store(error)) => {
                            assert_ne!(error.kind, StoreErrorKind::Corrupt, "{error}");
                            false
                        }
                        Err(other) => panic!("{other}"),
                    });
                    left.retain(|_| !done.next().unwrap());
                }
            }
        })
    });
    let lanes = futures::future::join_all(lanes);
    let breaking = async {
        let mut client = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut kill = cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
            let _how_many: i64 = kill.query(&mut client).unwrap();
        }
    };
    let (lanes, ()) = futures::join!(lanes, breaking);
    assert!(lanes.into_iter().all(|lane| lane.is_ok()));
    assert_eq!(assert_consistent(store.as_ref(), &organization_home(1)).await, 240, "each once");
}

/// The scripts are forgotten whenever the server starts again.
#[tokio::test]
async fn forgotten_scripts_are_brought_again() {
    for keyspace in wanted() {
        let store = made(keyspace.config()).await.unwrap();
        for mut node in keyspace.nodes() {
            let () = cmd("SCRIPT").arg("FLUSH").query(&mut node).unwrap();
        }
        let outcomes = store.commit_all(&[add_account(1), add_account(2), add_account(3)]).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(assert_consistent(&store, &organization_home(1)).await, 3);
    }
}

/// A step as a later program may have one.
fn renamed(mut record: Value) -> Value {
    if let Some(account) = record.get_mut("account") {
        account["name"] = "Renamed".into();
    }
    record
}

#[tokio::test]
async fn records_of_an_older_schema_are_written_anew_while_the_store_is_in_use() {
    for keyspace in wanted() {
        let store = made(keyspace.config()).await.unwrap();
        for n in 1..=20 {
            store.commit(&add_account(n)).await.unwrap();
        }
        let mut heard = 0;
        let upgrade = RedisStore::upgrade(keyspace.config(), &mut |done| heard = done).await.unwrap();
        assert_eq!((upgrade.homes, upgrade.records, heard), (1, 0, 1), "all are new already");
        let upgrade = RedisStore::upgrade_by(keyspace.config(), 2, &[renamed], &mut |_| {}).await.unwrap();
        assert_eq!((upgrade.homes, upgrade.records), (1, 20));
        let said = refusal(keyspace.config()).await;
        assert!(said.contains("written by a newer Roster (schema 2"), "{said}");
    }
}
