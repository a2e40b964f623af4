//! Commits of which any write is refused: whoever comes next finishes them, unless it was the first and nothing is noted.

use std::env;
use std::ops::Range;
use std::sync::Arc;

use redis::Script;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::{AccountId, CommitId, OrganizationId, UserId};
use roster_core::listing::{Listing, MemberSort, PageRequest, Scope};
use roster_core::log::{LogEntry, LogFilter, Personal, digest};
use roster_core::model::{Access, Account, AccountStatus, Card, Claim, ClaimName, ClaimTarget, Member};
use roster_core::store::{ChangeSet, Clock, Committed, Dump, Store, StoreClock, Write};
use roster_core::time::Timestamp;
use uuid::Uuid;

use crate::commit::{Place, arguments};
use crate::keys::{registry, registry_of};
use crate::scripts::COMMIT_PARTS;
use crate::{RedisConfig, RedisStore};

const NOW: Timestamp = Timestamp::from_micros(1_798_761_600_000_000);

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n << 64)
}

fn user() -> UserId {
    UserId::from_uuid(id(5))
}

fn account(n: u128) -> Record {
    Record::Account(Account {
        id: AccountId::from_uuid(id(n)),
        external_id: None,
        name: "North".parse().unwrap(),
        status: AccountStatus::Active,
        traits: roster_core::model::Traits::default(),
        posts: roster_core::model::Posts::default(),
        created_at: NOW,
    })
}

fn member(name: &str) -> Record {
    let card = Card { name: Some(name.parse().unwrap()), ..Card::default() };
    let access = Access::Organization(roster_core::permission::RoleRef::ADMIN);
    let joined = Member::joining(user(), card, access, NOW);
    Record::Member(Member { expires_at: Some(NOW.plus_seconds(60)), ..joined })
}

fn entry(n: u128) -> LogEntry {
    let body = format!("{{\"n\":{n}}}").into_bytes();
    let personal = vec![Personal { n: 0, subject: user(), salt: [1; 16], value: "\"Ada\"".to_owned() }];
    let digest = digest(&body);
    LogEntry { digest, body, time: NOW, personal, actor: String::new(), users: vec![user()], actions: vec![] }
}

fn set(n: u128, home: &Home, writes: Vec<Write>) -> ChangeSet {
    ChangeSet {
        id: CommitId::from_uuid(id(n)),
        home: home.clone(),
        not_after: None,
        guards: [].into(),
        writes,
        entry: home.has_log().then(|| entry(n)),
    }
}

/// What is there first, what is cut off, and what comes next.
type Sets = [ChangeSet; 3];

/// Puts, a replacement with other lines, a removal, a tally, an entry.
fn of_organization(n: u128) -> Sets {
    let home = Home::Organization(organization(n));
    let seats = |by| Write::Add { tally: Tally::Seats, by, within: 0..=9 };
    let first = vec![Write::Put(account(2)), Write::Put(member("Ada")), seats(1)];
    let second = vec![
        Write::Put(account(3)),
        Write::Put(member("Ada Lovelace")),
        Write::Remove(Key::Account(AccountId::from_uuid(id(2)))),
        seats(1),
    ];
    [set(10, &home, first), set(11, &home, second), set(12, &home, vec![Write::Put(account(4))])]
}

/// A home without a log, taken and given back.
fn of_claim(n: u128) -> Sets {
    let home = Home::Claim(ClaimName::Email(format!("ada{n}@example.com")));
    let claim = || Write::Put(Record::Claim(Claim { target: ClaimTarget::User(user()), since: NOW }));
    [
        set(10, &home, vec![claim()]),
        set(11, &home, vec![Write::Remove(Key::Claim)]),
        set(12, &home, vec![claim()]),
    ]
}

fn organization(n: u128) -> OrganizationId {
    OrganizationId::from_uuid(id(1_000 + n))
}

/// One Redis and a Redis Cluster, as far as they are there.
fn urls() -> Vec<String> {
    let wanted = env::var("ROSTER_TEST_BACKENDS").unwrap_or_default();
    let named = |(name, variable): (&str, &str)| {
        let url = env::var(variable).ok().filter(|url| !url.is_empty());
        // `cargo xtask test` names a server of each store that is tested.
        assert!(url.is_some() || wanted.split(',').all(|wanted| wanted.trim() != name), "no {variable}");
        url
    };
    let variables = [("redis", "ROSTER_TEST_REDIS_URL"), ("redis-cluster", "ROSTER_TEST_REDIS_CLUSTER_URL")];
    variables.into_iter().filter_map(named).collect()
}

