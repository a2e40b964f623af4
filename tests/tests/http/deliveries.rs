//! What webhooks send, to whom, and what becomes of it: rule X2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use roster_core::feed::{keep_feed, sweep_once};
use roster_core::home::{Home, Record};
use roster_core::model::WebhookRecord;
use roster_core::op::Roster;
use roster_core::stop::Stop;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
use roster_core::time::Timestamp;
use roster_core::webhooks::Courier;
use roster_tests::gate::{Between, Hook};
use roster_tests::http::{Service, text};
use roster_tests::receiver::{Got, Receiver, Said, send_all, sending};
use roster_tests::replicas::again;
use roster_tests::stores::{CountingEntropy, selected};
use roster_tests::world::World;
use serde_json::{Value, json};

use super::{verified, work_off};

pub(super) const ALL: &str = "/v1/webhooks";
pub(super) const CLOUD: &str = "/v1/organizations/ext:cloud";

/// A webhook of `ext:cloud`, or of the deployment: its id and its secret.
pub(super) async fn hooked(world: &World, url: &str, organization: Option<&str>) -> (String, String) {
    let body = json!({"url": url, "organization": organization});
    let made = world.operator().post(ALL, body).await.is(201);
    (text(&made, "/id"), text(&made, "/secret"))
}

/// Something happens in `ext:cloud`.
pub(super) async fn happens(world: &World, title: &str) {
    let body = json!({"owner": "ext:nils", "title": title});
    let path = format!("{CLOUD}/records/deal/{title}");
    world.operator().put(&path, body).await;
}

pub(super) async fn deliveries(world: &World, webhook: &str, query: &str) -> Vec<Value> {
    let page = world.operator().get(&format!("{ALL}/{webhook}/deliveries{query}")).await.is(200);
    page["data"].as_array().unwrap().clone()
}

fn titles(got: &[Got]) -> Vec<String> {
    got.iter().map(|got| text(&got.event(), "/data/after/title")).collect()
}

/// X2: events from the making on, as they are shown, each once, in order, signed so that others can check it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the library of others looks at the clock of the machine")]
async fn x2_events_are_sent_as_they_are_shown_and_signed() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        world.test().clock.set(Timestamp::from_micros(i64::try_from(real).unwrap() + 1_000_000));
        let (id, secret) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        for title in ["one", "two", "three"] {
            happens(&world, title).await;
        }
        world.operator().put("/v1/organizations/ext:other/records/deal/x", json!({"owner": "ext:mia"})).await;
        send_all(&world.service.roster).await;
        send_all(&world.service.roster).await;
        let got = receiver.take();
        assert_eq!(titles(&got), ["one", "two", "three"]);
        let shown = world.operator().get(&format!("{CLOUD}/events?limit=200")).await.is(200);
        let shown = shown["data"].as_array().unwrap();
        let sent: Vec<Value> = got.iter().map(Got::event).collect();
        assert_eq!(sent, shown[shown.len() - 3..]);
        for got in &got {
            assert_eq!(
                (got.target.as_str(), got.header("content-type")),
                ("/hooks?to=1", "application/json")
            );
            assert_eq!(got.header("webhook-id"), text(&got.event(), "/id"));
            assert!(!got.header("webhook-id").contains('.'));
            assert!(got.is_taken_by(&secret), "{:?}", got.headers);
            let changed = Got { body: [&got.body[..], b" "].concat(), ..got.clone() };
            assert!(!changed.is_taken_by(&secret));
            assert!(!got.is_taken_by("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="));
        }
        let listed = deliveries(&world, &id, "").await;
        let events: Vec<_> = listed.iter().map(|row| text(row, "/event/id")).collect();
        assert_eq!(events, sent.iter().map(|event| text(event, "/id")).collect::<Vec<_>>());
        let first = &listed[0];
        assert_eq!(
            first,
            &json!({
                "id": first["id"], "webhook_id": id, "status": "delivered", "attempts": 1,
                "response_status": 200, "error": null, "created_at": first["created_at"],
                "next_attempt_at": null, "delivered_at": first["created_at"],
                "event": {
                    "id": sent[0]["id"], "type": "record.created",
                    "organization_id": sent[0]["organization_id"], "seq": sent[0]["seq"],
                },
            })
        );
        verified(&world).await;
    }
}

