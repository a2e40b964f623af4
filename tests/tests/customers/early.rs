//! What people did before they were in any organization: it waits for those that the source puts them into (rules T7, G4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::home::{Home, Key};
use roster_core::model::customer::{CustomerKey, EarlyPart, Sign};
use roster_core::op::{Roster, run};
use roster_core::ops::stream::KeepEarly;
use roster_core::stop::Stop;
use roster_core::store::{
    ChangeSet, Clock as _, CommitError, Committed, Store, StoreError, StoreErrorKind, Write,
};
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::gate::{Between, Hook};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{Customers, drain, selected, text};

fn track(n: u32, user: &str, at: &str) -> Value {
    json!({"type": "track", "userId": user, "event": "Opened", "messageId": format!("t-{n}"), "timestamp": at})
}

fn group(user: &str, group: &str) -> Value {
    json!({"type": "group", "userId": user, "groupId": group})
}

/// How often somebody did something in an organization, and the first and last that was seen of them there.
async fn seen(at: &Customers, organization: &str, user: &str) -> (u64, Value, Value) {
    let operator = at.world.operator();
    let path = format!("/v1/organizations/ext:{organization}/activity?group_by=user&user=ext:{user}");
    let page = operator.get(&path).await.is(200);
    let count = page["data"][0]["count"].as_u64().unwrap_or_default();
    let export = operator.get(&format!("/v1/users/ext:{user}/export")).await.is(200);
    let all = export["organizations"].as_array().unwrap();
    let there = all.iter().find(|it| it["organization"]["name"] == json!(organization));
    let presence = there.map_or(Value::Null, |it| it["presence"].clone());
    (count, presence["first_seen_at"].clone(), presence["last_seen_at"].clone())
}

/// T7, G4: whatever comes first, and however often it is said that somebody belongs there, it counts once in each
/// organization that the source puts them into, and in no other one.
#[tokio::test]
async fn t7_what_came_before_the_first_organization_counts_in_those_of_the_source_once() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "each"})).await;
        let operator = at.world.operator();
        let (one, two) = ("2026-01-01T08:00:00.000Z", "2026-01-01T09:00:00.000Z");
        let expected = (2, json!(one), json!(two));
        for (n, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 0, 3], [0, 2, 3, 1]].into_iter().enumerate() {
            let user = format!("early-{n}");
            let n = u32::try_from(n).unwrap() * 10;
            let all = [
                track(n, &user, one),
                track(n + 1, &user, two),
                group(&user, "cloud"),
                group(&user, "other"),
            ];
            for which in order {
                at.says("/v1/batch", json!({"batch": [all[which]]})).await;
            }
            at.says("/v1/batch", json!({"batch": [all[2], all[0], all[3]]})).await;
            for organization in ["cloud", "other"] {
                assert_eq!(
                    seen(&at, organization, &user).await,
                    expected,
                    "{store}, {order:?}, {organization}"
                );
            }
        }
        // Where a hand puts them, the source has not said so.
        at.says("/v1/batch", json!({"batch": [track(90, "zoe", one)]})).await;
        let add = json!({"user": "ext:zoe", "access": {"type": "organization", "role": "viewer"}});
        operator.post("/v1/organizations/ext:other/members", add).await.is(201);
        at.says("/v1/batch", json!({"batch": [group("zoe", "cloud")]})).await;
        assert_eq!(seen(&at, "cloud", "zoe").await.0, 1, "{store}");
        assert_eq!(seen(&at, "other", "zoe").await.0, 0, "{store}");
        at.is_clean().await;
    }
}

fn sign() -> Sign {
    let at = "2026-01-01T08:00:00Z".parse().unwrap();
    Sign { message: 0, at, event: "Opened".to_owned(), session: None, received: false, sent: false }
}