/// A clock that stands still, so that answers are alike.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

async fn fresh(url: &str, name: &str) -> RedisStore {
    let prefix = format!("torn-{}-{name}:", std::process::id());
    let config = RedisConfig { prefix, ..RedisConfig::new(url, [7; 32]) };
    RedisStore::migrate(&config).await.unwrap();
    RedisStore::open(config, StoreClock::Given(Arc::new(Still))).await.unwrap()
}

/// The script of a commit that is refused the write after so many; the last, where there are fewer.
fn torn_after(writes: usize) -> Script {
    let refused = format!("n == math.min({writes} + 1, #redo) and {{ err = 'ERR cut off' }} or redis.pcall(");
    let whole = COMMIT_PARTS.concat();
    let torn = whole.replacen("redis.pcall(", &refused, 1);
    assert_ne!(whole, torn, "the place to cut is there");
    Script::new(&torn)
}

async fn tear(store: &RedisStore, set: &ChangeSet, after: usize) {
    assert!(told_by(store, &torn_after(after), set).await.contains("cut off"));
}

/// What such a script says of a set.
async fn told_by(store: &RedisStore, script: &Script, set: &ChangeSet) -> String {
    let inner = store.inner();
    let head = roster_core::log::Head::start(&set.home);
    let place = Place::of(inner, &set.home, true);
    let arguments = arguments(set, &inner.clock, &place.name, &head).unwrap();
    inner.quick.call::<()>(script, &place.keys, &arguments).await.unwrap_err().to_string()
}

/// Every way in which a home is come to.
const COMERS: [&str; 13] = [
    "read",
    "list",
    "count",
    "log",
    "dump",
    "records",
    "homes",
    "missing",
    "ends",
    "rewrite",
    "forget",
    "forget in the log",
    "commit",
];

/// Takes rights away before a commit that only takes away: what cannot be noted is not begun.
#[tokio::test]
async fn a_commit_that_only_takes_away_is_noted_first() {
    for url in urls() {
        let store = fresh(&url, "noted").await;
        let [first, second, _] = of_claim(0);
        store.commit(&first).await.unwrap();
        let before = all_of(&store, &first.home).await;
        let whole = COMMIT_PARTS.concat();
        let refused = whole.replacen("    redis.call('HSET', HOME, '.redo'", "    error('cut off') --", 1);
        assert_ne!(whole, refused, "the note is there");
        assert!(told_by(&store, &Script::new(&refused), &second).await.contains("cut off"));
        assert_eq!(all_of(&store, &first.home).await, before, "{url}");
    }
}

/// Between two writes after which most of them come.
const FEWER: usize = 8;

/// Comes to a home, and says what it was told there.
async fn come(store: &RedisStore, comer: &str, n: u128, next: &ChangeSet) -> String {
    let (home, inner) = (&next.home, store.inner());
    let page = PageRequest { after: None, limit: 10 };
    let members = |q: Option<&str>| Listing::Members {
        organization: organization(n),
        status: None,
        account: None,
        role: None,
        q: q.map(str::to_owned),
        sort: MemberSort::Id,
        descending: false,
        scope: Scope::All,
    };
    let by_script = async |script: &Script| {
        let arguments = ["nothing", "before", ""].map(|text| text.as_bytes().to_vec());
        inner.bulk.call::<u64>(script, inner.keys(home).all(), &arguments).await.unwrap()
    };
    match comer {
        "read" => {
            let accounts = [2, 3].map(|n| Key::Account(AccountId::from_uuid(id(n))));
            let keys = [&accounts[..], &[Key::Member(user()), Key::Claim]].concat();
            format!("{:?}", store.read(home, &keys, &[Tally::Seats]).await.unwrap())
        }
        "list" => format!("{:?}", store.list(&members(None), &page).await.unwrap()),
        "count" => format!("{:?}", store.list(&members(Some("lovelace")), &page).await.unwrap()),
        "log" => format!("{:?}", store.log(home, 0, 10, &LogFilter::ALL).await.unwrap()),
        "dump" => format!("{:?}", store.dump(home).await.unwrap()),
        "records" => format!("{:?}", store.records(home, None, 10).await.unwrap()),
        "homes" => store.homes(None, 1_000).await.unwrap().contains(home).to_string(),
        "missing" => format!("{:?}", store.missing(std::slice::from_ref(home)).await.unwrap()),
        "ends" => {
            let ends = store.ends(&Home::Deployment, 1_000).await.unwrap();
            format!("{:?}", ends.into_iter().find(|(found, _)| found == home))
        }
        "rewrite" => by_script(&inner.scripts.rewrite).await.to_string(),
        "forget" => by_script(&inner.scripts.forget).await.to_string(),
        "forget in the log" => format!("{:?}", store.forget(home, UserId::from_uuid(id(6))).await),
        _ => format!("{:?}", store.commit(next).await),
    }
}