/// X2: only what was asked for.
#[tokio::test]
async fn x2_only_the_types_that_were_asked_for_are_sent() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let types = json!(["member.removed", "record.deleted"]);
        let body = json!({"url": receiver.url(), "types": types, "organization": "ext:cloud"});
        let id = text(&world.operator().post(ALL, body).await.is(201), "/id");
        happens(&world, "one").await;
        world.operator().delete(&format!("{CLOUD}/records/deal/one")).await.is(204);
        world.operator().delete(&format!("{CLOUD}/members/ext:max")).await.is(200);
        send_all(&world.service.roster).await;
        assert_eq!(receiver.kinds(), ["record.deleted", "member.removed"]);
        // From now on others; what was passed over is not sent after all.
        world.operator().patch(&format!("{ALL}/{id}"), json!({"types": ["record.created"]})).await.is(200);
        happens(&world, "two").await;
        send_all(&world.service.roster).await;
        assert_eq!(titles(&receiver.take()), ["two"]);
    }
}

/// X2: what fails is tried again, later and later, with the same id; nothing of what the receiver says is kept.
#[tokio::test]
async fn x2_what_fails_is_tried_again() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let roster = &world.service.api.roster;
        let (id, secret) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        receiver.answer([Said::Status(500), Said::Nothing, Said::Status(302), Said::Status(204)]);
        happens(&world, "one").await;
        let mut ids = Vec::new();
        for (wait, status, answered, error) in [
            (0, "pending", json!(500), json!("status")),
            (6, "pending", Value::Null, json!("timeout")),
            (360, "pending", json!(302), json!("status")),
            (2_160, "delivered", json!(204), Value::Null),
        ] {
            world.test().clock.advance_seconds(wait);
            send_all(roster).await;
            send_all(roster).await;
            let got = receiver.one();
            assert!(got.is_signed_by(&secret));
            ids.push(got.header("webhook-id").to_owned());
            let listed = deliveries(&world, &id, "").await;
            let row = &listed[0];
            assert_eq!((listed.len(), &row["status"]), (1, &json!(status)));
            assert_eq!((&row["response_status"], &row["error"]), (&answered, &error));
            assert_eq!(
                (row["attempts"].as_u64(), row["next_attempt_at"].is_null()),
                (Some(ids.len() as u64), status == "delivered")
            );
            assert!(!format!("{row}").contains("own words"));
            if wait == 360 {
                let told = world.service.nobody().get("/metrics").await.text;
                for line in
                    ["roster_webhook_deliveries_pending 1", "roster_webhook_oldest_pending_seconds 366.0"]
                {
                    assert!(told.lines().any(|known| known == line), "{store}: {line}\n{told}");
                }
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "constant over retries");
        assert_eq!(deliveries(&world, &id, "?status=pending").await, [] as [Value; 0]);
        let home = roster.store.homes(None, 1_000).await.unwrap();
        for home in home.into_iter().filter(|home| matches!(home, Home::Webhooks(_))) {
            let dump = format!("{:?}", roster.store.dump(&home).await.unwrap());
            assert!(!dump.contains("whsec_") && !dump.contains("own words"));
        }
        verified(&world).await;
    }
}

/// X2: tried for three days, then given up, and a redirect is followed by nobody.
#[tokio::test]
async fn x2_what_fails_for_three_days_is_given_up() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let elsewhere = Receiver::start().await;
        let (id, _) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        receiver.always(Some(Said::With(307, "location", elsewhere.url())));
        happens(&world, "one").await;
        let mut tries = 0;
        for _ in 0..100 {
            send_all(&world.service.roster).await;
            tries += receiver.take().len();
            world.test().clock.advance_seconds(3_600);
        }
        assert_eq!((tries, elsewhere.take().len()), (10, 0));
        let row = &deliveries(&world, &id, "?status=failed").await[0];
        assert_eq!((&row["attempts"], &row["response_status"]), (&json!(10), &json!(307)));
    }
}

