//! Requests that are sent again: an answer is kept for a day, a refusal is not.

use http::Method;
use roster_core::facts::Seed;
use roster_core::home::{Home, Record};
use roster_core::log::Head;
use roster_core::model::Receipt;
use roster_core::rounds::make_round;
use roster_core::secret::Token;
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::verified;

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// Sends a body that is refused, then one that is not, by the same key; the latter again is answered the same.
async fn corrected(caller: &Caller<'_>, path: &str, wrong: (Value, u16, &str), right: (Value, u16)) {
    let caller = caller.clone().with("idempotency-key", "one");
    for _ in 0..2 {
        caller.post(path, wrong.0.clone()).await.refused(wrong.1, wrong.2);
    }
    let (body, status) = right;
    let first = caller.post(path, body.clone()).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.is(status);
    let again = caller.post(path, body).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{path}");
    assert_eq!(again.is(status), first);
    caller.post(path, wrong.0).await.refused(422, "idempotency_mismatch");
}

/// Conventions: refusals are not kept, so a corrected body may come by the same key; of acts over several homes as well.
#[tokio::test]
async fn a_refusal_is_not_kept() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let taken = (json!({"email": "max@example.com"}), 409, "email_exists");
        corrected(&operator, "/v1/users", taken, (json!({"email": "new@example.com"}), 201)).await;
        operator.delete("/v1/users/ext:nobody/accounts").await.refused(404, "not_found");

        let world = World::on(store).await;
        let operator = world.operator();
        let named =
            |slug: &str| json!({"name": "Third", "slug": slug, "owner": {"email": "thea@example.com"}});
        let taken = (named("cloud"), 409, "slug_exists");
        corrected(&operator, "/v1/organizations", taken, (named("third"), 201)).await;

        let world = World::on(store).await;
        let reassign = |from: &str| json!({"from": from, "to": "ext:vera"});
        let unknown = (reassign("ext:nobody"), 404, "not_found");
        let path = format!("{CLOUD}/records/reassign");
        corrected(&world.operator(), &path, unknown, (reassign("ext:max"), 202)).await;

        let world = World::on(store).await;
        let bulk = |users: &[&str]| json!({"action": "deactivate", "users": users});
        let none = (bulk(&[]), 422, "invalid");
        corrected(&world.person("anna"), &format!("{CLOUD}/members/bulk"), none, (bulk(&["ext:max"]), 202))
            .await;
    }
}

/// I8: a batch that finds no seats may come again once there are some; an acceptance once it may be.
#[tokio::test]
async fn a_refusal_of_invitations_is_not_kept() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let used = operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"].as_u64().unwrap();
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": used + 1})).await.is(200);
        let row = |n: usize| json!({"email": format!("m{n}@example.com"), "access": {"type": "organization", "role": "viewer"}});
        let rows = |n: usize| json!({"invitations": (0..n).map(row).collect::<Vec<_>>()});
        let few = (rows(2), 409, "no_seat");
        let path = format!("{CLOUD}/invitations");
        corrected(&operator, &path, few, (rows(1), 200)).await;

        let made = operator.get(&path).await.is(200);
        let id = text(&made, "/data/0/id");
        let link = text(&operator.get(&format!("{path}/{id}/link")).await.is(200), "/url");
        let accept = format!("/v1/invitations/{}/accept", link.rsplit('/').next().unwrap());
        let rita = json!({"name": "Rita", "password": "correct horse battery"});
        operator.post("/v1/users/ext:anna/suspend", json!({})).await.is(200);
        world
            .person("max")
            .with("idempotency-key", "two")
            .post(&accept, json!({}))
            .await
            .refused(403, "wrong_recipient");
        let nobody = world.service.nobody();
        corrected(&nobody, &accept, (json!({}), 401, "unauthenticated"), (rita, 200)).await;
    }
}

/// A request that is refused changes nothing: no receipt is left, and no log has grown.
#[tokio::test]
async fn a_refusal_leaves_nothing() {
    for store in selected() {
        let world = World::on(store).await;
        let ask = json!({"email": "rita@example.com", "access": {"type": "organization", "role": "viewer"}});
        let many = json!({"invitations": [ask.clone()]});
        let id = text(&world.operator().post(&format!("{CLOUD}/invitations"), ask).await.is(201), "/id");
        let link = world.operator().get(&format!("{CLOUD}/invitations/{id}/link")).await.is(200);
        let accept = format!("/v1/invitations/{}/accept", text(&link, "/url").rsplit('/').next().unwrap());
        // An invitation that holds no seat, where none is free.
        let operator = world.operator();
        operator.patch(CLOUD, json!({"settings": {"invitations_hold_seats": false}})).await.is(200);
        let ask = json!({"email": "rosa@example.com", "access": {"type": "organization", "role": "viewer"}});
        let id = text(&operator.post(&format!("{CLOUD}/invitations"), ask).await.is(201), "/id");
        let link = operator.get(&format!("{CLOUD}/invitations/{id}/link")).await.is(200);
        let token = text(&link, "/url").rsplit('/').next().unwrap().to_owned();
        let free = format!("/v1/invitations/{token}/accept");
        let sign_up = json!({"name": "Rosa", "password": "correct horse battery"});
        let seats = operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"].clone();
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let before = (heads(&world).await, receipts(&world).await);
        let vera = world.person("vera").with("idempotency-key", "one");
        for (path, body, refusal) in [
            ("members/bulk", json!({"action": "remove", "users": ["ext:max"]}), (403, "forbidden")),
            ("members/ext:max/password-reset", json!({}), (403, "forbidden")),
            ("records/reassign", json!({"from": "ext:max", "to": "ext:anna"}), (403, "forbidden")),
            ("invitations", many, (403, "forbidden")),
            ("accounts", json!({"name": "West", "traits": {"plan": "free"}}), (403, "forbidden")),
        ] {
            vera.post(&format!("{CLOUD}/{path}"), body).await.refused(refusal.0, refusal.1);
        }
        vera.clone()
            .with("content-type", "text/csv")
            .send(
                Method::POST,
                &format!("{CLOUD}/imports"),
                "email,account_external_id,role\na@example.com,north,viewer\n".into(),
            )
            .await
            .refused(403, "forbidden");
        vera.post(&accept, json!({})).await.refused(403, "wrong_recipient");
        world.service.nobody().post(&free, sign_up.clone()).await.refused(409, "no_seat");
        vera.post("/v1/me/email", json!({"email": "v@example.com"}))
            .await
            .refused(409, "mail_not_configured");
        let change = json!({"current": "correct horse battery", "password": "battery staple correct"});
        vera.post("/v1/me/password", change).await.refused(401, "invalid_credentials");
        assert_eq!((heads(&world).await, receipts(&world).await), before, "{store}");
    }
}

