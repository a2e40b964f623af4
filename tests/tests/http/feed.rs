//! The deployment's feed: rule X2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::feed::{keep_feed, sweep_once};
use roster_core::home::{Home, Key};
use roster_core::model::FeedKey;
use roster_core::op::Roster;
use roster_core::stop::Stop;
use roster_core::verify::verify_all;
use roster_tests::http::{Service, text};
use roster_tests::replicas::again;
use roster_tests::stores::{CountingEntropy, TestStore, selected};
use roster_tests::world::World;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const CLOUD: &str = "/v1/organizations/ext:cloud";
const DAY: i64 = 24 * 3600;

async fn page(service: &Service, query: &str) -> (Vec<Value>, String) {
    let page = service.operator().get(&format!("/v1/events{query}")).await.is(200);
    (page["data"].as_array().unwrap().clone(), text(&page, "/next_cursor"))
}

/// Everything from a cursor on, by small pages.
async fn all(service: &Service, from: &str) -> (Vec<Value>, String) {
    let (mut rows, mut cursor) = (Vec::new(), from.to_owned());
    loop {
        let (some, next) = page(service, &format!("?after={cursor}&limit=7")).await;
        if some.is_empty() {
            return (rows, next);
        }
        rows.extend(some);
        cursor = next;
    }
}

fn in_order(rows: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut by_organization: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let organization = row["organization_id"].as_str().unwrap_or("none").to_owned();
        by_organization.entry(organization).or_default().push(text(row, "/id"));
    }
    by_organization
}

/// The service on another replica.
pub(crate) async fn replica(world: &World, drawn: u64) -> Service {
    let store = again(world.test()).await;
    let (clock, name) = (Arc::clone(&world.test().clock), world.test().name);
    let entropy = CountingEntropy::after(Arc::clone(&clock), drawn << 32);
    let roster = Roster::new(Arc::clone(&store), Arc::new(entropy));
    Service::over(
        TestStore { name, store, clock, dir: None, database: None, keyspace: None, memory: None },
        roster,
    )
    .await
}

/// The task of a server, until it is told to stop.
fn keeping(service: &Service, stop: &Stop) -> JoinHandle<()> {
    let (roster, stop) = (service.api.roster.clone(), stop.clone());
    tokio::spawn(async move { keep_feed(&roster, &stop).await })
}

async fn assert_sound(service: &Service) {
    let verdict = verify_all(&service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// X2: the feed holds what every log does, once, in the order of each; the same event has the same id in both.
#[tokio::test]
async fn x2_the_feed_holds_every_change_once() {
    for store in selected() {
        let world = World::on(store).await;
        assert_eq!(page(&world.service, "").await.0, Vec::<Value>::new(), "{store}: nobody has kept it yet");
        sweep_once(&world.service.roster).await.unwrap();
        sweep_once(&world.service.roster).await.unwrap();
        let (rows, end) = all(&world.service, "0").await;
        let heard = in_order(&rows);
        assert_eq!(
            page(&world.service, "?limit=200").await.0,
            rows,
            "{store}: pages of any size are the same"
        );
        for organization in ["cloud", "other"] {
            let path = format!("/v1/organizations/ext:{organization}");
            let id = text(&world.operator().get(&path).await.is(200), "/id");
            let own = world.operator().get(&format!("{path}/events?limit=200")).await.is(200);
            let own = own["data"].as_array().unwrap();
            assert_eq!(heard[&id], in_order(own)[&id], "{store}");
        }
        let of_users = rows.iter().filter(|row| row["type"] == "user.created").count();
        assert_eq!(of_users, 11, "{store}");
        world.operator().patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        sweep_once(&world.service.roster).await.unwrap();
        let (new, _) = all(&world.service, &end).await;
        assert_eq!((new.len(), &new[0]["type"]), (1, &json!("organization.updated")), "{store}");
        assert_sound(&world.service).await;
    }
}

/// X2: many write on two replicas that both keep the feed, while one follows: nothing is missed, doubled or behind the
/// cursor, and each organization's events come in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_nothing_appears_behind_a_cursor_of_the_feed() {
    const EACH: usize = 12;
    const ORGANIZATIONS: usize = 6;
    for store in selected() {
        let world = World::on(store).await;
        let other = replica(&world, 1).await;
        let stop = Stop::default();
        let tasks = [keeping(&world.service, &stop), keeping(&other, &stop)];
        let write = |n: usize| {
            let service = if n.is_multiple_of(2) { &world.service } else { &other };
            async move {
                let operator = service.operator();
                let owner = json!({"email": format!("o{n}@example.com")});
                let body = json!({"name": format!("O{n}"), "external_id": format!("o{n}"), "owner": owner});
                operator.post("/v1/organizations", body).await.is(201);
                for round in 0..EACH {
                    let path = format!("/v1/organizations/ext:o{n}/accounts");
                    operator.post(&path, json!({"name": format!("A{round}")})).await.is(201);
                }
            }
        };
        let follow = async {
            let (mut heard, mut cursor) = (Vec::<Value>::new(), "0".to_owned());
            let named = |row: &&Value| {
                row["type"] == "account.created"
                    && row["data"]["after"]["name"].as_str().is_some_and(|name| name.starts_with('A'))
            };
            while heard.iter().filter(named).count() < ORGANIZATIONS * EACH {
                let (rows, next) = page(&other, &format!("?after={cursor}&limit=5&wait=20")).await;
                assert!(!rows.is_empty(), "{store}: only {} came", heard.len());
                heard.extend(rows);
                cursor = next;
            }
            (heard, cursor)
        };
        let ((mut heard, cursor), _) = futures::join!(follow, join_all((0..ORGANIZATIONS).map(write)));
        stop.give();
        join_all(tasks).await;
        sweep_once(&world.service.roster).await.unwrap();
        heard.extend(all(&other, &cursor).await.0);
        assert_eq!(
            in_order(&heard),
            in_order(&all(&other, "0").await.0),
            "{store}: as it is read afterwards"
        );
        for n in 0..ORGANIZATIONS {
            let path = format!("/v1/organizations/ext:o{n}");
            let id = text(&world.operator().get(&path).await.is(200), "/id");
            let own = world.operator().get(&format!("{path}/events?limit=200")).await.is(200);
            assert_eq!(in_order(&heard)[&id], in_order(own["data"].as_array().unwrap())[&id], "{store}");
        }
        assert_sound(&world.service).await;
    }
}

/// What a process committed that died before it appended anything is found by another; whoever waits is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_committed_is_found() {
    for store in selected() {
        let world = World::on(store).await;
        let alive = replica(&world, 1).await;
        let stop = Stop::default();
        let task = keeping(&alive, &stop);
        while page(&alive, "?limit=200&wait=5").await.0.len() < 20 {}
        let (_, end) = all(&alive, "0").await;
        // Nobody keeps the feed on the first service: it is as if it had died at once.
        let dies = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.operator().patch(CLOUD, json!({"name": "Last words"})).await.is(200)
        };
        let query = format!("?after={end}&wait=30");
        let (_, (rows, _)) = futures::join!(dies, page(&alive, &query));
        assert_eq!((rows.len(), &rows[0]["type"]), (1, &json!("organization.updated")), "{store}");
        stop.give();
        task.await.unwrap();
    }
}

