//! Who sends for webhooks, when something goes wrong or somebody takes long: rule X2.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use roster_core::home::TypedKey as _;
use roster_core::id::WebhookId;
use roster_core::model::{DeliveryError, MAX_PENDING, TheLine, WebhookLine};
use roster_core::op::Roster;
use roster_core::stop::Stop;
use roster_core::webhooks::{Answered, Courier, Message, Sender, Webhooks};
use roster_tests::gate::Between;
use roster_tests::http::text;
use roster_tests::receiver::{Receiver, Said, send_all};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::deliveries::{ALL, CLOUD, Dies, deliveries, happens, hooked};
use super::verified;

const URL: &str = "https://example.com/";
/// Longer than it takes to look at all lines twice.
const TWO_LOOKS: Duration = Duration::from_secs(12);

/// Keeps what it is to send, and says what it is told to, as fast as it is told to.
#[derive(Debug)]
struct Told {
    ids: Mutex<Vec<String>>,
    status: AtomicU16,
    panics: AtomicUsize,
    /// How long those take whose URL is not [`URL`].
    others_take: Duration,
}

impl Told {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ids: Mutex::default(),
            status: AtomicU16::new(200),
            panics: AtomicUsize::new(0),
            others_take: Duration::from_secs(3),
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn on(self: &Arc<Self>, roster: &Roster) -> Roster {
        Roster { webhooks: Webhooks::by(Arc::clone(self) as _, true), ..roster.clone() }
    }
}

#[async_trait]
impl Sender for Told {
    async fn send(&self, message: &Message) -> Result<Answered, DeliveryError> {
        if message.url.as_str() != URL {
            sleep(self.others_take).await;
            return Ok(Answered { status: 200, retry_after: None });
        }
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(message.id.clone());
        let panics = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        assert!(panics.is_err(), "falls over");
        Ok(Answered { status: self.status.load(Ordering::SeqCst), retry_after: None })
    }
}

/// A courier that goes on until it is told to stop, while something is done.
async fn meanwhile(roster: Roster, act: impl Future<Output = ()>) {
    let (stop, courier) = (Stop::default(), Courier::new(roster).unwrap());
    let work = tokio::spawn({
        let stop = stop.clone();
        async move { courier.work(stop).await }
    });
    act.await;
    stop.give();
    work.await.unwrap();
}

async fn line(world: &World, id: &str) -> WebhookLine {
    let id: WebhookId = id.parse().unwrap();
    let key = TheLine(id).key();
    let mut read =
        world.service.roster.store.read(&id.part(), std::slice::from_ref(&key), &[]).await.unwrap();
    TheLine::pick(read.records.remove(&key).unwrap().record).unwrap()
}

/// X2: what a killed sender has left is sent by whoever has been there all the time, when its lease has ended.
#[tokio::test(start_paused = true)]
async fn x2_what_a_dead_sender_leaves_is_sent_without_anything_new() {
    let (world, told) = (World::on("memory").await, Told::new());
    hooked(&world, URL, Some("ext:cloud")).await;
    happens(&world, "one").await;
    let hook = Arc::new(Dies { at: 0, notes: AtomicUsize::new(0) });
    let store = Between::new(Arc::clone(&world.test().store), hook);
    send_all(&Roster { store, ..told.on(&world.service.roster) }).await;
    let first = told.take();
    meanwhile(told.on(&world.service.roster), async {
        sleep(TWO_LOOKS).await;
        assert_eq!(told.take(), [] as [String; 0], "its lease may still be held");
        world.test().clock.advance_seconds(61);
        sleep(TWO_LOOKS).await;
        assert_eq!(told.take(), first);
    })
    .await;
    verified(&world).await;
}

/// X2: neither a failure of the store nor one of the sender itself makes a courier forget whom it served.
#[tokio::test(start_paused = true)]
async fn x2_a_courier_comes_back_to_what_it_could_not_finish() {
    for panics in [0, 1] {
        let (world, told) = (World::on("memory").await, Told::new());
        hooked(&world, URL, Some("ext:cloud")).await;
        happens(&world, "one").await;
        told.panics.store(panics, Ordering::SeqCst);
        let at = if panics == 0 { 0 } else { usize::MAX };
        let hook = Arc::new(Dies { at, notes: AtomicUsize::new(0) });
        let store = Between::new(Arc::clone(&world.test().store), hook);
        meanwhile(Roster { store, ..told.on(&world.service.roster) }, async {
            sleep(TWO_LOOKS).await;
            world.test().clock.advance_seconds(6);
            sleep(TWO_LOOKS).await;
            let first = told.take();
            assert_eq!(first.len(), 1);
            world.test().clock.advance_seconds(61);
            sleep(TWO_LOOKS).await;
            assert_eq!(told.take(), first);
        })
        .await;
    }
}

