//! What is Redis' own: what is refused at the start, full memory, commits that were cut off half-way, connections that
//! break, records of an older schema.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod cluster;
mod ending;
mod names;
mod rights;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::cmd;
use roster_core::health::{Durability, Inspection, Reach};
use roster_core::home::Record;
use roster_core::load::Load;
use roster_core::model::Account;
use roster_core::op::Roster;
use roster_core::store::{CommitError, Store, StoreClock, StoreErrorKind};
use roster_storage_redis::{OpenError, RedisConfig, RedisStore, keys_of};
use roster_tests::build::{account, change, organization_home, text};
use roster_tests::http::Service;
use roster_tests::keyspaces::{CLUSTER, Keyspace, SERVER};
use roster_tests::load::{self, add_account, assert_consistent};
use roster_tests::private_server::redis::Redis;
use roster_tests::proxy::{Harm, Proxy};
use roster_tests::stores::{CountingEntropy, FINGERPRINT, ManualClock, TestStore, selected};
use serde_json::{Value, json};

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

/// One that becomes a replica while it is used answers nothing, whoever notices first, until it is a primary again.
#[tokio::test]
async fn a_primary_that_becomes_a_replica_answers_nothing() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&[]);
    RedisStore::migrate(&config(&server)).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = RedisStore::open(config(&server), StoreClock::Given(clock.clone())).await.unwrap();
    let entropy = CountingEntropy::new(Arc::clone(&clock));
    let store: Arc<dyn Store> = Arc::new(store);
    let roster = Roster::new(Arc::clone(&store), Arc::new(entropy));
    let test =
        TestStore { name: "redis", store, clock, dir: None, database: None, keyspace: None, memory: None };
    let service = Service::over(test, roster).await;
    let operator = service.operator();
    let mut client = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut tell = |words: &str| {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        command.exec(&mut client).unwrap();
    };
    let check = async || {
        let asked = json!({"user": "ext:ada", "permission": "members:read", "organization": "ext:north1"});
        operator.post("/v1/check", asked).await.status.as_u16()
    };
    let write = async |n: u32| {
        let owner = json!({"email": format!("owner{n}@example.com")});
        let body = json!({"name": "North", "external_id": format!("north{n}"), "owner": owner});
        operator.post("/v1/organizations", body).await.status.as_u16()
    };
    let ready = async || operator.get("/readyz").await.status.as_u16();
    let list = async || operator.get("/v1/organizations/ext:north1/members").await.status.as_u16();
    assert_eq!((write(1).await, check().await, ready().await, list().await), (201, 200, 200, 200));
    for noticed_by in ["a write", "a connection that breaks", "a probe"] {
        tell("REPLICAOF 127.0.0.1 1");
        match noticed_by {
            "a write" => assert_eq!(write(2).await, 503),
            "a connection that breaks" => tell("CLIENT KILL TYPE normal SKIPME yes"),
            _ => assert_eq!(ready().await, 503),
        }
        assert_eq!((check().await, list().await), (503, 503), "{noticed_by}");
        assert_eq!((ready().await, write(3).await), (503, 503), "{noticed_by}");
        tell("REPLICAOF NO ONE");
        assert_eq!((check().await, list().await, ready().await), (200, 200, 200), "{noticed_by}");
    }
    assert_eq!(write(2).await, 201, "nothing of it was done before");
}

