//! Connections to the store that are cut after any byte: what is left is done wholly or not at all, and sending it
//! again tells which.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreClock, StoreErrorKind};
use roster_core::verify::verify_all;
use roster_storage_redis::{RedisConfig, RedisStore};
use roster_tests::build::organization_home;
use roster_tests::http::{Service, text};
use roster_tests::load::{add_account, assert_consistent};
use roster_tests::proxy::{Harm, Proxy, Way};
use roster_tests::replicas::{BEHIND_ONE_ADDRESS, by_way_of, server_of};
use roster_tests::stores::{CountingEntropy, TestStore, fresh, selected};
use serde_json::json;

/// How many places of one conversation are tried, each way and in each manner.
const PLACES: u64 = 24;
/// How many are tried at a time, each with a proxy and a connection of its own.
const LANES: u64 = 8;

fn stores() -> impl Iterator<Item = &'static str> {
    selected().into_iter().filter(|store| BEHIND_ONE_ADDRESS.contains(store))
}

async fn behind_a_proxy(test: &TestStore) -> (Proxy, Arc<dyn Store>) {
    let proxy = Proxy::before(server_of(test).await).await;
    let store = by_way_of(test, proxy.address, Duration::from_secs(1)).await;
    (proxy, store)
}

/// One commit, cut at a place: how it ended and what sending it again says, by a word.
async fn cut_at(test: &TestStore, proxy: &Proxy, store: &dyn Store, n: u64, harm: Harm) -> &'static str {
    proxy.set(Harm::None);
    patiently(store, &add_account(2 * n)).await;
    proxy.set(harm.clone());
    let ended = store.commit(&add_account(2 * n + 1)).await;
    proxy.set(Harm::None);
    let again = test.store.commit(&add_account(2 * n + 1)).await;
    let word = match (&ended, &again) {
        (Ok(_), Ok(Committed::Before)) => "told",
        (Err(CommitError::Store(error)), Ok(Committed::Now(_)))
            if matches!(error.kind, StoreErrorKind::Unavailable | StoreErrorKind::Busy) =>
        {
            "not done"
        }
        (Err(CommitError::Store(error)), Ok(again)) if error.kind == StoreErrorKind::OutcomeUnknown => {
            if *again == Committed::Before {
                "unknown, done"
            } else {
                "unknown, not done"
            }
        }
        _ => panic!("{harm:?}: ended as {ended:?}, again {again:?}"),
    };
    let healed = patiently(store, &add_account(2 * n + 1)).await;
    assert_eq!(healed, Committed::Before, "{harm:?}: by the same way again");
    word
}

/// Asks until the store is reached again.
async fn patiently(store: &dyn Store, set: &ChangeSet) -> Committed {
    for _ in 0..100 {
        match store.commit(set).await {
            Ok(done) => return done,
            Err(CommitError::Store(error)) if error.kind != StoreErrorKind::Corrupt => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the store is not reached any more");
}

/// Half of the places lie all over the conversation, the others in its last bytes, where it is about to be done.
fn byte(place: u64, whole: u64) -> u64 {
    let half = PLACES / 2;
    if place < half { whole * place / half } else { whole.saturating_sub(2 * (PLACES - 1 - place)) }
}

/// Commits cut at places all over their conversation; how often each word was heard.
async fn cut_all_over(test: &TestStore, harm: fn(Way, u64) -> Harm) -> BTreeMap<&'static str, u32> {
    let lanes = (0..LANES).map(|lane| async move {
        let (proxy, store) = behind_a_proxy(test).await;
        store.commit(&add_account(100_000 + 2 * lane)).await.unwrap();
        proxy.set(Harm::None);
        store.commit(&add_account(100_001 + 2 * lane)).await.unwrap();
        let (requested, replied) = proxy.counted();
        let mut words = Vec::new();
        for place in (lane..PLACES).step_by(usize::try_from(LANES).unwrap()) {
            for (way, whole, n) in [(Way::Request, requested, place), (Way::Reply, replied, PLACES + place)] {
                let harm = harm(way, byte(place, whole));
                words.push(cut_at(test, &proxy, store.as_ref(), n, harm).await);
            }
        }
        words
    });
    let mut heard = BTreeMap::new();
    for word in join_all(lanes).await.into_iter().flatten() {
        *heard.entry(word).or_default() += 1;
    }
    heard
}

/// Each once, and all of it there.
async fn assert_each_once(test: &TestStore) {
    let entries = assert_consistent(test.store.as_ref(), &organization_home(1)).await;
    assert_eq!(entries, 2 * (LANES + 2 * PLACES));
}

/// The connection breaks and the next one works: the store finds out by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_after_any_byte_is_told_done_or_not_done() {
    for name in stores() {
        let test = fresh(name).await;
        let heard = cut_all_over(&test, Harm::CutOnce).await;
        println!("{name}: {heard:?}");
        assert_each_once(&test).await;
        assert!(heard.contains_key("told"), "{heard:?}");
        assert!(!heard.keys().any(|word| word.starts_with("unknown")), "it can ask: {heard:?}");
    }
}

