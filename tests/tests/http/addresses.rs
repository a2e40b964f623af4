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
        let keyed = nobody.with("idempotency-key", "one");
        let changed = keyed.post(&own, json!({})).await.is(200);
        assert_eq!(text(&changed, "/email"), "own@example.com");
        let again = keyed.post(&own, json!({})).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.is(200), changed);
        keyed.post(&change, json!({})).await.refused(410, "reset_expired");
        crate::verified(&world).await;
    }
}

/// The address before is told although another change begins at once.
#[tokio::test]
async fn l8_the_address_before_is_told_whatever_is_asked_for_next() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let (nobody, roster, max) = (world.service.nobody(), &world.service.roster, world.person("max"));
        for to in ["one@example.com", "two@example.com"] {
            max.post("/v1/me/email", json!({"email": to})).await.is(202);
            let letters = mailbox.collect(roster).await;
            let link = letters.iter().find(|letter| letter.kind == "email_change").unwrap();
            let path = format!("/v1/email-changes/{}", token(link));
            nobody.post(&path, json!({})).await.is(200);
        }
        max.post("/v1/me/email", json!({"email": "three@example.com"})).await.is(202);
        let mut told: Vec<_> = mailbox.collect(roster).await;
        told.retain(|letter| letter.kind == "email_changed");
        assert_eq!(told.iter().map(|letter| letter.to.as_str()).collect::<Vec<_>>(), ["one@example.com"]);
    }
}

/// The same where nothing was sent between: all three letters go out.
#[tokio::test]
async fn l8_every_address_before_is_told() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let (nobody, roster, max) = (world.service.nobody(), &world.service.roster, world.person("max"));
        max.post("/v1/me/email", json!({"email": "one@example.com"})).await.is(202);
        let path = format!("/v1/email-changes/{}", token(&mailbox.one(roster).await));
        nobody.post(&path, json!({})).await.is(200);
        max.post("/v1/me/email", json!({"email": "two@example.com"})).await.is(202);
        let told = mailbox.collect(roster).await;
        let mut told: Vec<_> = told.iter().map(|letter| (letter.kind, letter.to.as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [("email_change", "two@example.com"), ("email_changed", "max@example.com")]);
    }
}

/// O3: both owners are told of a transfer; of an offer once it is accepted.
#[tokio::test]
async fn o3_both_owners_are_told_of_a_transfer() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let path = "/v1/organizations/ext:cloud/ownership-transfers";
        let told = async || {
            let letters = mailbox.collect(&world.service.roster).await;
            let mut to: Vec<String> = Vec::new();
            for letter in letters {
                assert_eq!(
                    (letter.kind, &letter.fields["organization"]),
                    ("ownership_transferred", &json!("cloud"))
                );
                to.push(format!("{} {}", letter.to.as_str(), letter.fields["owner"].as_str().unwrap()));
            }
            to.sort();
            to
        };
        world.person("olga").post(path, json!({"to": "ext:anna"})).await.is(201);
        assert_eq!(told().await, ["anna@example.com anna", "olga@example.com anna"]);
        let offer = json!({"to": "ext:max", "require_acceptance": true});
        let offer = world.person("anna").post(path, offer).await.is(201);
        assert_eq!(told().await, [""; 0]);
        let accept = format!("{path}/{}/accept", text(&offer, "/id"));
        for _ in 0..2 {
            world.person("max").post(&accept, json!({})).await.is(200);
        }
        assert_eq!(told().await, ["anna@example.com max", "max@example.com max"]);
        let plan = "/v1/organizations/ext:cloud/members/ext:max/leaving-plan";
        let revision = world.operator().get(plan).await.is(200)["revision"].clone();
        let body = json!({"mode": "remove", "revision": revision, "owner_to": "ext:nils"});
        let operator = world.operator().with("idempotency-key", "plan");
        for _ in 0..2 {
            operator.post(plan, body.clone()).await.is(200);
        }
        assert_eq!(told().await, ["max@example.com nils", "nils@example.com nils"], "by a leaving plan too");
        crate::verified(&world).await;
    }
}
