//! Many sources, and one that sends much (rule G5).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use roster_core::home::{Home, Key, Record};
use roster_core::id::{SourceId, UserId};
use roster_core::ingest::Drain;
use roster_core::jobs::Worker;
use roster_core::model::customer::{Customer, CustomerKey};
use roster_core::op::Roster;
use roster_core::stop::Stop;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, Write};
use roster_tests::gate::{Between, Hook};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{Customers, basic, drain, selected, text};

/// Notes whose requests are done, in their order. Counts of people take their time.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<SourceId>>);

#[async_trait]
impl Hook for Noted {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if matches!(changes.home, Home::Activity(_)) {
            tokio::time::sleep(Duration::from_millis(110)).await;
        }
        let is_done = |write: &Write| matches!(write, Write::Remove(Key::Customer(CustomerKey::Inbox(_))));
        if let Home::Stream(source, 0) = changes.home
            && changes.writes.iter().any(is_done)
        {
            self.0.lock().unwrap().push(source);
        }
        store.commit(changes).await
    }
}

/// The others need not wait for the rest of a request that takes long, and it is applied as if it had been done at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_a_source_that_sends_much_keeps_no_other_waiting() {
    for store in selected() {
        let at = Customers::on(store).await;
        let groups = json!({"to": "one", "organization": "ext:cloud"});
        let other = json!({"name": "Other", "groups": groups});
        // Its turn comes behind that of the one before.
        at.world.test().clock.advance_seconds(1);
        let other = at.world.operator().post("/v1/sources", other).await.is(201);
        let opened = |n: usize| match n % 100 {
            7 => json!({"type": "dance", "userId": "max"}),
            _ => json!({"type": "track", "userId": "max", "event": "Opened", "messageId": format!("m-{n}")}),
        };
        let batch: Vec<Value> = (0..500).map(opened).collect();
        at.sender().post("/v1/batch", json!({ "batch": batch })).await.is(200);
        let sender = at.service().nobody().with("authorization", &basic(&text(&other, "/write_key")));
        sender.post("/v1/track", json!({"userId": "max", "event": "Closed"})).await.is(200);
        let noted = Arc::new(Noted::default());
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Noted>::clone(&noted));
        drain(&Roster { store: below, ..at.service().roster.clone() }).work_off().await.unwrap();
        let done: Vec<String> = noted.0.lock().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(done, [text(&other, "/id"), at.source.clone()], "{store}");
        assert_eq!(at.dead().await, ["unknown_type"; 5], "{store}: of all slices, once");
        let counts = "/v1/organizations/ext:cloud/activity?group_by=event";
        let counts = at.world.operator().get(counts).await.is(200)["data"].clone();
        assert_eq!((&counts[0]["count"], &counts[1]["count"]), (&json!(1), &json!(495)), "{store}");
    }
}

/// Changes people slowly, and no request's at once.
#[derive(Debug, Default)]
struct Slow {
    noted: Noted,
    seen: Mutex<BTreeSet<UserId>>,
    begun: AtomicUsize,
}

