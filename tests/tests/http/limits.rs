//! How often something may be tried without having signed in: `429 rate_limited`.

use roster_tests::http::Reply;
use roster_tests::mailbox::Mailbox;
use roster_tests::world::World;
use serde_json::json;

async fn try_password(world: &World, email: &str) -> Reply {
    let body = json!({"email": email, "password": "wrong horse battery"});
    world.service.nobody().post("/v1/sessions", body).await
}

/// A known and an unknown account are limited alike, one does not limit another, and time helps.
#[tokio::test]
async fn sign_ins_that_fail_are_limited_by_account() {
    let world = World::on("memory").await;
    for email in ["max@example.com", "nobody@example.com"] {
        for _ in 0..50 {
            try_password(&world, email).await.refused(401, "invalid_credentials");
        }
        let reply = try_password(&world, email).await;
        assert_eq!(reply.header("retry-after"), Some("18"));
        reply.refused(429, "rate_limited");
    }
    try_password(&world, "vera@example.com").await.refused(401, "invalid_credentials");
    world.operator().get("/v1/me").await.is(200);
    world.test().clock.advance_seconds(18);
    try_password(&world, "MAX@example.com").await.refused(401, "invalid_credentials");
    try_password(&world, "max@example.com").await.refused(429, "rate_limited");
}

/// L8: a mailbox gets five letters an hour, and whoever asks is told nothing.
#[tokio::test]
async fn a_mailbox_gets_few_letters_an_hour() {
    let (world, mailbox): (World, std::sync::Arc<Mailbox>) = World::with_mail("memory").await;
    let mut letters = 0;
    for _ in 0..20 {
        let body = json!({"email": "max@example.com"});
        world.service.nobody().post("/v1/password-resets", body).await.is(202);
        letters += mailbox.collect(&world.service.roster).await.len();
    }
    assert_eq!(letters, 5);
    for n in 0..6 {
        let reply =
            world.person("max").post("/v1/me/email", json!({"email": format!("m{n}@example.com")})).await;
        if n < 5 {
            reply.is(202)
        } else {
            reply.refused(429, "rate_limited")
        };
    }
}