/// Told to stop, the task appends what its process has committed before it ends.
#[tokio::test]
async fn the_last_commits_are_appended_on_the_way_out() {
    let world = World::on("memory").await;
    sweep_once(&world.service.roster).await.unwrap();
    let (_, end) = all(&world.service, "0").await;
    let stop = Stop::default();
    let task = keeping(&world.service, &stop);
    tokio::task::yield_now().await;
    world.operator().patch(CLOUD, json!({"name": "Last words"})).await.is(200);
    stop.give();
    task.await.unwrap();
    assert_eq!(all(&world.service, &end).await.0.len(), 1);
}

/// X2: after 30 days a cursor is refused and what it led to is gone; whoever is at the end goes on, however long nothing
/// happens; from the start is from the oldest that is kept.
#[tokio::test]
async fn x2_events_of_the_deployment_are_kept_for_thirty_days() {
    for store in selected() {
        let world = World::on(store).await;
        let (service, clock) = (&world.service, &world.test().clock);
        sweep_once(&service.roster).await.unwrap();
        let (_, early) = page(service, "?limit=3").await;
        let (_, end) = all(service, "0").await;
        clock.advance_seconds(30 * DAY - 1);
        page(service, &format!("?after={early}")).await;
        clock.advance_seconds(1);
        let path = format!("/v1/events?after={early}");
        service.operator().get(&path).await.refused(410, "cursor_expired");
        assert_eq!(page(service, &format!("?after={end}")).await, (Vec::new(), end.clone()), "{store}");
        assert_eq!(page(service, "?after=0").await, (Vec::new(), end.clone()), "{store}");
        world.operator().patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        sweep_once(&service.roster).await.unwrap();
        for from in ["0", end.as_str()] {
            let (rows, _) = all(service, from).await;
            assert_eq!((rows.len(), &rows[0]["type"]), (1, &json!("organization.updated")), "{store}");
        }
        service.operator().get(&path).await.refused(410, "cursor_expired");
        let first = Key::Feed(FeedKey::entry(1));
        let read = service.roster.store.read(&Home::Feed, &[first], &[]).await.unwrap();
        assert!(read.records.is_empty(), "{store}: it was taken out");
        let own = world.operator().get(&format!("{CLOUD}/events?after=0&limit=200")).await.is(200);
        assert!(own["data"].as_array().unwrap().len() > 10, "an organization keeps all");
        assert_sound(service).await;
    }
}

/// A cursor of an organization is none of the deployment, nor the other way round.
#[tokio::test]
async fn cursors_of_the_feed_are_its_own() {
    let world = World::on("memory").await;
    sweep_once(&world.service.roster).await.unwrap();
    let (_, cursor) = page(&world.service, "?limit=3").await;
    let operator = world.operator();
    operator.get(&format!("{CLOUD}/events?after={cursor}")).await.refused(400, "invalid_cursor");
    let own = text(&operator.get(&format!("{CLOUD}/events?limit=3")).await.is(200), "/next_cursor");
    operator.get(&format!("/v1/events?after={own}")).await.refused(400, "invalid_cursor");
    world.person("olga").get("/v1/events").await.refused(403, "forbidden");
}
