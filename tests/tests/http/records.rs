//! Records in the vendor's product: rules L6, L7, M11.

use std::collections::BTreeSet;

use http::Method;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{verified, work_off};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const RECORDS: &str = "/v1/organizations/ext:cloud/records";

async fn put(world: &World, name: &str, owner: &str, account: Option<&str>) -> Value {
    let account = account.map(|account| format!("ext:{account}"));
    let body = json!({"owner": format!("ext:{owner}"), "account": account, "title": name});
    let reply = world.operator().put(&format!("{RECORDS}/{name}"), body).await;
    assert!(reply.status.is_success(), "{}", reply.text);
    reply.body
}

async fn id(world: &World, person: &str) -> String {
    text(&world.operator().get(&format!("/v1/users/ext:{person}")).await.is(200), "/id")
}

/// The names of the records in a list, page by page.
async fn listed(world: &World, query: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.operator().get(&format!("{RECORDS}?limit=3{query}{cursor}")).await.is(200);
        let rows = page["data"].as_array().unwrap();
        names.extend(rows.iter().map(|row| format!("{}/{}", text(row, "/type"), text(row, "/external_id"))));
        let Some(next) = page["next_cursor"].as_str() else {
            names.sort();
            return names;
        };
        cursor = format!("&cursor={next}");
    }
}

async fn counts(world: &World, person: &str) -> Value {
    let path = format!("{CLOUD}/members/ext:{person}/leaving-plan");
    world.operator().get(&path).await.is(200)["records"].clone()
}

/// L6: registered, read, changed, taken off; the plan counts them.
#[tokio::test]
async fn l6_records_are_registered_and_counted() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{RECORDS}/deal/d:1%2F%C3%A4");
        let body = json!({"owner": "ext:nils", "account": "ext:north", "title": "Big"});
        let made = world.operator().put(&path, body.clone()).await.is(201);
        assert!(text(&made, "/id").starts_with("rec_"));
        assert_eq!((&made["type"], &made["external_id"]), (&json!("deal"), &json!("d:1/ä")));
        let again = world.operator().put(&path, body).await;
        assert_eq!(again.header("etag"), world.operator().get(&path).await.header("etag"));
        assert_eq!(again.is(200), made);
        let changed = world.operator().put(&path, json!({"owner": "ext:nora"})).await.is(200);
        assert_eq!(
            (&changed["id"], &changed["account"], &changed["title"]),
            (&made["id"], &Value::Null, &Value::Null)
        );
        assert_eq!(counts(&world, "nils").await, json!({}));
        put(&world, "call/1", "nora", None).await;
        put(&world, "deal/2", "nora", None).await;
        assert_eq!(counts(&world, "nora").await, json!({"deal": 2, "call": 1}));
        world.operator().delete(&path).await.is(204);
        world.operator().delete(&path).await.refused(404, "not_found");
        world.operator().get(&path).await.refused(404, "not_found");
        assert_eq!(counts(&world, "nora").await, json!({"deal": 1, "call": 1}));
        for (body, status, code) in [
            (json!({"owner": "ext:fred"}), 409, "target_not_active"),
            (json!({"owner": "ext:mia"}), 404, "not_found"),
            (json!({"owner": "ext:nils", "account": "ext:west"}), 404, "not_found"),
            (json!({}), 422, "invalid"),
            (json!({"owner": "ext:nils", "kind": "deal"}), 422, "invalid"),
        ] {
            world.operator().put(&path, body).await.refused(status, code);
        }
        let odd = format!("{RECORDS}/de%20al/1");
        world.operator().put(&odd, json!({"owner": "ext:nils"})).await.refused(422, "invalid");
        verified(&world).await;
    }
}

/// M11: who holds `records:manage` on one account registers what lies there, and sees no more.
#[tokio::test]
async fn m11_records_are_seen_where_they_lie() {
    for store in selected() {
        let world = World::on(store).await;
        for (name, account) in [("deal/n", Some("north")), ("deal/s", Some("south")), ("deal/w", None)] {
            put(&world, name, "nils", account).await;
        }
        let seen = async |person: &str| {
            let page = world.person(person).get(RECORDS).await.is(200);
            let rows = page["data"].as_array().unwrap().clone();
            rows.iter().map(|row| text(row, "/external_id")).collect::<BTreeSet<_>>()
        };
        assert_eq!(seen("nils").await, BTreeSet::from(["n".into()]), "a viewer of south");
        assert_eq!(seen("max").await.len(), 3);
        world.person("vera").get(RECORDS).await.refused(403, "forbidden");
        let north = json!({"owner": "ext:nils", "account": "ext:north"});
        world.person("nils").put(&format!("{RECORDS}/deal/mine"), north).await.is(201);
        let south = json!({"owner": "ext:nils", "account": "ext:south"});
        world.person("nils").put(&format!("{RECORDS}/deal/n"), south).await.refused(403, "forbidden");
        world.person("nils").delete(&format!("{RECORDS}/deal/w")).await.refused(403, "forbidden");
        world.person("nils").get(&format!("{RECORDS}/deal/s")).await.refused(403, "forbidden");
    }
}

