//! A request is applied at once, and others may act meanwhile (rules G5, G6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use roster_core::home::Home;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store};
use roster_tests::gate::{Between, Hook};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{Customers, drain, selected};

/// Waits before the first commit to an organization until something else was done.
#[derive(Debug, Default)]
struct Pause {
    done: AtomicBool,
    reached: Notify,
    go_on: Notify,
}

#[async_trait]
impl Hook for Pause {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if matches!(changes.home, Home::Organization(_)) && !self.done.swap(true, Ordering::SeqCst) {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        store.commit(changes).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_one_removed_by_hand_while_a_request_is_applied_stays_out() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "north", "messageId": "1"})).await;
        assert_eq!(at.role("zoe", "north").await, json!("member"), "{store}");
        at.world.test().clock.advance_seconds(1);
        let batch = json!([
            {"type": "group", "userId": "zoe", "groupId": "south", "messageId": "2"},
            {"type": "group", "userId": "yan", "groupId": "south", "messageId": "3", "traits": {"plan": "pro"}},
            {"type": "track", "userId": "yan", "event": "Opened", "messageId": "4"},
        ]);
        at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
        let pause = Arc::new(Pause::default());
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Pause>::clone(&pause));
        let paused = Roster { store: below, ..at.service().roster.clone() };
        let worker = drain(&paused);
        let (applied, ()) = futures::join!(worker.work_off(), async {
            pause.reached.notified().await;
            at.world.operator().delete("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
            pause.go_on.notify_one();
        });
        applied.unwrap();
        let member = at.world.operator().get("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
        assert_eq!(member["status"], json!("former"), "{store}");
        assert_eq!(at.dead().await, ["removed_by_hand"], "{store}");
        assert_eq!(at.role("yan", "south").await, json!("member"), "{store}");
        assert_eq!(at.account("south").await["traits"]["plan"], json!("pro"), "{store}");
        at.is_clean().await;
    }
}

/// Counts what goes by.
#[derive(Debug, Default)]
struct Counter(AtomicUsize);

#[async_trait]
impl Hook for Counter {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        store.commit(changes).await
    }
}

#[tokio::test]
async fn a_request_of_many_messages_is_few_commits() {
    let at = Customers::on("memory").await;
    let told = |n: usize| json!({"type": "track", "userId": format!("u{}", n % 10), "event": "Opened", "messageId": n});
    let joins = |n: usize| json!({"type": "group", "userId": format!("u{n}"), "groupId": "north", "messageId": format!("g{n}")});
    at.says("/v1/batch", json!({"batch": (0..10).map(joins).collect::<Vec<Value>>()})).await;
    let batch: Vec<Value> = (0..100).map(told).collect();
    at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
    let counter = Arc::new(Counter::default());
    let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Counter>::clone(&counter));
    drain(&Roster { store: below, ..at.service().roster.clone() }).work_off().await.unwrap();
    // Sixteen remember the messages, one counts what the people did; the lease, the end of the request and of the lease.
    assert!(counter.0.load(Ordering::SeqCst) <= 20, "{counter:?}");
    let report = "/v1/organizations/ext:cloud/activity?group_by=event";
    assert_eq!(at.world.operator().get(report).await.is(200)["data"][0]["count"], json!(100));
}
