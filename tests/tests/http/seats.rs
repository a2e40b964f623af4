//! Seats and time: rules S1, S3, L3, M12.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

async fn used(world: &World) -> i64 {
    world.operator().get(&format!("{CLOUD}/seats")).await.is(200)["used"].as_i64().unwrap()
}

async fn buy(world: &World, seats: i64) {
    world.operator().patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
}

fn newcomer(name: &str, access: &Value) -> Value {
    json!({"email": format!("{name}@example.com"), "access": access})
}

/// S1, S3: as many as were paid for, counted by person; never fewer than are in use.
#[tokio::test]
async fn seats_end_where_they_were_paid_for() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, seats) = (world.operator(), format!("{CLOUD}/seats"));
        assert_eq!(used(&world).await, 7, "olga and six who reach something");
        operator.patch(&seats, json!({"purchased": 6})).await.refused(409, "seats_in_use");
        operator.patch(&seats, json!({"purchased": 0})).await.refused(422, "invalid");
        operator.patch(&seats, json!({"purchased": -1})).await.refused(422, "invalid");
        operator.patch(&seats, json!({})).await.refused(422, "invalid");
        assert_eq!(
            operator.patch(&seats, json!({"purchased": 7})).await.is(200),
            json!({"purchased": 7, "used": 7})
        );
        let members = format!("{CLOUD}/members");
        let viewer = json!({"type": "organization", "role": "viewer"});
        operator.post(&members, newcomer("one", &viewer)).await.refused(409, "no_seat");
        operator.get("/v1/users?q=one").await.is(200)["data"]
            .as_array()
            .unwrap()
            .is_empty()
            .then_some(())
            .unwrap();
        // Whoever is not there is looked for before a seat is; whoever is refused one gets no external id by it.
        let nobody = json!({"user": "ext:nobody", "access": viewer});
        operator.post(&members, nobody).await.refused(404, "not_found");
        let plain = operator.post("/v1/users", json!({"email": "plain@example.com"})).await.is(201);
        let named = json!({"email": "plain@example.com", "external_id": "plain", "access": viewer});
        operator.post(&members, named).await.refused(409, "no_seat");
        let plain = format!("/v1/users/{}", text(&plain, "/id"));
        assert_eq!(operator.get(&plain).await.is(200)["external_id"], Value::Null);
        operator.post(&members, newcomer("none", &on_accounts(&[]))).await.is(201);
        let put = format!("{CLOUD}/accounts/ext:north/members/ext:empty");
        operator.put(&put, json!({"role": "viewer"})).await.refused(409, "no_seat");
        let again = json!({"type": "accounts", "accounts": [{"account": "ext:north", "role": "viewer"}]});
        operator.post(&members, json!({"user": "ext:fred", "access": again})).await.refused(409, "no_seat");
        let transfer = json!({"to": "ext:empty"});
        operator.post(&format!("{CLOUD}/ownership-transfers"), transfer).await.refused(409, "no_seat");
        let more = format!("{CLOUD}/accounts/ext:south/members/ext:nora");
        operator.put(&more, json!({"role": "viewer"})).await.is(201);
        assert_eq!(used(&world).await, 7, "one seat a person, however many accounts");
        operator.delete(&format!("{CLOUD}/members/ext:nora")).await.is(200);
        assert_eq!(used(&world).await, 6);
        operator.put(&put, json!({"role": "viewer"})).await.is(201);
        operator.patch(&seats, json!({"purchased": null})).await.is(200);
        operator.post(&members, newcomer("one", &viewer)).await.is(201);
    }
}

/// M12: over at that instant, though nobody has swept it; the seat is free at that instant too.
#[tokio::test]
async fn a_temporary_membership_ends_at_the_second() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        buy(&world, 8).await;
        let viewer = json!({"type": "organization", "role": "viewer"});
        let mut body = newcomer("temp", &viewer);
        body["expires_at"] = json!("2027-01-01T01:00:00Z");
        let made = operator.post(&format!("{CLOUD}/members"), body).await.is(201);
        let id = text(&made, "/user_id");
        let asked = json!({"user": id, "permission": "members:read", "organization": "ext:cloud"});
        let reason = async || operator.post("/v1/check", asked.clone()).await.is(200)["reason"].clone();
        world.test().clock.advance_seconds(3_599);
        assert_eq!((reason().await, used(&world).await), (json!("granted"), 8));
        world.service.user(&id).get(CLOUD).await.is(200);
        world.test().clock.advance_seconds(1);
        assert_eq!((reason().await, used(&world).await), (json!("expired"), 7));
        world.service.user(&id).get(CLOUD).await.refused(404, "not_found");
        let shown = operator.get(&format!("{CLOUD}/members/{id}")).await.is(200);
        assert_eq!(
            (&shown["status"], &shown["left_at"]),
            (&json!("former"), &json!("2027-01-01T01:00:00.000Z"))
        );
        let rows = operator.get(&format!("{CLOUD}/members?status=all&q=temp")).await.is(200);
        assert_eq!(rows["data"][0]["status"], "former");
        operator.post(&format!("{CLOUD}/members"), newcomer("next", &viewer)).await.is(201);
        assert_eq!(used(&world).await, 8);
        let trail = operator.get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
        let ended = trail["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|event| event["action"] == "member.expired")
            .unwrap();
        assert_eq!(ended["actor"]["type"], "system");
    }
}

/// M12: a membership that has not begun gives nothing, and holds its seat.
#[tokio::test]
async fn a_membership_begins_at_the_second() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let mut body = newcomer("soon", &json!({"type": "organization", "role": "viewer"}));
        body["starts_at"] = json!("2027-01-01T00:01:00Z");
        let id = text(&operator.post(&format!("{CLOUD}/members"), body).await.is(201), "/user_id");
        assert_eq!(used(&world).await, 8);
        let asked = json!({"user": id, "permission": "members:read", "organization": "ext:cloud"});
        let reason = async || operator.post("/v1/check", asked.clone()).await.is(200)["reason"].clone();
        world.test().clock.advance_seconds(59);
        assert_eq!(reason().await, "no_membership");
        world.service.user(&id).get(CLOUD).await.refused(404, "not_found");
        world.test().clock.advance_seconds(1);
        assert_eq!(reason().await, "granted");
    }
}

/// M12: times that cannot be are refused; they can be changed and cleared.
#[tokio::test]
async fn times_of_a_membership_are_changed() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/members/ext:nils");
        let cases = [
            json!({"expires_at": "2026-12-31T23:59:59Z"}),
            json!({"starts_at": "2027-02-01T00:00:00Z", "expires_at": "2027-01-15T00:00:00Z"}),
            json!({"expires_at": "tomorrow"}),
            json!({"expires_at": 5}),
            json!({"status": "former"}),
        ];
        for body in cases {
            world.operator().patch(&path, body).await.refused(422, "invalid");
        }
        let end = json!({"expires_at": "2027-02-01T00:00:00+01:00"});
        let changed = world.operator().patch(&path, end).await.is(200);
        assert_eq!(changed["expires_at"], "2027-01-31T23:00:00.000Z");
        let cleared = world.operator().patch(&path, json!({"expires_at": null})).await.is(200);
        assert_eq!(cleared["expires_at"], Value::Null);
        let former = format!("{CLOUD}/members/ext:fred");
        let end = json!({"expires_at": "2027-02-01T00:00:00Z"});
        world.operator().patch(&former, end).await.refused(409, "target_not_active");
    }
}