/// T7, L5: so much waits and no more, for seven days, and not of somebody who is erased; an export holds it.
#[tokio::test]
async fn l5_what_waits_is_bounded_exported_and_forgotten() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "each"})).await;
        let operator = at.world.operator();
        let waiting = async || {
            let home = Home::Stream(at.source.parse().unwrap(), 1);
            at.service().roster.store.records(&home, None, 100).await.unwrap().len()
        };
        let many: Vec<Value> = (0..210).map(|n| track(n, "many", "2026-01-01T08:00:00Z")).collect();
        at.says("/v1/batch", json!({ "batch": many })).await;
        at.says("/v1/batch", json!({"batch": [track(300, "gone", "2026-01-01T08:00:00Z")]})).await;
        let export = operator.get("/v1/users/ext:gone/export").await.is(200);
        assert_eq!(export["messages"][0]["payload"]["event"], json!("Opened"), "{store}: {export}");
        assert_eq!(waiting().await, 2, "{store}");
        operator.post("/v1/users/ext:gone/erase", json!({"confirm": true})).await.is(202);
        at.works_off().await;
        assert_eq!(waiting().await, 1, "{store}: nothing of the erased");
        // A worker that died in the midst of it may have left something: the hourly round finds it.
        let left = EarlyPart {
            part: (Uuid::from_u128(1), 0),
            came_at: at.world.test().clock.now(),
            signs: vec![sign()],
        };
        let user = text(&export, "/user/id").parse().unwrap();
        let keep = KeepEarly { source: at.source.parse().unwrap(), user, part: left };
        let roster = &at.service().roster;
        run(roster, &Request::new(Actor::System, roster.entropy.as_ref()), &keep).await.unwrap();
        assert_eq!(waiting().await, 2, "{store}");
        drain(roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(waiting().await, 1, "{store}: nothing of the erased");
        at.says("/v1/batch", json!({"batch": [group("many", "cloud")]})).await;
        assert_eq!(seen(&at, "cloud", "many").await.0, 200, "{store}");
        at.world.test().clock.advance_seconds(7 * 86_400);
        drain(&at.service().roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(waiting().await, 0, "{store}: it has waited too long");
        at.says("/v1/batch", json!({"batch": [group("many", "other")]})).await;
        assert_eq!(seen(&at, "other", "many").await.0, 0, "{store}");
        at.is_clean().await;
    }
}

/// G4, G5: whenever the worker dies, what waited counts once in each of the organizations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_whenever_the_worker_dies_what_waited_counts_once() {
    let life = async |store: &str, crash: &Arc<Crash>| {
        let at = Customers::with(store, json!({"to": "each"})).await;
        let mut there = track(3, "zoe", "2026-01-01T10:00:00Z");
        there["context"] = json!({"groupId": "other"});
        let first = [track(1, "zoe", "2026-01-01T08:00:00Z"), track(2, "zoe", "2026-01-01T09:00:00Z"), there];
        let second = [group("zoe", "cloud"), group("zoe", "other"), track(4, "zoe", "2026-01-01T11:00:00Z")];
        for batch in [&first[..], &second] {
            at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
        }
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Crash>::clone(crash));
        let dying = Roster { store: below, ..at.service().roster.clone() };
        let _dead = drain(&dying).work_off().await;
        at
    };
    for store in selected() {
        let whole = Crash::never();
        life(store, &whole).await;
        let step = if store == "memory" { 1 } else { 11 };
        for n in (0..whole.commits()).step_by(step) {
            for loss in [Loss::Commit, Loss::Answer] {
                let at = life(store, &Crash::at(n, loss, Afterwards::Down)).await;
                at.world.test().clock.advance_seconds(10);
                at.applied().await;
                let counts = [seen(&at, "cloud", "zoe").await.0, seen(&at, "other", "zoe").await.0];
                assert_eq!(counts, [3, 4], "{store}, commit {n}, {loss:?}");
            }
        }
    }
}