#[async_trait]
impl Hook for Slow {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if let (Home::User(user), Some(key)) = (&changes.home, changes.guards.keys().next()) {
            if self.seen.lock().unwrap().insert(*user) {
                return Err(CommitError::Conflict(key.clone()));
            }
            self.begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.noted.commit(store, changes).await
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap();
}

/// G5: as many sources as are at work at a time, each with a request that takes long and is one slice, keep no other waiting
/// until they are done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_many_slow_sources_keep_no_other_waiting() {
    for store in selected() {
        let at = Customers::on(store).await;
        let says = async |source: usize, many: usize| {
            let groups = json!({"to": "one", "organization": "ext:cloud"});
            let made = json!({"name": format!("Source {source}"), "groups": groups});
            let made = at.world.operator().post("/v1/sources", made).await.is(201);
            let told =
                |n: usize| json!({"type": "identify", "userId": format!("{source}-{n}"), "traits": {"n": n}});
            let batch: Vec<Value> = (0..many).map(told).collect();
            let sender = at.service().nobody().with("authorization", &basic(&text(&made, "/write_key")));
            sender.post("/v1/batch", json!({ "batch": batch })).await.is(200);
            text(&made, "/id")
        };
        for source in 0..5 {
            says(source, 20).await;
        }
        let (slow, wake, stop) = (Arc::new(Slow::default()), Arc::new(Notify::new()), Stop::default());
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Slow>::clone(&slow));
        let worker = Drain::new(Roster { store: below, ..at.service().roster.clone() }, Arc::clone(&wake));
        let work = tokio::spawn({
            let stop = stop.clone();
            async move { worker.work(stop).await }
        });
        until(|| slow.begun.load(Ordering::SeqCst) > 8).await;
        let last = says(5, 1).await;
        wake.notify_one();
        until(|| slow.noted.0.lock().unwrap().len() == 6).await;
        stop.give();
        work.await.unwrap();
        assert_eq!(slow.noted.0.lock().unwrap()[0].to_string(), last, "{store}");
        for source in 0..5 {
            let user = at.user(&format!("{source}-19")).await.is(200);
            assert_eq!(user["traits"]["n"], json!(19), "{store}");
        }
        assert_eq!(at.dead().await, [""; 0], "{store}");
    }
}

/// Counts letters that are put back: behind the first fifty it waits, and before the next it looks at what is not applied.
#[derive(Debug, Default)]
struct PutBack {
    many: AtomicUsize,
    arrived: Notify,
    open: Notify,
    waiting: Mutex<Option<usize>>,
}

#[async_trait]
impl Hook for PutBack {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let again = |write: &Write| match write {
            Write::Put(Record::Customer(it)) => matches!(&**it, Customer::Inbox(inbox) if inbox.again),
            _ => false,
        };
        if !changes.writes.iter().any(again) {
            return store.commit(changes).await;
        }
        let before = self.many.fetch_add(1, Ordering::SeqCst);
        if before == 50 {
            let there = store.records(&changes.home, None, 200).await?;
            let inbox = |key: Key| matches!(key, Key::Customer(CustomerKey::Inbox(_)));
            let waiting = there.iter().filter(|stored| inbox(stored.record.key())).count();
            *self.waiting.lock().unwrap() = Some(waiting);
        }
        let committed = store.commit(changes).await;
        if before == 49 {
            self.arrived.notify_one();
            self.open.notified().await;
        }
        committed
    }
}

/// G5: what a source sends while all of its dead letters are put back is applied before the next of them are, and not behind
/// them all. Time stands still while anybody is at work, so that a pause is as long as it is needed, on whatever machine.
#[tokio::test(start_paused = true)]
async fn g5_news_get_by_between_the_letters_that_a_job_puts_back() {
    if !selected().contains(&"memory") {
        return;
    }
    let at = Customers::on("memory").await;
    let dance = |n: u32| json!({"type": "dance", "userId": "max", "messageId": format!("d-{n}")});
    at.says("/v1/batch", json!({"batch": (0..70).map(dance).collect::<Vec<_>>()})).await;
    at.world.test().clock.advance_seconds(1);
    let path = format!("/v1/sources/{}/dead-letters/replay", at.source);
    at.world.operator().post(&path, json!({"all": true})).await.is(202);
    at.world.test().clock.advance_seconds(1);
    let (put_back, stop) = (Arc::new(PutBack::default()), Stop::default());
    let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<PutBack>::clone(&put_back));
    let job = Worker::new(Roster { store: below, ..at.service().roster.clone() }, Arc::default());
    let job = tokio::spawn(async move { job.work_off().await });
    put_back.arrived.notified().await;
    at.sender().post("/v1/identify", json!({"userId": "news", "traits": {"n": 1}})).await.is(200);
    let worker = drain(&at.service().roster);
    let work = tokio::spawn({
        let stop = stop.clone();
        async move { worker.work(stop).await }
    });
    put_back.open.notify_one();
    job.await.unwrap().unwrap();
    stop.give();
    work.await.unwrap();
    assert_eq!(*put_back.waiting.lock().unwrap(), Some(0), "before the fifty-first");
    assert_eq!(put_back.many.load(Ordering::SeqCst), 70);
    at.user("news").await.is(200);
}