#[tokio::test]
async fn what_would_lose_data_is_refused_at_the_start() {
    if !is_wanted() {
        return;
    }
    let cases: [(&[&str], &str, &str); 6] = [
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
        (
            &["--no-appendfsync-on-rewrite", "yes"],
            "no-appendfsync-on-rewrite is yes: a power cut while the server rewrites",
            "set it to no in redis.conf",
        ),
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
    let store = made(relaxed).await.unwrap();
    assert_eq!(store.describe().await.unwrap().durability, Durability::Relaxed, "and it says so");
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
    let server = Redis::with(&["--rename-command", "PEXPIREAT", "elsewhere"]);
    let said = refusal(self::config(&server)).await;
    assert!(said.contains("it lacks: PEXPIREAT; "), "{said}");
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

/// No server that old is at hand: a new one is made to say that it is, by a proxy that changes its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_older_than_7_is_refused() {
    if !is_wanted() {
        return;
    }
    let server = Redis::with(&[]);
    let proxy = Proxy::before(server.address().parse().unwrap()).await;
    let config = || RedisConfig::new(format!("redis://{}", proxy.address), FINGERPRINT);
    assert!(made(config()).await.is_ok());
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let said: String = cmd("INFO").arg("server").query(&mut connection).unwrap();
    let version = said.lines().find(|line| line.starts_with("redis_version:")).unwrap();
    let older = version.replacen(|digit: char| digit.is_ascii_digit(), "6", 1);
    proxy.set(Harm::Replace(vec![(version.as_bytes().to_vec(), older.clone().into_bytes())]));
    let told = refusal(config()).await;
    assert!(told.contains(&older["redis_version:".len()..]) && told.contains("7.0"), "{told}");
}

/// The lines of a look are those of the refusals, and a look changes nothing.
#[tokio::test]
async fn a_look_names_what_would_be_refused() {
    if !is_wanted() {
        return;
    }
    let look = async |config: RedisConfig| RedisStore::inspect(&config, true).await.unwrap();
    let bad = |looked: &Inspection| -> Vec<String> {
        looked.checks.iter().filter_map(|check| check.problem.clone()).collect()
    };
    let server = Redis::with(&[]);
    let empty = look(config(&server)).await;
    assert_eq!((empty.reach, bad(&empty)), (Reach::Empty, vec![]), "a server puts that right when it starts");
    assert!(empty.checks.iter().any(|check| check.at_start.is_some()) && !empty.is_ready());
    RedisStore::migrate(&config(&server)).await.unwrap();
    let good = look(config(&server)).await;
    assert_eq!((good.reach, bad(&good), good.is_ready()), (Reach::Whole, vec![], true));
    let another = RedisConfig { fingerprint: [9; 32], ..config(&server) };
    assert_eq!(bad(&look(another.clone()).await), [refusal(another).await]);
    let server = Redis::with(&["--appendfsync", "everysec", "--maxmemory-policy", "allkeys-lru"]);
    let told = bad(&look(config(&server)).await);
    let begins = |told: &String, word: &str| told.starts_with(word);
    assert!(told.iter().any(|told| begins(told, "maxmemory-policy is allkeys-lru: ")), "{told:?}");
    assert!(told.iter().any(|told| begins(told, "appendfsync is everysec: ")), "all at once: {told:?}");
    assert_eq!(told[0], refusal(config(&server)).await, "the sentence of the refusal itself");
    let nowhere = look(RedisConfig {
        connection_timeout: Duration::from_millis(200),
        ..RedisConfig::new("redis://roster:hunter2@127.0.0.1:1", FINGERPRINT)
    });
    let nowhere = nowhere.await;
    assert_eq!(nowhere.reach, Reach::Nothing);
    assert!(!bad(&nowhere)[0].contains("hunter2"));
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
        let store = made(config()).await.unwrap();
        store.load(Load::Begin).await.unwrap();
        assert!(refusal(config()).await.starts_with("this Redis holds half of a deployment"));
        store.load(Load::End).await.unwrap();
        assert!(made(config()).await.is_ok(), "whole again");
        set_meta(&keyspace, "schema", "99");
        assert!(refusal(config()).await.contains("written by a newer Roster (schema 99"));
        set_meta(&keyspace, "schema", "x");
        assert!(refusal(config()).await.contains("is not Roster's"));
        of_meta(&keyspace, "SET", &["another program's"]);
        let said = refusal(config()).await;
        assert!(said.contains("is not Roster's (") && said.contains("WRONGTYPE"), "{said}");
    }
}

fn set_meta(keyspace: &Keyspace, field: &str, value: &str) {
    of_meta(keyspace, "HSET", &[field, value]);
}

/// In whichever node has it.
fn of_meta(keyspace: &Keyspace, command: &str, arguments: &[&str]) {
    let mut command = cmd(command);
    command.arg(format!("{}{{meta}}", keyspace.prefix())).arg(arguments);
    let done = keyspace.nodes().into_iter().any(|mut node| command.query::<()>(&mut node).is_ok());
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
        assert_eq!(kept_with(&keyspace, "Renamed"), 20);
        let said = refusal(keyspace.config()).await;
        assert!(said.contains("written by a newer Roster (schema 2"), "{said}");
    }
}

/// How many records are kept that bear a word, whatever their schema.
fn kept_with(keyspace: &Keyspace, word: &str) -> usize {
    let mut values = cmd("HVALS");
    values.arg(&keys_of(keyspace.prefix(), &organization_home(1))[0]);
    // In whichever node has them.
    let found =
        keyspace.nodes().into_iter().find_map(|mut node| values.query::<Vec<Vec<u8>>>(&mut node).ok());
    let bears = |value: &&Vec<u8>| value.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    found.unwrap().iter().filter(bears).count()
}

static IN_USE: Mutex<Option<Arc<dyn Store>>> = Mutex::new(None);

/// The same step; before the first, between its reading and its writing, every account is changed.
fn renamed_while_in_use(record: Value) -> Value {
    if let Some(store) = IN_USE.lock().unwrap().take() {
        let changed = |n| Record::Account(Account { name: text("Meanwhile"), ..account(n) });
        let set = (1..=20).fold(change(99, &organization_home(1)), |set, n| set.put(changed(n))).done();
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(store.commit(&set)).unwrap();
        });
    }
    renamed(record)
}

/// What is committed between the reading and the writing of an upgrade stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_takes_no_commit_back() {
    for keyspace in wanted() {
        let store = made(keyspace.config()).await.unwrap();
        for n in 1..=20 {
            store.commit(&add_account(n)).await.unwrap();
        }
        *IN_USE.lock().unwrap() = Some(Arc::new(store.clone()));
        let steps: [fn(Value) -> Value; 1] = [renamed_while_in_use];
        let upgrade = RedisStore::upgrade_by(keyspace.config(), 2, &steps, &mut |_| {}).await.unwrap();
        assert_eq!(upgrade.records, 0, "all were changed after they had been read");
        assert_eq!((kept_with(&keyspace, "Meanwhile"), kept_with(&keyspace, "Renamed")), (20, 0));
        assert_eq!(store.dump(&organization_home(1)).await.unwrap().records.len(), 20, "and are read");
    }
}
