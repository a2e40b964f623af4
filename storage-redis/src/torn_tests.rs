//! Commits that a crash cuts off after any of their writes: whoever comes next finishes them.

use std::env;

use redis::Script;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::{AccountId, CommitId, OrganizationId, UserId};
use roster_core::log::{LogEntry, LogFilter, Personal, digest};
use roster_core::model::{Access, Account, AccountStatus, Card, Claim, ClaimName, ClaimTarget, Member};
use roster_core::store::{ChangeSet, Committed, Dump, Store, StoreClock, Write};
use roster_core::time::Timestamp;
use uuid::Uuid;

use crate::commit::arguments;
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

/// What is there first, and what is cut off: puts, a replacement with other lines, a removal, a tally, an entry.
fn of_organization() -> (ChangeSet, ChangeSet) {
    let home = Home::Organization(OrganizationId::from_uuid(id(1)));
    let seats = |by| Write::Add { tally: Tally::Seats, by, within: 0..=9 };
    let first = vec![Write::Put(account(2)), Write::Put(member("Ada")), seats(1)];
    let second = vec![
        Write::Put(account(3)),
        Write::Put(member("Ada Lovelace")),
        Write::Remove(Key::Account(AccountId::from_uuid(id(2)))),
        seats(1),
    ];
    (set(10, &home, first), set(11, &home, second))
}

/// A home without a log, taken and given back.
fn of_claim() -> (ChangeSet, ChangeSet) {
    let home = Home::Claim(ClaimName::Email("ada@example.com".to_owned()));
    let claim = Claim { target: ClaimTarget::User(user()), since: NOW };
    let first = set(10, &home, vec![Write::Put(Record::Claim(claim))]);
    (first, set(11, &home, vec![Write::Remove(Key::Claim)]))
}

async fn fresh(name: &str) -> Option<RedisStore> {
    let url = env::var("ROSTER_TEST_REDIS_URL").ok()?;
    let prefix = format!("torn-{}-{name}:", std::process::id());
    let config = RedisConfig { prefix, ..RedisConfig::new(url, [7; 32]) };
    RedisStore::migrate(&config).await.unwrap();
    Some(RedisStore::open(config, StoreClock::Server).await.unwrap())
}

/// The script of a commit that ends after so many of its writes.
fn torn_after(writes: usize) -> Script {
    let ends =
        format!("for n = 1, math.min({writes}, #redo) do redis.call(unpack(redo[n])) end error('cut off')");
    let whole = COMMIT_PARTS.concat();
    let torn = whole.replacen("  apply(redo)\n", &format!("  if true then {ends} end\n"), 1);
    assert_ne!(whole, torn, "the place to cut is there");
    Script::new(&torn)
}

async fn tear(store: &RedisStore, set: &ChangeSet, after: usize) {
    let inner = store.inner();
    let head = roster_core::log::Head::start(&set.home);
    let arguments = arguments(set, &inner.clock, true, &head).unwrap();
    let keys = inner.keys(&set.home);
    let told = inner.quick.call::<()>(&torn_after(after), keys.all(), &arguments).await;
    assert!(told.unwrap_err().to_string().contains("cut off"));
}

async fn all_of(store: &RedisStore, home: &Home) -> (Dump, usize, usize) {
    let log = store.log(home, 0, 10, &LogFilter::ALL).await.unwrap();
    let about = store.log(home, 0, 10, &LogFilter::of_user(user())).await.unwrap();
    (store.dump(home).await.unwrap(), log.len(), about.len())
}

async fn finished_by_whoever_comes_next(name: &str, sets: fn() -> (ChangeSet, ChangeSet)) {
    let (first, second) = sets();
    let Some(whole) = fresh(&format!("{name}-whole")).await else {
        // `cargo xtask test` names a server whenever Redis is among the stores.
        assert!(!env::var("ROSTER_TEST_BACKENDS").unwrap_or_default().contains("redis"));
        return;
    };
    whole.commit(&first).await.unwrap();
    whole.commit(&second).await.unwrap();
    let expected = all_of(&whole, &first.home).await;
    for after in 0..40 {
        let store = fresh(&format!("{name}-{after}")).await.unwrap();
        store.commit(&first).await.unwrap();
        tear(&store, &second, after).await;
        assert_eq!(all_of(&store, &first.home).await, expected, "cut off after {after} writes");
        assert_eq!(store.commit(&second).await, Ok(Committed::Before), "it was done");
        assert_eq!(all_of(&store, &first.home).await, expected);
    }
}

#[tokio::test]
async fn a_commit_cut_off_after_any_write_is_finished_by_whoever_comes_next() {
    finished_by_whoever_comes_next("organization", of_organization).await;
}

#[tokio::test]
async fn so_is_one_of_a_home_without_a_log() {
    finished_by_whoever_comes_next("claim", of_claim).await;
}