/// X2, Standard Webhooks: 410 gives the event up at once and disables the webhook, seen by whoever looks; enabled again it
/// is sent what came meanwhile, what waited, and what is asked for again.
#[tokio::test]
async fn x2_a_receiver_that_is_gone_disables_its_webhook() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let [one, two, three] = ["one", "two", "three"];
        let (id, _) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        let (operator, path) = (world.operator(), format!("/v1/webhooks/{id}"));
        assert_eq!(operator.get(&path).await.is(200)["status"], json!("enabled"));
        receiver.answer([Said::Status(500), Said::Status(410)]);
        for title in [one, two, three] {
            happens(&world, title).await;
        }
        send_all(&world.service.roster).await;
        assert_eq!(titles(&receiver.take()), [one, two], "{store}: nothing after 410");
        let shown = operator.get(&path).await.is(200);
        assert_eq!(
            (&shown["status"], &shown["disabled_reason"]),
            (&json!("disabled"), &json!("receiver_gone"))
        );
        assert!(shown["disabled_at"].is_string());
        let audit = format!("{CLOUD}/audit?action=webhook.updated");
        let rows = operator.get(&audit).await.is(200);
        let row = rows["data"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&row["actor"]["type"], &row["before"]["status"], &row["after"]["disabled_reason"]),
            (&json!("system"), &json!("enabled"), &json!("receiver_gone"))
        );
        let listed = deliveries(&world, &id, "").await;
        let stands: Vec<_> = listed.iter().map(|row| row["status"].clone()).collect();
        assert_eq!(stands, ["pending", "failed"], "{store}");
        world.test().clock.advance_seconds(7 * 86_400);
        send_all(&world.service.roster).await;
        let gone = format!("{path}/deliveries/{}/redeliver", listed[1]["id"].as_str().unwrap());
        operator.post(&gone, json!({})).await.is(200);
        send_all(&world.service.roster).await;
        assert_eq!(receiver.take().len(), 0, "{store}: as long as it is disabled");
        let enabled = operator.patch(&path, json!({"status": "enabled"})).await.is(200);
        assert_eq!((&enabled["status"], &enabled["disabled_reason"]), (&json!("enabled"), &Value::Null));
        send_all(&world.service.roster).await;
        let taken = receiver.take();
        let told = |it: &&Got, title: &str| it.event()["data"]["after"]["title"] == json!(title);
        let of = |title: &str| taken.iter().filter(|it| told(it, title)).count();
        assert_eq!((of(one), of(two), of(three)), (1, 1, 1), "{store}");
        let stands = deliveries(&world, &id, "?status=delivered").await.len();
        assert!(stands >= 3, "{store}");
        operator.patch(&path, json!({"status": "disabled"})).await.is(200);
        let shown = operator.get(&path).await.is(200);
        assert_eq!(shown["disabled_reason"], json!("by_hand"));
        operator.patch(&path, json!({"status": "gone"})).await.refused(422, "invalid");
        operator.patch(&path, json!({"status": null})).await.refused(422, "invalid");
        verified(&world).await;
    }
}

/// X2: one event that is not taken keeps no other waiting; a receiver that takes nothing is left alone for a while.
#[tokio::test]
async fn x2_a_failing_event_does_not_stop_the_others() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        receiver.answer([Said::Status(500), Said::Status(200), Said::Status(500)]);
        for title in ["one", "two", "three", "four"] {
            happens(&world, title).await;
        }
        send_all(&world.service.roster).await;
        assert_eq!(titles(&receiver.take()), ["one", "two", "three", "four"]);
        world.test().clock.advance_seconds(6);
        send_all(&world.service.roster).await;
        let mut tried_again = titles(&receiver.take());
        tried_again.sort();
        assert_eq!(tried_again, ["one", "three"]);
        // Down for an hour, while much happens.
        receiver.always(Some(Said::Status(503)));
        for n in 0..60 {
            happens(&world, &format!("n{n}")).await;
            send_all(&world.service.roster).await;
            world.test().clock.advance_seconds(60);
        }
        let tries = receiver.take().len();
        assert!(
            (12..25).contains(&tries),
            "{tries}: at most one in five minutes once it is clear that it is down"
        );
        receiver.always(None);
        world.test().clock.advance_seconds(3_600);
        for _ in 0..3 {
            send_all(&world.service.roster).await;
            world.test().clock.advance_seconds(24 * 3_600);
        }
        let mut got = titles(&receiver.take());
        got.sort();
        let mut all: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
        all.sort();
        assert_eq!(got, all, "nothing is lost");
    }
}

