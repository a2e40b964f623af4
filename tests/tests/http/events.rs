//! Events of an organization: rule X2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::BodyDataStream;
use futures::StreamExt as _;
use futures::future::join_all;
use http::Request;
use roster_core::op::Roster;
use roster_tests::http::{Caller, Service, text};
use roster_tests::replicas::again;
use roster_tests::stores::{CountingEntropy, selected};
use roster_tests::world::{World, join};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const CLOUD: &str = "/v1/organizations/ext:cloud";
const EVENTS: &str = "/v1/organizations/ext:cloud/events";

async fn page(world: &World, query: &str) -> (Vec<Value>, String) {
    let page = world.operator().get(&format!("{EVENTS}{query}")).await.is(200);
    (page["data"].as_array().unwrap().clone(), text(&page, "/next_cursor"))
}

/// The service on another replica.
async fn other_replica(world: &World) -> Service {
    let store = again(world.test()).await;
    let entropy = CountingEntropy::after(Arc::clone(&world.test().clock), 1 << 32);
    let test = roster_tests::stores::TestStore {
        name: world.test().name,
        store: Arc::clone(&store),
        clock: Arc::clone(&world.test().clock),
        dir: None,
        database: None,
        keyspace: None,
        memory: None,
    };
    Service::over(test, Roster::new(store, Arc::new(entropy))).await
}

/// X2: each change is one event, in the order of the log, whatever the size of the pages; what the trail says, it says.
#[tokio::test]
async fn x2_every_change_is_one_event_in_order() {
    for store in selected() {
        let world = World::on(store).await;
        let access = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
        world.operator().put(&format!("{CLOUD}/members/ext:max/access"), access).await.is(200);
        let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
        let (whole, end) = page(&world, "?after=0&limit=200").await;
        let ids = |rows: &[Value]| -> Vec<String> {
            rows.iter().map(|row| text(row, "/id")[4..].to_owned()).collect()
        };
        assert_eq!(ids(&whole), ids(trail["data"].as_array().unwrap()), "{store}");
        assert!(whole.iter().all(|event| text(event, "/id").starts_with("evt_")));
        let last = &whole[whole.len() - 1];
        assert_eq!(last["type"], "member.access_changed");
        assert_eq!(last["organization_id"], world.operator().get(CLOUD).await.is(200)["id"]);
        assert_eq!(last["data"]["target"]["type"], "member");
        let added = whole.iter().find(|event| event["type"] == "member.added").unwrap();
        assert!(added["data"]["after"]["email"].as_str().unwrap().ends_with("@example.com"), "{added}");
        for size in [1, 3] {
            let (mut cursor, mut rows) = ("0".to_owned(), Vec::new());
            loop {
                let (some, next) = page(&world, &format!("?after={cursor}&limit={size}")).await;
                if some.is_empty() {
                    assert_eq!(next, cursor, "{store}: the end is where it was");
                    break;
                }
                rows.extend(some);
                cursor = next;
            }
            assert_eq!((rows, cursor.as_str()), (whole.clone(), end.as_str()), "{store} by {size}");
        }
        assert_eq!(page(&world, &format!("?after={end}")).await, (Vec::new(), end.clone()));
        world.operator().patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        let (new, _) = page(&world, &format!("?after={end}")).await;
        assert_eq!(new.len(), 1);
        assert_eq!(new[0]["type"], "organization.updated");
    }
}