/// How far all logs have come.
async fn heads(world: &World) -> Vec<(Home, Head)> {
    let store = &world.service.roster.store;
    let mut heads = Vec::new();
    for home in store.homes(None, 10_000).await.unwrap() {
        let head = store.read(&home, &[], &[]).await.unwrap().head;
        heads.push((home, head));
    }
    heads
}

/// Secrets are of no use to whoever has a copy of the store and not the master key: what receipts keep to draw the same
/// again does not make them.
#[tokio::test]
async fn p3_what_receipts_keep_makes_no_secret() {
    for store in selected() {
        let world = World::on(store).await;
        let keyed = world.operator().with("idempotency-key", "one");
        let access = json!({"type": "organization", "role": "viewer"});
        let body = json!({"name": "Reader", "access": access});
        let made = keyed.post(&format!("{CLOUD}/api-keys"), body.clone()).await.is(201);
        assert_eq!(keyed.post(&format!("{CLOUD}/api-keys"), body).await.is(201), made);
        let invited = json!({"email": "rita@example.com", "access": access});
        let id = text(&world.operator().post(&format!("{CLOUD}/invitations"), invited).await.is(201), "/id");
        let link = world.operator().get(&format!("{CLOUD}/invitations/{id}/link")).await.is(200);
        let accept = format!("/v1/invitations/{}/accept", text(&link, "/url").rsplit('/').next().unwrap());
        let rita = json!({"name": "Rita", "password": "correct horse battery"});
        let nobody = world.service.nobody().with("idempotency-key", "one");
        let accepted = nobody.post(&accept, rita.clone()).await.is(200);
        assert_eq!(nobody.post(&accept, rita).await.is(200), accepted);
        let secrets = [text(&made, "/secret"), text(&accepted, "/session/token")];
        let secrets = secrets.map(|secret| Token::parse(&secret).unwrap());
        let kept = receipts(&world).await;
        assert!(kept.len() >= 2, "{store}");
        for receipt in kept {
            let seed = Seed { bytes: receipt.seed, millis: receipt.seed_millis };
            let session = Seed { bytes: seed.derive("step session"), ..seed };
            let drawn = [seed.derive("api key secret"), session.derive("session secret")];
            for (secret, drawn) in secrets.iter().zip(drawn) {
                assert_ne!(Token::new(secret.kind(), drawn).reveal(), secret.reveal(), "{store}");
            }
        }
    }
}

/// The receipts that all homes hold.
async fn receipts(world: &World) -> Vec<Receipt> {
    let store = &world.service.roster.store;
    let mut found = Vec::new();
    for home in store.homes(None, 10_000).await.unwrap() {
        let records = store.dump(&home).await.unwrap().records;
        found.extend(records.into_iter().filter_map(|stored| match stored.record {
            Record::Receipt(receipt) => Some(receipt),
            _ => None,
        }));
    }
    found
}

/// Conventions: an answer is kept for 24 hours; what is older goes, in every kind of home, and what counts stays.
#[tokio::test]
async fn receipts_that_count_no_more_are_taken_away_and_the_others_are_not() {
    for store in selected() {
        let world = World::on(store).await;
        let say = async |n: usize| {
            let caller = world.operator().with("idempotency-key", &format!("key {n}").replace(' ', "-"));
            let made = caller.post("/v1/users", json!({"email": format!("p{n}@example.com")})).await;
            let member = json!({"email": format!("p{n}@example.com"), "access": {"type": "organization", "role": "viewer"}});
            caller.post(&format!("{CLOUD}/members"), member).await;
            caller.post(&format!("/v1/users/{}/suspend", text(&made.body, "/id")), json!({})).await;
            made
        };
        for n in 0..5 {
            say(n).await.is(201);
        }
        let old = receipts(&world).await.len();
        assert!(old >= 10, "{store}: {old}");
        world.test().clock.advance_seconds(86_400);
        for n in 5..7 {
            say(n).await.is(201);
        }
        let all = receipts(&world).await.len();
        assert_eq!(make_round(&world.service.roster).await.unwrap().receipts, old, "{store}");
        assert_eq!(receipts(&world).await.len(), all - old, "{store}");
        assert_eq!(say(6).await.header("idempotency-replayed"), Some("true"), "{store}");
        assert_eq!(make_round(&world.service.roster).await.unwrap().receipts, 0);
        verified(&world).await;
    }
}