/// X2: an organization with many slow receivers keeps no other waiting.
#[tokio::test(start_paused = true)]
async fn x2_slow_receivers_of_one_organization_keep_no_other_waiting() {
    let (world, told) = (World::on("memory").await, Told::new());
    for _ in 0..20 {
        hooked(&world, "https://slow.example.com/", Some("ext:cloud")).await;
    }
    hooked(&world, URL, Some("ext:other")).await;
    for n in 0..30 {
        happens(&world, &format!("n{n}")).await;
    }
    let record = json!({"owner": "ext:mia", "title": "here"});
    world.operator().put("/v1/organizations/ext:other/records/deal/x", record).await.is(201);
    meanwhile(told.on(&world.service.roster), async {
        let came = async {
            while told.take().is_empty() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(10), came).await.expect("within a moment");
    })
    .await;
}

/// X2: so much waits to be tried again and no more; what comes behind it is not lost.
#[tokio::test]
async fn x2_what_waits_has_a_bound_and_nothing_is_lost() {
    let (world, told) = (World::on("memory").await, Told::new());
    let (id, _) = hooked(&world, URL, Some("ext:cloud")).await;
    let many = MAX_PENDING + 20;
    for n in 0..many {
        happens(&world, &format!("n{n}")).await;
    }
    told.status.store(500, Ordering::SeqCst);
    send_all(&told.on(&world.service.roster)).await;
    send_all(&told.on(&world.service.roster)).await;
    let mut ids: BTreeSet<String> = told.take().into_iter().collect();
    assert_eq!((ids.len(), line(&world, &id).await.pending.len()), (MAX_PENDING, MAX_PENDING));
    told.status.store(200, Ordering::SeqCst);
    world.test().clock.advance_seconds(60);
    send_all(&told.on(&world.service.roster)).await;
    ids.extend(told.take());
    assert_eq!((ids.len(), line(&world, &id).await.pending.len()), (many, 0));
    assert_eq!(deliveries(&world, &id, "?status=pending").await, [] as [Value; 0]);
    verified(&world).await;
}

/// X2: events that one receiver refuses do not slow down those that it takes.
#[tokio::test]
async fn x2_refused_events_keep_no_others_waiting() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        receiver.answer((0..6).map(|_| Said::With(500, "retry-after", "3600".to_owned())));
        for n in 0..8 {
            happens(&world, &format!("n{n}")).await;
        }
        send_all(&world.service.roster).await;
        assert_eq!(receiver.take().len(), 8, "one after the other, and nobody rests");
        world.test().clock.advance_seconds(7);
        send_all(&world.service.roster).await;
        assert_eq!(receiver.take().len(), 6);
    }
}

/// X2: whoever changes the URL since nobody is at the old one has at once what waits.
#[tokio::test]
async fn x2_what_waits_goes_to_a_new_url_at_once() {
    for store in selected() {
        let (world, old) = (World::with_webhooks(store).await, Receiver::start().await);
        let new = Receiver::start().await;
        let (id, _) = hooked(&world, &old.url(), Some("ext:cloud")).await;
        old.always(Some(Said::With(503, "retry-after", "86400".to_owned())));
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        send_all(&world.service.roster).await;
        let first = old.one();
        let moved = json!({"url": new.url()});
        world.operator().patch(&format!("{ALL}/{id}"), moved).await.is(200);
        send_all(&world.service.roster).await;
        let got = new.take();
        assert_eq!(got[0].header("webhook-id"), first.header("webhook-id"));
        assert_eq!(deliveries(&world, &id, "?status=pending").await, [] as [Value; 0]);
        verified(&world).await;
    }
}

/// X2: what waits when an organization is closed is given up, and nothing is sent again.
#[tokio::test]
async fn x2_what_waits_when_an_organization_is_closed_is_given_up() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let (id, _) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        receiver.answer([Said::Status(500)]);
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        receiver.one();
        let confirm = json!({"confirm": true});
        world.operator().call(http::Method::DELETE, CLOUD, Some(confirm)).await.is(204);
        world.test().clock.advance_seconds(6);
        send_all(&world.service.roster).await;
        let row = &deliveries(&world, &id, "").await[0];
        assert_eq!((&row["status"], &row["next_attempt_at"]), (&json!("failed"), &Value::Null));
        let path = format!("{ALL}/{id}/deliveries/{}/redeliver", text(row, "/id"));
        world.operator().post(&path, json!({})).await.refused(409, "organization_closed");
        world.person("olga").post(&path, json!({})).await.refused(404, "not_found");
        assert_eq!(receiver.take().len(), 0);
        verified(&world).await;
    }
}

/// P5: what is not there is told before what one may not do.
#[tokio::test]
async fn p5_a_delivery_that_is_not_there_is_told_before_what_one_may_not() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let (id, _) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        let sent = text(&deliveries(&world, &id, "").await[0], "/id");
        let path = |delivery: &str| format!("{ALL}/{id}/deliveries/{delivery}/redeliver");
        let nora = world.person("nora");
        nora.post(&path(&sent), json!({})).await.refused(403, "forbidden");
        nora.post(&path("dlv_01kb2y0v4tejq8vt0d7c3w4n5e"), json!({})).await.refused(404, "not_found");
    }
}