/// Holds what is about to wait until it is let go; once it waits, fails at whatever speaks of `behind`, and ever after.
#[derive(Debug, Default)]
struct Dies {
    arrived: Notify,
    open: Notify,
    waits: AtomicBool,
    down: AtomicBool,
}

#[async_trait]
impl Hook for Dies {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let early = |write: &Write| matches!(write.key(), Some(Key::Customer(CustomerKey::Early(_))));
        if changes.writes.iter().any(early) && !self.waits.swap(true, Ordering::SeqCst) {
            self.arrived.notify_one();
            self.open.notified().await;
        } else if self.waits.load(Ordering::SeqCst) && format!("{changes:?}").contains("behind") {
            self.down.store(true, Ordering::SeqCst);
        }
        if self.down.load(Ordering::SeqCst) {
            let (kind, detail) = (StoreErrorKind::Unavailable, "the test is down".to_owned());
            return Err(StoreError { kind, operation: "commit", detail }.into());
        }
        store.commit(changes).await
    }
}

/// L5: whoever is erased while it is written down that something waits of them leaves nothing behind that part of the
/// request, so that it does not matter whether the worker comes to the end of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_nothing_waits_of_the_erased_though_the_worker_dies_in_the_next_part() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "each"})).await;
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "zoe@example.com"}})).await;
        let mut batch: Vec<Value> = (0..100).map(|n| track(n, "zoe", "2026-01-01T08:00:00Z")).collect();
        batch.push(json!({"type": "identify", "userId": "behind", "traits": {"email": "b@example.com"}}));
        at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
        let dies = Arc::new(Dies::default());
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Dies>::clone(&dies));
        let dying = drain(&Roster { store: below, ..at.service().roster.clone() });
        let meanwhile = Arc::clone(&dies);
        let work = tokio::spawn(async move {
            // Whoever finds the request another after a while begins it again.
            for _ in 0..3 {
                if !meanwhile.down.load(Ordering::SeqCst) {
                    let _dead = dying.work_off().await;
                }
            }
        });
        dies.arrived.notified().await;
        at.erases("zoe").await;
        dies.open.notify_one();
        work.await.unwrap();
        assert!(dies.down.load(Ordering::SeqCst), "{store}: it came to the next part");
        let home = Home::Stream(at.source.parse().unwrap(), 1);
        let left = at.service().roster.store.records(&home, None, 100).await.unwrap();
        assert!(left.is_empty(), "{store}: {left:?}");
        at.user("behind").await.refused(404, "not_found");
    }
}

/// T7, G5: what waits already and has no room in an organization says where it has none, and is not put back: said again
/// it would wait twice.
#[tokio::test]
async fn g5_what_waits_and_has_no_room_is_not_said_again() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "each"})).await;
        at.says("/v1/batch", json!({"batch": [group("zoe", "cloud")]})).await;
        let there = |n: u32| {
            let event = format!("e-{n:04}");
            json!({
                "type": "track", "userId": "zoe", "event": event, "messageId": event,
                "timestamp": "2026-01-01T08:00:00Z", "context": {"groupId": "cloud"},
            })
        };
        let full: Vec<Value> = (0..1_000).map(there).collect();
        at.says("/v1/batch", json!({"batch": full[..600]})).await;
        at.says("/v1/batch", json!({"batch": full[600..]})).await;
        at.says("/v1/batch", json!({"batch": [track(1, "zoe", "2026-01-01T09:00:00Z")]})).await;
        let cloud = at.world.operator().get("/v1/organizations/ext:cloud").await.is(200);
        let named = [format!("too_many_events:{}", text(&cloud, "/id"))];
        assert_eq!(at.dead().await, named, "{store}");
        assert_eq!(at.replayed_at_once().await, json!(0), "{store}");
        at.says("/v1/batch", json!({"batch": [group("zoe", "other")]})).await;
        assert_eq!(seen(&at, "other", "zoe").await.0, 1, "{store}: it has waited once");
        assert_eq!(at.dead().await, named, "{store}");
        at.is_clean().await;
    }
}