/// A cursor is of one organization, however that is named; what is no cursor or no number is refused.
#[tokio::test]
async fn cursors_are_bound_and_queries_are_checked() {
    let world = World::on("memory").await;
    let (_, cursor) = page(&world, "?after=0&limit=2").await;
    let operator = world.operator();
    let id = text(&operator.get(CLOUD).await.is(200), "/id");
    operator.get(&format!("/v1/organizations/{id}/events?after={cursor}")).await.is(200);
    for (path, status, code) in [
        (format!("/v1/organizations/ext:other/events?after={cursor}"), 400, "invalid_cursor"),
        (format!("{EVENTS}?after={}", cursor.replace(&cursor[3..5], "zz")), 400, "invalid_cursor"),
        (format!("{EVENTS}?after=1"), 400, "invalid_cursor"),
        (format!("{EVENTS}?cursor={cursor}"), 422, "invalid"),
        (format!("{EVENTS}?limit=201"), 422, "invalid"),
        (format!("{EVENTS}?wait=61"), 422, "invalid"),
        (format!("{EVENTS}?wait=soon"), 422, "invalid"),
    ] {
        operator.get(&path).await.refused(status, code);
    }
    let csv = operator.with("accept", "text/csv").get(EVENTS).await;
    assert!(csv.text.starts_with("id,type,time,organization_id,seq,data\r\n"), "{}", csv.text);
    assert!(csv.header("link").unwrap().contains("?after="));
}

/// Waiting ends with what this process commits, with what another commits, and empty when the time is up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_answered_when_something_happens() {
    for store in selected() {
        let world = World::on(store).await;
        let other = other_replica(&world).await;
        let (_, end) = page(&world, "?limit=200").await;
        let begun = Instant::now();
        assert_eq!(page(&world, &format!("?after={end}&wait=1")).await, (Vec::new(), end.clone()));
        assert!(begun.elapsed() >= Duration::from_secs(1), "{store}: it waited");
        let (mut cursor, mut name) = (end, 0);
        for writer in [&world.service, &other] {
            name += 1;
            let renamed = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                writer.operator().patch(CLOUD, json!({"name": format!("Name {name}")})).await.is(200)
            };
            let query = format!("?after={cursor}&wait=30");
            let (_, (rows, next)) = futures::join!(renamed, page(&world, &query));
            assert_eq!((rows.len(), &rows[0]["type"]), (1, &json!("organization.updated")), "{store}");
            cursor = next;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{store}: nobody waited to the end");
    }
}

/// Stopping answers those who wait at once, and ends streams.
#[tokio::test]
async fn stopping_waits_for_nobody_who_waits() {
    let world = World::on("memory").await;
    let (_, end) = page(&world, "?limit=200").await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.service.api.stop.give();
    };
    let begun = Instant::now();
    let waiting = world.operator();
    let mut stream = stream(&world, "0", None).await;
    let told = async {
        let mut told = String::new();
        while let Some(part) = stream.next().await {
            told.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
        }
        told
    };
    let path = format!("{EVENTS}?after={end}&wait=60");
    let (answer, told, ()) = futures::join!(waiting.get(&path), told, stop);
    let answer = answer.is(200);
    assert_eq!((&answer["data"], &answer["next_cursor"]), (&json!([]), &json!(end)));
    assert!(told.ends_with("\n\n") && begun.elapsed() < Duration::from_secs(10));
}

async fn stream(world: &World, after: &str, last: Option<&str>) -> BodyDataStream {
    let mut request = Request::builder()
        .uri(format!("{EVENTS}?after={after}"))
        .header("authorization", format!("Bearer {}", world.admin_key))
        .header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let router = roster_api::router(world.service.api.clone());
    let answer = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    answer.into_body().into_data_stream()
}

/// The next so many events of a stream: their ids, and what they say.
async fn told(stream: &mut BodyDataStream, wanted: usize) -> Vec<(String, Value)> {
    let mut text = String::new();
    let mut events = Vec::new();
    while events.len() < wanted {
        let part = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an event");
        text.push_str(std::str::from_utf8(&part.expect("no end").unwrap()).unwrap());
        events = text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("id: ")?.split_once("\ndata: "))
            .map(|(id, data)| (id.to_owned(), serde_json::from_str(data).unwrap()))
            .collect();
    }
    events
}

