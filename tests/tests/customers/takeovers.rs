//! What whoever holds a write key does not become by it: rule G6. Write keys are often public.

use roster_tests::http::Caller;
use roster_tests::mailbox::token;
use roster_tests::stores::selected;
use serde_json::{Value, json};

use super::Customers;

const PASSWORD: &str = "correct horse battery";

async fn says(at: &Customers, user: &str, traits: Value) {
    at.says("/v1/identify", json!({"userId": user, "traits": traits})).await;
}

async fn invite(operator: &Caller<'_>, email: &str) {
    let access = json!({"type": "organization", "role": "viewer"});
    let body = json!({"email": email, "access": access});
    operator.post("/v1/organizations/ext:cloud/invitations", body).await.is(201);
}

/// An address that somebody else gave stays; one that only a source gave proves nothing, until an operator gives it too.
#[tokio::test]
async fn g6_a_write_key_takes_over_nobody() {
    for store in selected() {
        let (at, mailbox) = Customers::with_mail(store).await;
        let (operator, nobody, roster) = (at.world.operator(), at.service().nobody(), &at.service().roster);
        let letters = async |email: &str| {
            nobody.post("/v1/password-resets", json!({"email": email})).await.is(202);
            mailbox.collect(roster).await.len()
        };
        says(&at, "olga", json!({"email": "evil@x.test", "name": "Olga N."})).await;
        assert_eq!(letters("evil@x.test").await, 0);
        let olga = at.user("olga").await.is(200);
        assert_eq!((&olga["email"], &olga["name"]), (&json!("olga@example.com"), &json!("Olga N.")));
        assert_eq!(letters("olga@example.com").await, 1);

        operator.post("/v1/users", json!({"external_id": "boss"})).await.is(201);
        for email in ["first@x.test", "evil@x.test"] {
            says(&at, "boss", json!({"email": email})).await;
            assert_eq!(at.user("boss").await.is(200)["email"], email, "where there was none, or its own");
        }
        assert_eq!(letters("evil@x.test").await, 0);
        let boss = json!({"name": "Boss", "external_id": "boss", "owner": {"external_id": "boss"}});
        operator.post("/v1/organizations", boss).await.is(201);
        let reset = "/v1/organizations/ext:boss/members/ext:boss/password-reset";
        operator.post(reset, json!({})).await.refused(422, "invalid");
        invite(&operator, "evil@x.test").await;
        let accept = format!("/v1/invitations/{}/accept", token(&mailbox.one(roster).await));
        let sign_up = json!({"name": "Eve", "password": PASSWORD});
        nobody.post(&accept, sign_up).await.refused(401, "unauthenticated");

        operator.patch("/v1/users/ext:boss", json!({"email": "evil@x.test"})).await.is(200);
        says(&at, "boss", json!({"email": "other@x.test"})).await;
        assert_eq!(at.user("boss").await.is(200)["email"], "evil@x.test", "vouched for");
        assert_eq!(letters("evil@x.test").await, 1);
        at.is_clean().await;
    }
}

/// G4: no trait is taken for the name or the address, whatever it is called.
#[tokio::test]
async fn g4_a_trait_that_is_called_as_a_field_is_a_trait() {
    for store in selected() {
        let at = Customers::on(store).await;
        says(&at, "zoe", json!({".name": 1, ".email": 1, "..name": 2})).await;
        let traits = json!({"name": "Zoe", "email": "zoe@x.test"});
        let earlier = json!({"userId": "zoe", "timestamp": "2020-01-01T00:00:00Z", "traits": traits});
        at.says("/v1/identify", earlier).await;
        let zoe = at.user("zoe").await.is(200);
        assert_eq!((&zoe["name"], &zoe["email"]), (&json!("Zoe"), &json!("zoe@x.test")), "{store}");
        assert_eq!((&zoe["traits"][".name"], &zoe["traits"]["..name"]), (&json!(1), &json!(2)), "{store}");
    }
}
