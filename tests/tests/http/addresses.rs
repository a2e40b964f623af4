//! Changes of address and what comes between: rule L8.

use roster_tests::http::text;
use roster_tests::mailbox::token;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::json;

/// L8: whoever sets a new password shuts out whoever had the old one, and what they have asked for.
#[tokio::test]
async fn l8_a_change_of_address_dies_with_the_password_it_was_asked_under() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let (nobody, roster) = (world.service.nobody(), &world.service.roster);
        let clock = &world.test().clock;
        world.person("max").post("/v1/me/email", json!({"email": "thief@example.com"})).await.is(202);
        let theirs = mailbox.one(roster).await;
        clock.advance_seconds(1);
        nobody.post("/v1/password-resets", json!({"email": "max@example.com"})).await.is(202);
        let reset = format!("/v1/password-resets/{}", token(&mailbox.one(roster).await));
        nobody.post(&reset, json!({"password": "correct horse battery"})).await.is(204);
        let change = format!("/v1/email-changes/{}", token(&theirs));
        nobody.post(&change, json!({})).await.refused(410, "reset_expired");
        clock.advance_seconds(1);
        world.person("max").post("/v1/me/email", json!({"email": "own@example.com"})).await.is(202);
        let own = format!("/v1/email-changes/{}", token(&mailbox.one(roster).await));
        let changed = nobody.post(&own, json!({})).await.is(200);
        assert_eq!(text(&changed, "/email"), "own@example.com");
        crate::verified(&world).await;
    }
}