/// A stream tells what was and what comes; its ids are cursors, for pages too, and lead on where it broke off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_where_another_broke_off() {
    for store in selected() {
        let world = World::on(store).await;
        let (whole, _) = page(&world, "?limit=200").await;
        let mut first = stream(&world, "0", None).await;
        let heard = told(&mut first, whole.len()).await;
        assert_eq!(heard.iter().map(|(_, event)| event.clone()).collect::<Vec<_>>(), whole, "{store}");
        world.operator().patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        let new = told(&mut first, 1).await;
        assert_eq!(new[0].1["type"], "organization.updated");
        let (cursor, _) = &heard[heard.len() - 3];
        let (rows, _) = page(&world, &format!("?after={cursor}")).await;
        assert_eq!(rows.len(), 3);
        let mut second = stream(&world, "0", Some(cursor)).await;
        assert_eq!(told(&mut second, 3).await.pop(), new.into_iter().next(), "{store}");
    }
}

/// What somebody was told who followed until they were refused, when that was, and the code they were answered.
struct Followed {
    seqs: Vec<u64>,
    ended: Instant,
    code: Option<String>,
}

/// By a stream, from the end on.
async fn streamed(caller: Caller<'_>, end: &str) -> Followed {
    let reply = caller.with("accept", "text/event-stream").get(&format!("{EVENTS}?after={end}")).await;
    let (ended, told) = (Instant::now(), reply.text.clone());
    reply.is(200);
    let events = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|event| serde_json::from_str::<Value>(event).unwrap());
    Followed { seqs: events.map(|event| event["seq"].as_u64().unwrap()).collect(), ended, code: None }
}

/// By requests that wait, one after the other.
async fn waited(caller: Caller<'_>, end: &str) -> Followed {
    let (mut cursor, mut seqs) = (end.to_owned(), Vec::new());
    loop {
        let reply = caller.get(&format!("{EVENTS}?after={cursor}&wait=30")).await;
        let ended = Instant::now();
        if reply.status != 200 {
            return Followed { seqs, ended, code: reply.body["code"].as_str().map(str::to_owned) };
        }
        seqs.extend(
            reply.body["data"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()),
        );
        cursor = text(&reply.body, "/next_cursor");
    }
}

/// M7, P5: whoever follows on one replica is cut off within a second of losing the right by another, and is told neither that
/// nor what comes after; also where nothing is new in the organization.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m7_whoever_follows_is_cut_off_with_the_right_to() {
    for store in selected() {
        let world = World::on(store).await;
        let (other, operator) = (other_replica(&world).await, world.operator());
        for name in ["rosa", "rita"] {
            join(&operator, "cloud", name, json!({"type": "organization", "role": "admin"})).await;
        }
        let own = json!({"name": "Own", "kind": "personal"});
        let own = world.person("anna").post(&format!("{CLOUD}/api-keys"), own).await.is(201);
        let spy = json!({"name": "Spy", "permissions": ["audit:read"]});
        let spy = text(&operator.post(&format!("{CLOUD}/roles"), spy).await.is(201), "/id");
        let access = json!({"roles": [{"role": spy, "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:vera/access"), access).await.is(200);
        let keys = operator.get(&format!("{CLOUD}/api-keys")).await.is(200);
        let key = keys["data"].as_array().unwrap().iter().find(|key| key["name"] == "admin").unwrap();
        let key = text(key, "/id");
        let (second, secret) = world.service.another_operator().await;
        let (_, end) = page(&world, "?limit=200").await;
        let ways = [
            ("a key that is revoked", other.bearer(&world.admin_key), "unauthenticated"),
            ("deactivated, by a key of their own", other.bearer(&text(&own, "/secret")), "unauthenticated"),
            ("removed", other.user("ext:rosa"), "not_found"),
            ("a role that is lowered", other.user("ext:vera"), "forbidden"),
            ("suspended", other.user("ext:rita"), "unauthenticated"),
            ("an operator's key", other.bearer(&secret), "unauthenticated"),
        ];
        let cuts = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut cut = Vec::new();
            for (n, (way, ..)) in ways.iter().enumerate() {
                if n == 4 {
                    // What was new has woken everybody by then.
                    tokio::time::sleep(Duration::from_millis(700)).await;
                }
                let (rows, _) = page(&world, "?limit=200").await;
                let (last, begun) = (rows[rows.len() - 1]["seq"].as_u64().unwrap(), Instant::now());
                match n {
                    0 => drop(operator.delete(&format!("{CLOUD}/api-keys/{key}")).await.is(204)),
                    1 => {
                        let path = format!("{CLOUD}/members/ext:anna/deactivate");
                        operator.post(&path, json!({})).await.is(200);
                    }
                    2 => drop(operator.delete(&format!("{CLOUD}/members/ext:rosa")).await.is(200)),
                    3 => {
                        let lower = json!({"permissions": ["members:read"]});
                        operator.patch(&format!("{CLOUD}/roles/{spy}"), lower).await.is(200);
                    }
                    4 => drop(operator.post("/v1/users/ext:rita/suspend", json!({})).await.is(200)),
                    _ => world.service.revoke_operator(second).await,
                }
                cut.push((*way, Instant::now(), begun.elapsed(), last));
                // What nobody of them is told, and what wakes who waits; the last two are woken by nothing.
                if n < 4 {
                    operator.patch(CLOUD, json!({"name": format!("Name {n}")})).await.is(200);
                }
            }
            cut
        };
        let streams = join_all(ways.iter().map(|(_, caller, _)| streamed(caller.clone(), &end)));
        let waits = join_all(ways.iter().map(|(_, caller, _)| waited(caller.clone(), &end)));
        let (cut, streams, waits) = futures::join!(cuts, streams, waits);
        for (n, (way, answered, took, last)) in cut.into_iter().enumerate() {
            assert_eq!(waits[n].code.as_deref(), Some(ways[n].2), "{store}: {way}");
            for (how, followed) in [("stream", &streams[n]), ("wait", &waits[n])] {
                let late = followed.ended.saturating_duration_since(answered);
                // A slow machine is given its time.
                assert!(
                    late < Duration::from_secs(1) + 10 * took,
                    "{store}: {way}, {how}: {late:?}, {took:?}"
                );
                let seqs = &followed.seqs;
                assert!(seqs.iter().all(|seq| *seq <= last), "{store}: {way}, {how}: {seqs:?}, {last}");
            }
        }
    }
}

