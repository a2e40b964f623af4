//! Offers of ownership: rules O2, O4, O5, O6, M7, S1.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{later, verified};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const TRANSFERS: &str = "/v1/organizations/ext:cloud/ownership-transfers";
const WEEK: i64 = 7 * 86_400;

async fn offered(world: &World, to: &str) -> (Value, String) {
    let body = json!({"to": format!("ext:{to}"), "require_acceptance": true});
    let offer = world.person("olga").post(TRANSFERS, body).await.is(201);
    let path = format!("{TRANSFERS}/{}", text(&offer, "/id"));
    (offer, path)
}

async fn owner(world: &World) -> String {
    text(&world.operator().get(CLOUD).await.is(200), "/owner/email")
}

/// O4: until it is accepted nothing changes; then everything does, in one step.
#[tokio::test]
async fn o4_an_offer_changes_nothing_until_it_is_accepted() {
    for store in selected() {
        let world = World::on(store).await;
        let (offer, path) = offered(&world, "nils").await;
        assert_eq!(offer["state"], "pending");
        assert_eq!(offer["expires_at"], later(&world, WEEK));
        assert_eq!(owner(&world).await, "olga@example.com");
        for caller in ["olga", "anna", "max"] {
            let reply = world.person(caller).post(&format!("{path}/accept"), json!({})).await;
            reply.refused(403, "forbidden");
        }
        let key = world.service.bearer(&world.admin_key).on_behalf_of("ext:nils");
        key.post(&format!("{path}/accept"), json!({})).await.refused(403, "forbidden");
        world.test().clock.advance_seconds(WEEK - 1);
        let nils = world.person("nils");
        let done = nils.post(&format!("{path}/accept"), json!({})).await.is(200);
        assert_eq!((&done["state"], &done["id"]), (&json!("completed"), &offer["id"]));
        assert_eq!(owner(&world).await, "nils@example.com");
        assert_eq!(nils.post(&format!("{path}/accept"), json!({})).await.is(200), done);
        assert_eq!(nils.get(&path).await.is(200), done);
        let olga = world.operator().get(&format!("{CLOUD}/members/ext:olga")).await.is(200);
        assert_eq!(olga["access"], json!({"type": "organization", "role": "admin"}));
        nils.delete(&path).await.refused(410, "offer_expired");
        let events = world.operator().get(&format!("{CLOUD}/events?after=0&limit=200")).await.is(200);
        let told: Vec<&str> =
            events["data"].as_array().unwrap().iter().filter_map(|it| it["type"].as_str()).collect();
        assert_eq!(told[told.len() - 2..], ["ownership.offered", "ownership.transferred"]);
        verified(&world).await;
    }
}

/// O4: at seven days it is over; declined and taken back it is over at once.
#[tokio::test]
async fn o4_an_offer_that_is_over_cannot_be_accepted() {
    for store in selected() {
        for way in ["expired", "declined", "cancelled"] {
            let world = World::on(store).await;
            let (_, path) = offered(&world, "nils").await;
            let nils = world.person("nils");
            match way {
                "expired" => world.test().clock.advance_seconds(WEEK),
                "declined" => {
                    world
                        .person("olga")
                        .post(&format!("{path}/decline"), json!({}))
                        .await
                        .refused(403, "forbidden");
                    for _ in 0..2 {
                        let done = nils.post(&format!("{path}/decline"), json!({})).await.is(200);
                        assert_eq!(done["state"], "declined");
                    }
                }
                _ => {
                    nils.delete(&path).await.refused(403, "forbidden");
                    world.person("anna").delete(&path).await.refused(403, "forbidden");
                    for _ in 0..2 {
                        world.person("olga").delete(&path).await.is(204);
                    }
                }
            }
            assert_eq!(world.operator().get(&path).await.is(200)["state"], way);
            nils.post(&format!("{path}/accept"), json!({})).await.refused(410, "offer_expired");
            assert_eq!(owner(&world).await, "olga@example.com");
            verified(&world).await;
        }
    }
}