/// L7: handed over they are the other's at once, before any job has run, in every list and count; then too.
#[tokio::test]
async fn l7_records_are_the_others_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        for n in 0..7 {
            put(&world, &format!("deal/{n}"), "nils", Some(if n % 2 == 0 { "north" } else { "south" })).await;
            put(&world, &format!("call/{n}"), "nora", None).await;
        }
        put(&world, "call/n", "nils", None).await;
        let (nils, max) = (id(&world, "nils").await, id(&world, "max").await);
        let hand =
            async |body: Value| world.operator().post(&format!("{RECORDS}/reassign"), body).await.is(202);
        hand(json!({"from": "ext:nils", "to": "ext:nora", "type": "deal"})).await;
        hand(json!({"from": "ext:nora", "to": "ext:max", "type": "deal"})).await;
        let deals: Vec<String> = (0..7).map(|n| format!("deal/{n}")).collect();
        let all = async |when: &str| {
            assert_eq!(listed(&world, "&owner=ext:nils").await, ["call/n"], "{when}");
            assert_eq!(listed(&world, "&owner=ext:max").await, deals, "{when}");
            assert_eq!(listed(&world, "&type=deal&owner=ext:nora").await, [] as [&str; 0], "{when}");
            assert_eq!(listed(&world, "").await.len(), 15, "{when}");
            assert_eq!(
                world.operator().get(&format!("{RECORDS}/deal/3")).await.is(200)["owner"],
                max,
                "{when}"
            );
            assert_eq!(counts(&world, "nils").await, json!({"call": 1}), "{when}");
            assert_eq!(counts(&world, "max").await, json!({"deal": 7}), "{when}");
            assert_eq!(counts(&world, "nora").await, json!({"call": 7}), "{when}");
            verified(&world).await;
        };
        all("before the job").await;
        // What is registered or given anew meanwhile is not swept along.
        put(&world, "deal/new", "nils", None).await;
        put(&world, "deal/0", "nils", Some("north")).await;
        assert_eq!(listed(&world, "&owner=ext:nils").await, ["call/n", "deal/0", "deal/new"]);
        world.operator().delete(&format!("{RECORDS}/deal/new")).await.is(204);
        put(&world, "deal/0", "max", Some("north")).await;
        all("after changes").await;
        work_off(&world).await;
        all("after the job").await;
        let back = json!({"from": "ext:max", "to": "ext:nils", "account": "ext:south"});
        hand(back).await;
        let odd: Vec<String> = deals.iter().skip(1).step_by(2).cloned().collect();
        assert_eq!(listed(&world, "&type=deal&owner=ext:nils").await, odd);
        assert_eq!(world.operator().get(&format!("{RECORDS}/deal/3")).await.is(200)["owner"], nils);
        work_off(&world).await;
        assert_eq!(listed(&world, "&type=deal&owner=ext:nils").await, odd);
        assert_eq!(counts(&world, "nils").await, json!({"call": 1, "deal": 3}));
        verified(&world).await;
    }
}

/// L7: to whom, by whom; twice with one key is once.
#[tokio::test]
async fn l7_a_hand_over_that_cannot_be_is_refused() {
    for store in selected() {
        let world = World::on(store).await;
        put(&world, "deal/1", "nils", Some("north")).await;
        let path = format!("{RECORDS}/reassign");
        for (body, status, code) in [
            (json!({"from": "ext:nils", "to": "ext:nils"}), 422, "invalid"),
            (json!({"from": "ext:nils", "to": "ext:fred"}), 409, "target_not_active"),
            (json!({"from": "ext:nils", "to": "ext:mia"}), 404, "not_found"),
            (json!({"from": "ext:nobody", "to": "ext:nils"}), 404, "not_found"),
            (json!({"from": "ext:nils", "to": "ext:max", "account": "ext:west"}), 404, "not_found"),
            (json!({"from": "ext:nils"}), 422, "invalid"),
        ] {
            world.operator().post(&path, body).await.refused(status, code);
        }
        let body = json!({"from": "ext:nils", "to": "ext:nora"});
        world.person("nora").post(&path, body.clone()).await.refused(403, "forbidden");
        world.person("vera").post(&path, body.clone()).await.refused(403, "forbidden");
        let caller = world.operator().with("idempotency-key", "once");
        let first = caller.post(&path, body.clone()).await.is(202);
        let second = caller.call(Method::POST, &path, Some(body)).await;
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!(second.is(202), first);
        world.operator().delete(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        work_off(&world).await;
        assert_eq!(listed(&world, "&owner=ext:nora").await, ["deal/1"]);
        verified(&world).await;
    }
}