/// X2: a receiver that does not answer keeps nobody else's waiting.
#[tokio::test]
async fn x2_a_receiver_that_hangs_delays_no_other() {
    for store in selected() {
        let world = World::with_webhooks(store).await;
        let (slow, receiver) = (Receiver::start().await, Receiver::start().await);
        slow.always(Some(Said::Nothing));
        for _ in 0..19 {
            hooked(&world, &slow.url(), Some("ext:cloud")).await;
        }
        hooked(&world, &receiver.url(), Some("ext:other")).await;
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        happens(&world, "two").await;
        world.test().clock.advance_seconds(6);
        let others = json!({"owner": "ext:mia", "title": "here"});
        world.operator().put("/v1/organizations/ext:other/records/deal/x", others).await.is(201);
        let (courier, begun) =
            (Courier::new(world.service.roster.clone()).unwrap(), std::time::Instant::now());
        let (done, took) = futures::join!(courier.work_off(), async {
            receiver.next().await;
            begun.elapsed()
        });
        done.unwrap();
        assert!(took < begun.elapsed() / 2, "{took:?} of {:?}", begun.elapsed());
    }
}

/// X2: never to private addresses unless that is allowed: by number it is refused at once, by name when it is sent; and as
/// a name that is nobody's.
#[tokio::test]
async fn x2_nothing_goes_to_a_private_address_unless_that_is_allowed() {
    for store in selected() {
        let receiver = Receiver::start().await;
        let world = World::of(Service::with_webhooks(store, false).await).await;
        let (nowhere, _) = hooked(&world, "http://nowhere.test/", Some("ext:cloud")).await;
        let (id, _) = hooked(&world, &receiver.url_by_name(), Some("ext:cloud")).await;
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        let row = &deliveries(&world, &id, "").await[0];
        assert_eq!((&row["status"], &row["error"]), (&json!("pending"), &json!("refused_address")));
        let other = &deliveries(&world, &nowhere, "").await[0];
        assert_eq!((&other["status"], &other["error"]), (&row["status"], &row["error"]));
        assert_eq!((receiver.take().len(), &row["response_status"]), (0, &Value::Null));
        // What was made where it is allowed is not sent where it is not.
        let allowed = Roster { ..sending(world.service.roster.clone(), true) };
        world.test().clock.advance_seconds(6);
        send_all(&allowed).await;
        assert_eq!(titles(&receiver.take()), ["one"]);
        happens(&world, "two").await;
        send_all(&world.service.roster).await;
        assert_eq!(receiver.take().len(), 0);
    }
}

/// X2: on two replicas at once each event is sent once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_two_replicas_send_each_event_once() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        let clock = Arc::clone(&world.test().clock);
        let entropy = Arc::new(CountingEntropy::after(clock, 1 << 40));
        let other = sending(Roster::new(again(world.test()).await, entropy), true);
        let titles_of = |n: usize| (0..10).map(move |m| format!("n{n}{m}"));
        for n in 0..5 {
            for title in titles_of(n) {
                happens(&world, &title).await;
            }
            futures::join!(send_all(&world.service.roster), send_all(&other));
        }
        send_all(&other).await;
        assert_eq!(titles(&receiver.take()), (0..5).flat_map(titles_of).collect::<Vec<_>>());
    }
}

/// Loses the n-th note of an attempt, as a process that dies before it is written.
#[derive(Debug)]
pub(super) struct Dies {
    pub(super) at: usize,
    pub(super) notes: AtomicUsize,
}

#[async_trait]
impl Hook for Dies {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let is_attempt = changes.writes.iter().any(|write| {
            matches!(write, Write::Put(Record::Webhook(it)) if matches!(**it, WebhookRecord::Delivery(_)))
        });
        if is_attempt && self.notes.fetch_add(1, Ordering::SeqCst) == self.at {
            let (kind, operation) = (StoreErrorKind::Unavailable, "commit");
            return Err(StoreError { kind, operation, detail: "died".into() }.into());
        }
        store.commit(changes).await
    }
}

