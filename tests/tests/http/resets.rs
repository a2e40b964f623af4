//! Setting a new password by a link: rule L8.

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::show_password_reset;
use roster_core::id::UserId;
use roster_core::verify::verify_all;
use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const OLD: &str = "correct horse battery";
const NEW: &str = "battery staple correct";

/// Max, with a link that an operator has had printed.
async fn linked(world: &World) -> (UserId, String) {
    let max: UserId = text(&world.operator().get("/v1/users/ext:max").await.is(200), "/id").parse().unwrap();
    (max, link(world, max).await)
}

async fn link(world: &World, user: UserId) -> String {
    let request = Request::new(Actor::CLI, world.service.roster.entropy.as_ref());
    let (url, _) = show_password_reset(&world.service.roster, &request, user).await.unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

async fn set(world: &World, token: &str, password: &str) -> Reply {
    let path = format!("/v1/password-resets/{token}");
    world.service.nobody().post(&path, json!({"password": password})).await
}

async fn sign_in(world: &World, password: &str) -> Reply {
    let body = json!({"email": "max@example.com", "password": password});
    world.service.nobody().post("/v1/sessions", body).await
}

async fn signed_in<'a>(world: &'a World, password: &str) -> Caller<'a> {
    world.service.bearer(&text(&sign_in(world, password).await.is(201), "/token"))
}

#[tokio::test]
async fn l8_a_link_sets_a_password_once_and_ends_every_session() {
    for store in selected() {
        let world = World::on(store).await;
        let (max, first) = linked(&world).await;
        set(&world, &first, "short").await.refused(422, "invalid");
        set(&world, &first, &"x".repeat(257)).await.refused(422, "invalid");
        set(&world, &first, OLD).await.is(204);
        let (one, two) = (signed_in(&world, OLD).await, signed_in(&world, OLD).await);
        set(&world, &first, NEW).await.refused(410, "reset_used");
        world.test().clock.advance_seconds(1);
        let second = link(&world, max).await;
        one.get("/v1/me").await.is(200);
        let keyed = world.service.nobody().with("idempotency-key", "one");
        for replayed in [None, Some("true")] {
            let path = format!("/v1/password-resets/{second}");
            let reply = keyed.post(&path, json!({"password": NEW})).await;
            assert_eq!(reply.header("idempotency-replayed"), replayed);
            reply.is(204);
        }
        for session in [one, two] {
            session.get("/v1/me").await.refused(401, "unauthenticated");
        }
        sign_in(&world, OLD).await.refused(401, "invalid_credentials");
        signed_in(&world, NEW).await.get(CLOUD).await.is(200);
        let audit = world.operator().get(&format!("/v1/audit?user={max}&action=user.updated")).await.is(200);
        let said: Vec<_> = (0..4).map(|n| audit["data"][n]["after"]["password"].as_str().unwrap()).collect();
        assert_eq!(said, ["reset_shown", "reset", "reset_shown", "reset"]);
        assert!(text(&audit, "/data/3/actor/via").starts_with("rst_"));
        assert_eq!(verify_all(&world.service.roster, &mut |_| {}).await.unwrap().findings, []);
    }
}

#[tokio::test]
async fn l8_a_link_lives_an_hour_and_until_something_takes_its_place() {
    for store in selected() {
        let world = World::on(store).await;
        let clock = &world.test().clock;
        let (max, first) = linked(&world).await;
        let second = link(&world, max).await;
        set(&world, &first, OLD).await.refused(410, "reset_expired");
        clock.advance_seconds(3_599);
        set(&world, &second, OLD).await.is(204);
        clock.advance_seconds(1);
        let third = link(&world, max).await;
        clock.advance_seconds(3_600);
        set(&world, &third, NEW).await.refused(410, "reset_expired");
        let fourth = link(&world, max).await;
        let session = signed_in(&world, OLD).await;
        clock.advance_seconds(1);
        session.post("/v1/me/password", json!({"current": OLD, "password": NEW})).await.is(204);
        set(&world, &fourth, OLD).await.refused(410, "reset_expired");
        for bad in ["x".to_owned(), fourth.replacen('r', "R", 1), fourth.replacen("rkr_", "rkc_", 1)] {
            set(&world, &bad, OLD).await.refused(404, "not_found");
        }
    }
}

/// L9: the link of one who was suspended opens nothing, then and later; a link to an old mailbox neither.
#[tokio::test]
async fn l8_a_link_dies_with_a_suspension_and_with_the_address() {
    for store in selected() {
        let world = World::on(store).await;
        let (max, token) = linked(&world).await;
        let operator = world.operator();
        operator.post("/v1/users/ext:max/suspend", json!({})).await.is(200);
        set(&world, &token, OLD).await.refused(410, "reset_expired");
        operator.post("/v1/users/ext:max/unsuspend", json!({})).await.is(200);
        set(&world, &token, OLD).await.refused(410, "reset_expired");
        world.test().clock.advance_seconds(1);
        let token = link(&world, max).await;
        operator.patch("/v1/users/ext:max", json!({"email": "new@example.com"})).await.is(200);
        set(&world, &token, OLD).await.refused(410, "reset_expired");
        let token = link(&world, max).await;
        operator.patch("/v1/users/ext:max", json!({"name": "Maximilian"})).await.is(200);
        set(&world, &token, OLD).await.is(204);
    }
}

/// Without mail: anybody is answered the same, and those who may have a link mailed are told that nothing can be.
#[tokio::test]
async fn l8_without_mail_nothing_is_mailed_and_nothing_is_told() {
    for store in selected() {
        let world = World::on(store).await;
        let nobody = world.service.nobody();
        for email in ["max@example.com", "nobody@example.com", "no address", ""] {
            assert_eq!(
                nobody.post("/v1/password-resets", json!({"email": email})).await.is(202),
                Value::Null
            );
        }
        nobody.post("/v1/password-resets", json!({})).await.refused(422, "invalid");
        let path = |user: &str| format!("{CLOUD}/members/{user}/password-reset");
        let anna = world.person("anna");
        anna.post(&path("ext:max"), json!({})).await.refused(409, "mail_not_configured");
        anna.post(&path("ext:olga"), json!({})).await.refused(403, "cannot_grant_unheld");
        anna.post(&path("ext:fred"), json!({})).await.refused(409, "target_not_active");
        anna.post(&path("ext:mia"), json!({})).await.refused(404, "not_found");
        world.person("max").post(&path("ext:vera"), json!({})).await.refused(403, "forbidden");
        let bulk = json!({"action": "password_reset", "users": ["ext:max"]});
        let many = format!("{CLOUD}/members/bulk");
        anna.post(&many, bulk.clone()).await.refused(409, "mail_not_configured");
        world.person("max").post(&many, bulk).await.refused(403, "forbidden");
    }
}
