//! Links that were copied instead of mailed: rules I3, I4.

use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud/invitations";

async fn link(caller: &Caller<'_>, id: &str) -> String {
    let shown = caller.get(&format!("{CLOUD}/{id}/link")).await.is(200);
    text(&shown, "/url").rsplit('/').next().unwrap().to_owned()
}

async fn sign_up(world: &World, token: &str) -> Reply {
    let body = json!({"name": "Pat", "password": "correct horse battery"});
    world.service.nobody().post(&format!("/v1/invitations/{token}/accept"), body).await
}

/// I3: whoever copies a link has not read the mailbox. Where its person is in another organization by now, it sets no
/// password; that they are is told to nobody.
#[tokio::test]
async fn i3_a_copied_link_does_not_open_other_organizations() {
    for store in selected() {
        let world = World::on(store).await;
        let (anna, operator) = (world.person("anna"), world.operator());
        let access = json!({"type": "organization", "role": "viewer"});
        let ask = json!({"email": "pat@example.com", "access": access});
        let id = text(&anna.post(CLOUD, ask).await.is(201), "/id");
        let copied = link(&anna, &id).await;
        let there = json!({"email": "pat@example.com", "access": access});
        operator.post("/v1/organizations/ext:other/members", there).await.is(201);
        assert_eq!(link(&anna, &id).await, copied, "as if they were nowhere else");
        sign_up(&world, &copied).await.refused(401, "unauthenticated");
        let form = "act=accept&name=Pat&password=correct+horse+battery".as_bytes().to_vec();
        let browser = world.service.nobody().with("content-type", "application/x-www-form-urlencoded");
        let page = browser.send(http::Method::POST, &format!("/invitations/{copied}"), form).await;
        assert_eq!(page.status.as_u16(), 401);
        assert!(page.text.contains("ask those who run this service for a link to set one"), "{}", page.text);
        anna.post(&format!("{CLOUD}/{id}/resend"), json!({})).await.is(200);
        let key = world.service.bearer(&world.admin_key);
        sign_up(&world, &link(&key, &id).await).await.refused(401, "unauthenticated");
        anna.post(&format!("{CLOUD}/{id}/resend"), json!({})).await.is(200);
        sign_up(&world, &link(&operator, &id).await).await.is(200);
        crate::verified(&world).await;
    }
}

/// I4: a copied link is as good as a mailed one for whoever is nowhere else.
#[tokio::test]
async fn i4_a_copied_link_lets_somebody_new_in() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let access = json!({"type": "organization", "role": "viewer"});
        let made = anna.post(CLOUD, json!({"email": "pat@example.com", "access": access})).await.is(201);
        let id = text(&made, "/id");
        let shown = anna.get(&format!("{CLOUD}/{id}")).await;
        let copied = link(&anna, &id).await;
        let after = anna.get(&format!("{CLOUD}/{id}")).await;
        assert_eq!(after.header("etag"), shown.header("etag"), "looking changes nothing");
        let made = sign_up(&world, &copied).await.is(200);
        assert_eq!(made["member"]["name"], "Pat");
        // Who was there without a name is called what they say; a name that is there stays.
        for (name, called) in [(None, "Pat"), (Some("Paul"), "Paul")] {
            let email = format!("{}@example.com", name.unwrap_or("nameless"));
            let person = person(&world, &email, name).await;
            let made = anna.post(CLOUD, json!({"email": email, "access": access})).await.is(201);
            let made = sign_up(&world, &link(&anna, &text(&made, "/id")).await).await.is(200);
            assert_eq!((&made["member"]["name"], &made["member"]["user_id"]), (&json!(called), &person));
            let id = person.as_str().unwrap();
            assert_eq!(world.operator().get(&format!("/v1/users/{id}")).await.is(200)["name"], called);
        }
        crate::verified(&world).await;
    }
}

/// A person in no organization; their id.
async fn person(world: &World, email: &str, name: Option<&str>) -> Value {
    world.operator().post("/v1/users", json!({"email": email, "name": name})).await.is(201)["id"].clone()
}

/// I2: that it has expired is final once anybody has seen it, whoever that was.
#[tokio::test]
async fn i2_an_expiry_that_was_seen_is_final() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let access = json!({"type": "organization", "role": "viewer"});
        let made = anna.post(CLOUD, json!({"email": "pat@example.com", "access": access})).await.is(201);
        let id = text(&made, "/id");
        let token = link(&anna, &id).await;
        world.test().clock.advance_seconds(15 * 86_400);
        assert_eq!(anna.get(&format!("{CLOUD}/{id}")).await.is(200)["status"], "expired");
        world.test().clock.advance_seconds(-3_600);
        sign_up(&world, &token).await.refused(410, "invitation_expired");
        let wrong = world.person("mia").post(&format!("/v1/invitations/{token}/accept"), json!({})).await;
        wrong.refused(403, "wrong_recipient");
        crate::verified(&world).await;
    }
}