/// X2: whoever dies between sending and noting loses nothing, and sends one event again with the same id.
#[tokio::test]
async fn x2_a_sender_that_dies_loses_nothing_and_repeats_one() {
    for store in selected() {
        for at in 0..3 {
            let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
            hooked(&world, &receiver.url(), Some("ext:cloud")).await;
            for title in ["one", "two", "three"] {
                happens(&world, title).await;
            }
            let hook = Arc::new(Dies { at, notes: AtomicUsize::new(0) });
            let below = Arc::clone(&world.test().store);
            let dying = Roster { store: Between::new(below, hook), ..world.service.roster.clone() };
            send_all(&dying).await;
            let before = receiver.take();
            send_all(&world.service.roster).await;
            assert_eq!(receiver.take().len(), 0, "its lease may still be held");
            world.test().clock.advance_seconds(61);
            send_all(&world.service.roster).await;
            let after = receiver.take();
            let all = ["one", "two", "three"];
            assert_eq!(titles(&before), all[..=at]);
            assert_eq!(titles(&after), all[at..], "from the one that was not noted on");
            assert_eq!(before[at].header("webhook-id"), after[0].header("webhook-id"));
        }
    }
}

/// X2: while a secret is turned, messages bear both signatures.
#[tokio::test]
async fn x2_a_turned_secret_is_good_beside_the_old_one_for_a_while() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let (id, old) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        let path = format!("{ALL}/{id}/rotate-secret");
        let anna = world.person("anna").with("idempotency-key", "k1");
        let turned = anna.post(&path, json!({"overlap_seconds": 60})).await.is(200);
        assert_eq!(anna.post(&path, json!({"overlap_seconds": 60})).await.is(200), turned, "once");
        let new = text(&turned, "/secret");
        assert_ne!(new, old);
        send_all(&world.service.roster).await;
        let got = receiver.one();
        assert_eq!(
            (got.kind().as_str(), got.header("webhook-signature").split(' ').count()),
            ("webhook.rotated", 2)
        );
        assert!(got.is_signed_by(&old) && got.is_signed_by(&new));
        world.test().clock.advance_seconds(60);
        happens(&world, "one").await;
        send_all(&world.service.roster).await;
        let got = receiver.one();
        assert!(!got.is_signed_by(&old) && got.is_signed_by(&new));
        let newest = text(&world.person("anna").post(&path, json!({})).await.is(200), "/secret");
        send_all(&world.service.roster).await;
        let got = receiver.one();
        assert!(
            got.is_signed_by(&newest) && !got.is_signed_by(&new),
            "at once, where nothing else was asked for"
        );
    }
}

/// X2: whatever was sent can be sent again, by its id, with the body that it has then.
#[tokio::test]
async fn x2_an_event_is_sent_again_when_asked_for() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let (id, secret) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        roster_tests::world::join(
            &world.operator(),
            "cloud",
            "eva",
            json!({"type": "organization", "role": "viewer"}),
        )
        .await;
        send_all(&world.service.roster).await;
        let first = receiver.one();
        assert_eq!(first.event()["data"]["after"]["email"], "eva@example.com");
        let delivery = text(&deliveries(&world, &id, "").await[0], "/id");
        let path = format!("{ALL}/{id}/deliveries/{delivery}/redeliver");
        let anna = world.person("anna").with("idempotency-key", "k1");
        let asked = anna.post(&path, json!({})).await.is(200);
        assert_eq!((&asked["status"], &asked["delivered_at"]), (&json!("pending"), &Value::Null));
        assert_eq!(anna.post(&path, json!({})).await.is(200), asked);
        receiver.answer([Said::Status(500)]);
        send_all(&world.service.roster).await;
        assert_eq!(receiver.take().len(), 1);
        world.test().clock.advance_seconds(6);
        send_all(&world.service.roster).await;
        let again = receiver.one();
        assert_eq!((again.header("webhook-id"), &again.body), (first.header("webhook-id"), &first.body));
        assert!(again.is_signed_by(&secret));
        let row = &deliveries(&world, &id, "").await[0];
        assert_eq!((&row["status"], &row["attempts"]), (&json!("delivered"), &json!(3)));
        let nowhere = format!("{ALL}/{id}/deliveries/dlv_01kb2y0v4tejq8vt0d7c3w4n5e/redeliver");
        world.person("anna").post(&nowhere, json!({})).await.refused(404, "not_found");
        // L5: of one who was erased nothing is sent any more.
        let user = text(&world.operator().get("/v1/users/ext:eva").await.is(200), "/id");
        world.operator().post(&format!("/v1/users/{user}/erase"), json!({"confirm": true})).await.is(202);
        work_off(&world).await;
        send_all(&world.service.roster).await;
        receiver.take();
        world.person("anna").post(&path, json!({})).await.is(200);
        send_all(&world.service.roster).await;
        let last = receiver.one();
        assert_eq!(last.event()["data"]["after"]["email"], Value::Null);
        assert!(!String::from_utf8_lossy(&last.body).contains("eva@"));
        verified(&world).await;
    }
}