/// X2: several write on two replicas while one follows on a third: nothing is missed, doubled or behind the cursor, and
/// each writer's changes come in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_nothing_appears_behind_a_cursor() {
    const EACH: usize = 15;
    for store in selected() {
        let world = World::on(store).await;
        let other = other_replica(&world).await;
        let third = other_replica(&world).await;
        let (_, mut cursor) = page(&world, "?limit=200").await;
        let writers = ["olga", "anna", "max", "vera", "nora", "nils"];
        let write = |n: usize, person: &'static str| {
            let service = if n.is_multiple_of(2) { &world.service } else { &other };
            async move {
                let path = format!("{CLOUD}/accounts");
                for round in 0..EACH {
                    let body = json!({"name": format!("{person} {round}")});
                    service.operator().post(&path, body).await.is(201);
                }
            }
        };
        let follow = async {
            let mut heard: Vec<Value> = Vec::new();
            while heard.len() < writers.len() * EACH {
                let path = format!("{EVENTS}?after={cursor}&limit=4&wait=20");
                let some = third.operator().get(&path).await.is(200);
                let rows = some["data"].as_array().unwrap();
                assert!(!rows.is_empty(), "{store}: only {} came", heard.len());
                heard.extend(rows.iter().cloned());
                cursor = text(&some, "/next_cursor");
            }
            heard
        };
        let (heard, _) =
            futures::join!(follow, join_all(writers.iter().enumerate().map(|(n, who)| write(n, who))));
        let seqs: Vec<u64> = heard.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{store}: {seqs:?}");
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for event in &heard {
            let name = text(event, "/data/after/name");
            let (who, round) = name.split_once(' ').unwrap();
            names.entry(who.to_owned()).or_default().push(round.parse().unwrap());
        }
        let all: Vec<usize> = (0..EACH).collect();
        assert!(names.len() == writers.len() && names.values().all(|rounds| *rounds == all), "{names:?}");
        assert_eq!(page(&world, &format!("?after={cursor}")).await.0, Vec::<Value>::new());
    }
}
