//! When keys were last used: rules P3, L6.

use roster_core::home::{Home, Key};
use roster_core::last_use::write_down;
use roster_core::model::NoteKey;
use roster_core::store::Clock as _;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::feed::replica;
use crate::verified;

const CLOUD: &str = "/v1/organizations/ext:cloud";
const KEYS: &str = "/v1/organizations/ext:cloud/api-keys";
const PLAN: &str = "/v1/organizations/ext:cloud/members/ext:anna/leaving-plan";

/// A key of the organization: its path and its secret.
async fn made(world: &World, by: &str, body: Value) -> (String, String) {
    let made = world.person(by).post(KEYS, body).await.is(201);
    assert_eq!(made["last_used_at"], Value::Null);
    (format!("{KEYS}/{}", text(&made, "/id")), text(&made, "/secret"))
}

fn viewer() -> Value {
    json!({"name": "Reader", "access": {"type": "organization", "role": "viewer"}})
}

/// The first use is shown at once, by other replicas once it is written down; the key itself does not change.
#[tokio::test]
async fn p3_the_last_use_of_a_key_is_shown_and_changes_nothing_of_it() {
    for store in selected() {
        let world = World::on(store).await;
        let other = replica(&world, 7).await;
        let (path, secret) = made(&world, "anna", viewer()).await;
        let shown = world.operator().get(&path).await;
        let tag = shown.header("etag").unwrap().to_owned();
        assert_eq!(shown.is(200)["last_used_at"], Value::Null);
        world.test().clock.advance_seconds(60);
        let at = json!(world.test().clock.now());
        world.service.bearer(&secret).get(CLOUD).await.is(200);
        let shown = world.operator().get(&path).await;
        assert_eq!((shown.header("etag"), &shown.body["last_used_at"]), (Some(tag.as_str()), &at), "{store}");
        let check = json!({"user": "ext:anna", "permission": "members:read"});
        world.test().clock.advance_seconds(60);
        let later = json!(world.test().clock.now());
        world.service.bearer(&secret).post("/v1/check", check).await.refused(403, "forbidden");
        assert_eq!(other.operator().get(&path).await.is(200)["last_used_at"], Value::Null, "not written yet");
        write_down(&world.service.api.roster).await.unwrap();
        assert_eq!(other.operator().get(&path).await.is(200)["last_used_at"], later, "{store}");
        let listed = other.operator().get(KEYS).await.is(200);
        let mine =
            listed["data"].as_array().unwrap().iter().find(|key| path.ends_with(&text(key, "/id"))).unwrap();
        assert_eq!(mine["last_used_at"], later);
        let renamed = other.operator().patch(&path, json!({"name": "Renamed"})).await.is(200);
        assert_eq!(renamed["last_used_at"], later);
        let turned = other.operator().post(&format!("{path}/rotate"), json!({})).await.is(200);
        assert_eq!(turned["last_used_at"], later);
        world.test().clock.advance_seconds(60);
        world.service.bearer(&secret).get(CLOUD).await.refused(401, "unauthenticated");
        assert_eq!(world.operator().get(&path).await.is(200)["last_used_at"], later, "nobody was let in");
        verified(&world).await;
    }
}

/// Rule P3: of two replicas that write late, the later use stands, in whatever order they write.
#[tokio::test]
async fn p3_replicas_write_down_uses_in_any_order() {
    for store in selected() {
        for first_writes_first in [true, false] {
            let world = World::on(store).await;
            let other = replica(&world, 7).await;
            let (path, secret) = made(&world, "anna", viewer()).await;
            world.service.bearer(&secret).get(CLOUD).await.is(200);
            world.test().clock.advance_seconds(90);
            let later = json!(world.test().clock.now());
            other.bearer(&secret).get(CLOUD).await.is(200);
            let (one, two) = (&world.service.api.roster, &other.api.roster);
            let order = if first_writes_first { [one, two] } else { [two, one] };
            for roster in order {
                write_down(roster).await.unwrap();
            }
            for service in [&world.service, &other, &replica(&world, 8).await] {
                assert_eq!(service.operator().get(&path).await.is(200)["last_used_at"], later, "{store}");
            }
        }
    }
}

/// Rule L6: a plan shows when keys were used last, and stays as it is when they are used.
#[tokio::test]
async fn l6_a_plan_shows_the_last_use_of_keys_and_its_revision_does_not_cover_it() {
    for store in selected() {
        let world = World::on(store).await;
        let (_, secret) = made(&world, "anna", json!({"name": "Laptop", "kind": "personal"})).await;
        let before = world.operator().get(PLAN).await.is(200);
        assert_eq!(before["api_keys"][0]["last_used_at"], Value::Null);
        let at = json!(world.test().clock.now());
        world.service.bearer(&secret).get(CLOUD).await.is(200);
        let after = world.operator().get(PLAN).await.is(200);
        assert_eq!((&after["api_keys"][0]["last_used_at"], &after["revision"]), (&at, &before["revision"]));
        let export = world.operator().get("/v1/users/ext:anna/export").await.is(200);
        assert_eq!(export["organizations"][0]["api_keys"][0]["last_used_at"], at, "{store}");
        let leave = json!({"mode": "remove", "revision": before["revision"]});
        world.operator().post(PLAN, leave).await.is(200);
    }
}

/// Rules P3, P5: a key that was ended stays ended, whoever writes down its use when; nothing is left of it.
#[tokio::test]
async fn p3_writing_down_a_use_brings_no_key_back() {
    for store in selected() {
        for written_before in [true, false] {
            let world = World::on(store).await;
            let (path, secret) = made(&world, "anna", viewer()).await;
            world.service.bearer(&secret).get(CLOUD).await.is(200);
            let roster = &world.service.api.roster;
            if written_before {
                write_down(roster).await.unwrap();
            }
            world.operator().delete(&path).await.is(204);
            write_down(roster).await.unwrap();
            world.operator().get(&path).await.refused(404, "not_found");
            world.service.bearer(&secret).get(CLOUD).await.refused(401, "unauthenticated");
            let cloud = text(&world.operator().get(CLOUD).await.is(200), "/id").parse().unwrap();
            let key = path.rsplit('/').next().unwrap().parse().unwrap();
            let note = Key::Note(NoteKey::LastUse(key));
            let read = roster.store.read(&Home::Activity(cloud), &[note], &[]).await.unwrap();
            assert!(read.records.is_empty(), "{store}, {written_before}");
            verified(&world).await;
        }
    }
}