/// X2: a webhook of the deployment is told of every organization, of people, and of the deployment itself.
#[tokio::test]
async fn x2_a_webhook_of_the_deployment_is_told_of_everything() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let roster = &world.service.roster;
        world.test().clock.advance_seconds(1);
        let (id, _) = hooked(&world, &receiver.url(), None).await;
        happens(&world, "one").await;
        world
            .operator()
            .put("/v1/organizations/ext:other/records/deal/x", json!({"owner": "ext:mia"}))
            .await
            .is(201);
        world.operator().post("/v1/users/ext:vera/suspend", json!({})).await.is(200);
        world.operator().post("/v1/views", json!({"name": "All", "kind": "accounts"})).await.is(201);
        sweep_once(roster).await.unwrap();
        send_all(roster).await;
        let mut kinds = receiver.kinds();
        kinds.sort();
        assert_eq!(kinds, ["record.created", "record.created", "user.suspended", "view.created"]);
        // What is not kept any more is left out, and the rest comes.
        receiver.always(Some(Said::Status(500)));
        happens(&world, "two").await;
        sweep_once(roster).await.unwrap();
        world.test().clock.advance_seconds(31 * 24 * 3_600);
        happens(&world, "three").await;
        sweep_once(roster).await.unwrap();
        receiver.always(None);
        send_all(roster).await;
        assert_eq!(titles(&receiver.take()), ["three"]);
        assert!(deliveries(&world, &id, "").await.len() >= 5);
    }
}

/// X2: the last thousand are kept, and those that are still to be tried.
#[tokio::test]
async fn x2_of_deliveries_the_last_thousand_are_kept() {
    let (world, receiver) = (World::with_webhooks("memory").await, Receiver::start().await);
    let (id, _) = hooked(&world, &receiver.url(), Some("ext:cloud")).await;
    receiver.answer([Said::Status(500)]);
    for n in 0..1_150 {
        happens(&world, &format!("n{n}")).await;
    }
    send_all(&world.service.roster).await;
    assert_eq!(receiver.take().len(), 1_150);
    let (mut kept, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.operator().get(&format!("{ALL}/{id}/deliveries?limit=200{cursor}")).await.is(200);
        kept.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!((1_001..=1_101).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0]["status"], "pending", "the oldest is still to be tried");
    verified(&world).await;
}

/// X2: a server sends what happens within a moment, also what another process has made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_a_running_server_sends_at_once() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let (stop, roster) = (Stop::default(), world.service.api.roster.clone());
        let feed = {
            let (stop, roster) = (stop.clone(), roster.clone());
            tokio::spawn(async move { keep_feed(&roster, &stop).await })
        };
        let courier = Courier::new(roster).unwrap();
        let work = tokio::spawn({
            let stop = stop.clone();
            async move { courier.work(stop).await }
        });
        hooked(&world, &receiver.url(), Some("ext:cloud")).await;
        for title in ["one", "two", "three"] {
            happens(&world, title).await;
            let got = receiver.next().await;
            assert_eq!(titles(&[got]), [title]);
        }
        stop.give();
        let ended = tokio::time::timeout(Duration::from_secs(5), async { futures::join!(feed, work) }).await;
        let (feed, work) = ended.unwrap();
        feed.and(work).unwrap();
        happens(&world, "four").await;
        send_all(&world.service.roster).await;
        assert_eq!(titles(&receiver.take()), ["four"], "it was given back");
    }
}