async fn all_of(store: &RedisStore, home: &Home) -> (Dump, usize, usize) {
    let log = store.log(home, 0, 10, &LogFilter::ALL).await.unwrap();
    let about = store.log(home, 0, 10, &LogFilter::of_user(user())).await.unwrap();
    (store.dump(home).await.unwrap(), log.len(), about.len())
}

#[tokio::test]
async fn of_a_commit_that_is_refused_its_first_write_nothing_is_left() {
    for url in urls() {
        let store = fresh(&url, "first").await;
        let [first, second, _] = of_organization(0);
        store.commit(&first).await.unwrap();
        let before = all_of(&store, &first.home).await;
        tear(&store, &second, 0).await;
        assert_eq!(all_of(&store, &first.home).await, before, "{url}");
        assert!(matches!(store.commit(&second).await, Ok(Committed::Now(_))), "{url}");
    }
}

/// Whether the name of a home is in.
async fn is_named(store: &RedisStore, home: &Home) -> bool {
    let (inner, name) = (store.inner(), home.to_string());
    let mut look = redis::cmd("ZSCORE");
    look.arg(registry(&inner.prefix, registry_of(&name))).arg(name);
    inner.quick.command::<Option<f64>>(&look).await.unwrap().is_some()
}

async fn finished_by_whoever_comes_next(name: &str, sets: fn(u128) -> Sets, cuts: Range<usize>) {
    for url in urls() {
        let whole = fresh(&url, &format!("{name}-whole")).await;
        let torn = fresh(&url, &format!("{name}-torn")).await;
        // One of them after every write; the others after the first, and after a few, each after others.
        let places = COMERS.iter().enumerate().flat_map(|(n, comer)| {
            let wanted = move |after: &usize| *comer == "log" || *after == 1 || after % FEWER == n % FEWER;
            cuts.clone().filter(wanted).map(move |after| (*comer, after))
        });
        for (n, (comer, after)) in (1..).zip(places) {
            let [first, second, next] = sets(n);
            whole.commit(&first).await.unwrap();
            whole.commit(&second).await.unwrap();
            torn.commit(&first).await.unwrap();
            tear(&torn, &second, after).await;
            let what = format!("{comer} on {url}, cut off after {after} writes");
            let told = come(&torn, comer, n, &next).await;
            assert_eq!(told, come(&whole, comer, n, &next).await, "{what}");
            let expected = all_of(&whole, &first.home).await;
            assert_eq!(all_of(&torn, &first.home).await, expected, "{what}");
            assert_eq!(torn.commit(&second).await, Ok(Committed::Before), "it was done: {what}");
            let holds = expected.0.head.seq > 0 || !expected.0.records.is_empty();
            // A cluster's names are no part of a commit.
            assert!(torn.inner().quick.is_cluster() || is_named(&torn, &first.home).await == holds, "{what}");
        }
    }
}

#[tokio::test]
async fn a_commit_cut_off_after_any_write_is_finished_by_whoever_comes_next() {
    finished_by_whoever_comes_next("organization", of_organization, 1..11).await;
}

#[tokio::test]
async fn so_is_one_of_a_home_without_a_log() {
    // What is to be done is written down before any of it.
    finished_by_whoever_comes_next("claim", of_claim, 0..5).await;
}
