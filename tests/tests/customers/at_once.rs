//! A request is applied at once, and others may act meanwhile (rules G5, G6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use roster_core::home::Home;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError};
use roster_tests::gate::{Between, Hook};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::owners::maps;
use crate::tenants::each;
use crate::{Customers, drain, selected};

/// Waits before the first commit to some home until something else was done.
#[derive(Debug)]
struct Pause {
    before: fn(&Home) -> bool,
    done: AtomicBool,
    reached: Notify,
    go_on: Notify,
}

#[async_trait]
impl Hook for Pause {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if (self.before)(&changes.home) && !self.done.swap(true, Ordering::SeqCst) {
            self.reached.notify_one();
            self.go_on.notified().await;
        }
        store.commit(changes).await
    }
}

/// Has what was sent applied, and something done just before the first commit to some home.
async fn applied_with(at: &Customers, before: fn(&Home) -> bool, meanwhile: impl Future<Output = ()>) {
    let pause = Arc::new(Pause {
        before,
        done: AtomicBool::new(false),
        reached: Notify::new(),
        go_on: Notify::new(),
    });
    let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Pause>::clone(&pause));
    let worker = drain(&Roster { store: below, ..at.service().roster.clone() });
    let (applied, ()) = futures::join!(Box::pin(worker.work_off()), async {
        pause.reached.notified().await;
        Box::pin(meanwhile).await;
        pause.go_on.notify_one();
    });
    applied.unwrap();
}

const fn organizations(home: &Home) -> bool {
    matches!(home, Home::Organization(_))
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
        applied_with(&at, organizations, async {
            at.world.operator().delete("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
        })
        .await;
        let member = at.world.operator().get("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
        assert_eq!(member["status"], json!("former"), "{store}");
        assert_eq!(at.dead().await, ["removed_by_hand"], "{store}");
        assert_eq!(at.role("yan", "south").await, json!("member"), "{store}");
        assert_eq!(at.account("south").await["traits"]["plan"], json!("pro"), "{store}");
        at.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_free_only_once_nobody_bears_it() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let zoe = json!({"userId": "zoe", "messageId": "1", "traits": {"email": "zoe@example.com"}});
        at.says("/v1/identify", zoe).await;
        at.world.test().clock.advance_seconds(1);
        let moves = json!({"userId": "zoe", "messageId": "2", "traits": {"email": "zoe.new@example.com"}});
        at.sender().post("/v1/identify", moves).await.is(200);
        let claims = |home: &Home| matches!(home, Home::Claim(_));
        applied_with(&at, claims, async {
            operator.post("/v1/users", json!({"email": "zoe.new@example.com"})).await.is(201);
        })
        .await;
        assert_eq!(at.dead().await, ["email_exists"], "{store}");
        assert_eq!(at.user("zoe").await.is(200)["email"], json!("zoe@example.com"), "{store}");
        operator.post("/v1/users", json!({"email": "zoe@example.com"})).await.refused(409, "email_exists");
        at.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_a_mapping_that_comes_while_a_request_is_applied_counts() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "north", "messageId": "1"})).await;
        at.world.test().clock.advance_seconds(1);
        let told = json!({"userId": "yan", "groupId": "north", "messageId": "2", "traits": {"csm": "zoe"}});
        at.sender().post("/v1/group", told).await.is(200);
        applied_with(&at, organizations, async {
            maps(&at, "/v1/organizations/ext:cloud/trait-mappings", json!("csm")).await;
        })
        .await;
        let zoe = at.user("zoe").await.is(200)["id"].clone();
        assert_eq!(at.account("north").await["account_owner"]["user_id"], zoe, "{store}");
        at.is_clean().await;
    }
}

/// Counts what goes by.
#[derive(Debug, Default)]
struct Counter {
    reads: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Hook for Counter {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        store.commit(changes).await
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// How many reads and commits it takes to apply what was sent.
async fn counted(at: &Customers) -> (usize, usize) {
    let counter = Arc::new(Counter::default());
    let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Counter>::clone(&counter));
    drain(&Roster { store: below, ..at.service().roster.clone() }).work_off().await.unwrap();
    (counter.reads.load(Ordering::SeqCst), counter.commits.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_request_of_many_messages_is_few_commits() {
    let at = Customers::on("memory").await;
    let told = |n: usize| json!({"type": "track", "userId": format!("u{}", n % 10), "event": "Opened", "messageId": n});
    let joins = |n: usize| json!({"type": "group", "userId": format!("u{n}"), "groupId": "north", "messageId": format!("g{n}")});
    at.says("/v1/batch", json!({"batch": (0..10).map(joins).collect::<Vec<Value>>()})).await;
    let batch: Vec<Value> = (0..100).map(told).collect();
    at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
    // Sixteen remember the messages, one counts what the people did; the lease, the end of the request and of the lease.
    let (_, commits) = counted(&at).await;
    assert!(commits <= 20, "{commits}");
    let report = "/v1/organizations/ext:cloud/activity?group_by=event";
    assert_eq!(at.world.operator().get(report).await.is(200)["data"][0]["count"], json!(100));
}

/// Whatever its groups are: what a request speaks of is read once, however often it speaks of it.
#[tokio::test(start_paused = true)]
async fn a_request_of_many_messages_is_few_reads() {
    let one = json!({"to": "one", "organization": "ext:cloud"});
    for groups in [one, each(), json!({"to": "trait", "trait": "tenant"})] {
        let to = groups["to"].clone();
        let at = if to == "one" {
            Customers::with("memory", groups).await
        } else {
            Customers::making("memory", groups).await
        };
        // Ten people and groups, each spoken of three times in so many rounds.
        let told = |round: usize, n: usize| {
            let (user, group) = (format!("u{n}"), format!("g{n}"));
            let traits = json!({"tenant": format!("t{n}"), "name": format!("Name {n}"), "plan": "pro"});
            let mut company = traits.clone();
            company["id"] = json!(group);
            let context = json!({"groupId": group, "traits": {"tenant": format!("t{n}")}});
            [
                json!({"type": "identify", "userId": user, "traits": {"name": user, "company": company}}),
                json!({"type": "group", "userId": user, "groupId": group, "traits": traits}),
                json!({"type": "track", "userId": user, "event": format!("Opened {round}"), "context": context}),
            ]
        };
        let batch = |rounds: usize| {
            let all = (0..rounds).flat_map(|round| (0..10).flat_map(move |n| told(round, n)));
            json!({"batch": all.collect::<Vec<Value>>()})
        };
        at.says("/v1/batch", batch(1)).await;
        let mut found = Vec::new();
        for rounds in [1, 3] {
            at.world.test().clock.advance_seconds(1);
            at.sender().post("/v1/batch", batch(rounds)).await.is(200);
            found.push(counted(&at).await);
        }
        assert_eq!(at.dead().await, [""; 0], "{to}");
        // Sixty messages more renew the lease six times, and read nothing else; time stands still, so that no turn ends.
        let [(few, before), (many, after)] = found[..] else { unreachable!("two rounds") };
        assert!(many <= few + 20, "{to}: {few} reads for thirty messages, {many} for ninety");
        assert!(after <= before + 10, "{to}: {before} commits for thirty messages, {after} for ninety");
    }
}