/// O4, O5, M7: what must hold is judged again when it is accepted.
#[tokio::test]
async fn o4_an_offer_is_judged_again_when_it_is_accepted() {
    for store in selected() {
        for (way, status, code) in [
            ("another was first", 409, "owner_changed"),
            ("deactivated", 409, "target_not_active"),
            ("left and came back", 410, "offer_expired"),
            ("role gone", 409, "role_gone"),
            ("owner suspended", 410, "offer_expired"),
            ("suspended", 409, "target_not_active"),
            ("no seat", 409, "no_seat"),
        ] {
            let world = World::on(store).await;
            let operator = world.operator();
            let (mut path, mut person) = (offered(&world, "nils").await.1, "nils");
            let tag = operator.get(&path).await.header("etag").unwrap().to_owned();
            match way {
                "another was first" => {
                    drop(operator.post(TRANSFERS, json!({"to": "ext:anna"})).await.is(201));
                }
                "deactivated" => {
                    operator.post(&format!("{CLOUD}/members/ext:nils/deactivate"), json!({})).await.is(200);
                }
                "owner suspended" => {
                    operator.post("/v1/users/ext:olga/suspend", json!({})).await.is(200);
                }
                "suspended" => {
                    operator.post("/v1/users/ext:nils/suspend", json!({})).await.is(200);
                }
                "left and came back" => {
                    operator.delete(&format!("{CLOUD}/members/ext:nils")).await.is(200);
                    world
                        .person("nils")
                        .post(&format!("{path}/accept"), json!({}))
                        .await
                        .refused(404, "not_found");
                    let role = json!({"role": "viewer"});
                    operator.put(&format!("{CLOUD}/accounts/ext:north/members/ext:nils"), role).await.is(201);
                }
                "role gone" => {
                    let role = json!({"name": "Chief", "permissions": ["organization:read"]});
                    let role = text(&operator.post(&format!("{CLOUD}/roles"), role).await.is(201), "/id");
                    let body =
                        json!({"to": "ext:nils", "previous_owner_role": role, "require_acceptance": true});
                    path =
                        format!("{TRANSFERS}/{}", text(&operator.post(TRANSFERS, body).await.is(201), "/id"));
                    operator.delete(&format!("{CLOUD}/roles/{role}")).await.is(204);
                }
                _ => {
                    (path, person) = (offered(&world, "empty").await.1, "empty");
                    let used = operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"].clone();
                    operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": used})).await.is(200);
                }
            }
            let over = matches!(way, "another was first" | "deactivated" | "left and came back");
            let known = if way == "role gone" { "\"other\"" } else { &tag };
            let shown = if person == "nils" {
                operator.clone().with("if-none-match", known).get(&path).await
            } else {
                operator.get(&path).await
            };
            if way == "owner suspended" {
                assert_eq!(shown.status.as_u16(), 304, "nothing is shown otherwise");
            }
            let shown = if shown.status.as_u16() == 304 { operator.get(&path).await } else { shown }.is(200);
            assert_eq!(shown["state"], if over { "expired" } else { "pending" }, "{store}: {way}");
            let reply = world.person(person).post(&format!("{path}/accept"), json!({})).await;
            if matches!(way, "deactivated" | "suspended") {
                assert!(matches!(reply.status.as_u16(), 401 | 404), "{way}: {reply:?}");
                operator.post(&format!("{path}/accept"), json!({})).await.refused(status, code);
            } else {
                reply.refused(status, code);
            }
            if matches!(way, "another was first" | "left and came back") {
                let declined = world.person(person).post(&format!("{path}/decline"), json!({})).await;
                declined.refused(410, "offer_expired");
            }
            if way == "owner suspended" {
                assert_eq!(owner(&world).await, "olga@example.com");
                operator.post(&format!("{path}/accept"), json!({})).await.is(200);
                assert_eq!(
                    owner(&world).await,
                    "nils@example.com",
                    "what an operator does, is audited as theirs"
                );
            }
            verified(&world).await;
        }
    }
}

/// M5, O3: who has been removed from everything is no target, though nobody has swept it yet.
#[tokio::test]
async fn m5_o3_nobody_hands_an_organization_to_one_who_is_removed_from_everything() {
    for store in selected() {
        let world = World::on(store).await;
        let (_, path) = offered(&world, "nils").await;
        world.operator().delete("/v1/users/ext:nils/accounts").await.is(202);
        assert_eq!(world.operator().get(&path).await.is(200)["state"], "expired", "{store}");
        for require_acceptance in [true, false] {
            let body = json!({"to": "ext:nils", "require_acceptance": require_acceptance});
            world.operator().post(TRANSFERS, body).await.refused(409, "target_not_active");
        }
    }
}

/// Rules O4, O5: an offer was made by somebody as the owner they were then: once they have handed the organization over,
/// it is dead, also when it comes back to them.
#[tokio::test]
async fn o5_an_offer_does_not_come_back_with_the_organization() {
    for store in selected() {
        for by_plan in [false, true] {
            let world = World::on(store).await;
            let (_, path) = offered(&world, "nils").await;
            if by_plan {
                let plan = format!("{CLOUD}/members/ext:olga/leaving-plan");
                let revision = text(&world.operator().get(&plan).await.is(200), "/revision");
                let body = json!({"mode": "deactivate", "revision": revision, "owner_to": "ext:anna"});
                world.operator().post(&plan, body).await.is(200);
                world
                    .operator()
                    .post(&format!("{CLOUD}/members/ext:olga/reactivate"), json!({}))
                    .await
                    .is(200);
            } else {
                world.person("olga").post(TRANSFERS, json!({"to": "ext:anna"})).await.is(201);
            }
            let accept = format!("{path}/accept");
            world.operator().post(&accept, json!({})).await.refused(409, "owner_changed");
            world.operator().post(TRANSFERS, json!({"to": "ext:olga"})).await.is(201);
            world.operator().post(&accept, json!({})).await.refused(409, "owner_changed");
            assert_eq!(world.operator().get(&path).await.is(200)["state"], "expired", "{store}");
            assert_eq!(owner(&world).await, "olga@example.com", "{store}");
            world.test().clock.advance_seconds(1);
            let (_, anew) = offered(&world, "nils").await;
            world.person("nils").post(&format!("{anew}/accept"), json!({})).await.is(200);
            assert_eq!(owner(&world).await, "nils@example.com", "{store}");
            verified(&world).await;
        }
    }
}