/// The connection breaks and the server stays out of reach: what is not known is said to be not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_cut_for_good_after_any_byte_is_wholly_there_or_absent() {
    for name in stores() {
        let test = fresh(name).await;
        let heard = cut_all_over(&test, Harm::CutForGood).await;
        println!("{name}: {heard:?}");
        assert_each_once(&test).await;
        for end in ["told", "unknown, done", "not done"] {
            assert!(heard.keys().any(|word| word.ends_with(end)), "{end} was never heard: {heard:?}");
        }
    }
}

/// The server does what it was told and its answer does not come, or too late: that is said to be not known, and sending
/// the commit again tells. Only Redis' limit can be handed in; the others' are longer than a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_does_not_come_in_time_is_not_known() {
    for name in stores().filter(|name| *name == "redis") {
        let test = fresh(name).await;
        for (n, harm) in [(1, Harm::SwallowReplies), (2, Harm::Delay(Duration::from_secs(2)))] {
            let proxy = Proxy::before(server_of(&test).await).await;
            let keyspace = test.keyspace.as_ref().unwrap();
            let config = RedisConfig {
                url: format!("redis://{}", proxy.address),
                connection_timeout: Duration::from_millis(300),
                response_timeout: Duration::from_millis(200),
                ..keyspace.config()
            };
            let store = RedisStore::open(config, StoreClock::Given(test.clock.clone())).await.unwrap();
            store.commit(&add_account(10 * n)).await.unwrap();
            proxy.set(harm.clone());
            let ended = store.commit(&add_account(10 * n + 1)).await;
            let Err(CommitError::Store(error)) = ended else { panic!("{harm:?}: {ended:?}") };
            assert_eq!(error.kind, StoreErrorKind::OutcomeUnknown, "{harm:?}");
            assert_eq!(test.store.commit(&add_account(10 * n + 1)).await, Ok(Committed::Before), "{harm:?}");
        }
        assert_eq!(assert_consistent(test.store.as_ref(), &organization_home(1)).await, 4);
    }
}

/// Through the API: whatever byte of the whole conversation was the last, the same idempotency key ends with one
/// account, and the answer is that of the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_cut_after_any_byte_and_sent_again_has_one_effect() {
    for name in stores() {
        let test = fresh(name).await;
        let (proxy, store) = behind_a_proxy(&test).await;
        let direct = Arc::clone(&test.store);
        let entropy = Arc::new(CountingEntropy::new(test.clock.clone()));
        let roster = |store| Roster::new(store, entropy.clone());
        let (proxied, direct) = (roster(store), roster(direct));
        let service = Service::over(test, proxied).await;
        requests_cut(&service, &proxy).await;
        let verdict = verify_all(&direct, &mut |_| {}).await.unwrap();
        assert_eq!(verdict.findings, []);
    }
}

async fn requests_cut(service: &Service, proxy: &Proxy) {
    let operator = service.operator();
    let owner = json!({"email": "olga@example.com"});
    let made = operator.post("/v1/organizations", json!({"name": "Cloud", "owner": owner})).await.is(201);
    let organization = format!("/v1/organizations/{}", text(&made, "/id"));
    let accounts = format!("{organization}/accounts");
    let create = |n: u64| {
        let caller = operator.clone().with("idempotency-key", &format!("key-{n}"));
        let (body, accounts) = (json!({"name": format!("A{n}"), "external_id": format!("a{n}")}), &accounts);
        async move { caller.post(accounts, body).await }
    };
    create(1_000).await.is(201);
    proxy.set(Harm::None);
    create(1_001).await.is(201);
    let (requested, replied) = proxy.counted();
    let mut refused = 0;
    for n in 0..PLACES {
        let (way, whole) = if n % 2 == 0 { (Way::Reply, replied) } else { (Way::Request, requested) };
        let after = whole * n / (PLACES - 1);
        proxy.set(if n % 4 < 2 { Harm::CutOnce(way, after) } else { Harm::CutForGood(way, after) });
        let first = create(n).await;
        proxy.set(Harm::None);
        let again = create(n).await.is(201);
        if first.status == 201 {
            assert_eq!(first.body, again);
        } else {
            refused += 1;
            assert_eq!(first.status, 503, "{}", first.text);
        }
        assert_eq!(create(n).await.is(201), again);
    }
    assert!(refused > PLACES / 4, "only {refused} were disturbed");
    let list = operator.get(&format!("{accounts}?limit=200")).await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len() as u64, PLACES + 3);
    let trail = operator.get(&format!("{organization}/audit?limit=200")).await.is(200);
    let created = trail["data"].as_array().unwrap().iter();
    let created = created.filter(|event| event["action"] == "account.created").count() as u64;
    assert_eq!(created, PLACES + 3, "each once");
}
