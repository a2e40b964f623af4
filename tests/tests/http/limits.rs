//! How often something may be tried without having signed in: `429 rate_limited`.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use roster_api::ApiState;
use roster_api::peer::Peer;
use roster_core::limits::{Limits, Rate, Rates};
use roster_core::op::Roster;
use roster_tests::http::{Reply, Service};
use roster_tests::mailbox::Mailbox;
use roster_tests::stores::{CountingEntropy, fresh};
use roster_tests::world::World;
use serde_json::json;
use tower::ServiceExt as _;

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

/// M11: a password is not guessed by somebody who has a session either, nor by a key of one organization.
#[tokio::test]
async fn l8_wrong_passwords_at_a_change_count_as_sign_ins_that_fail() {
    let world = World::on("memory").await;
    let max = world.person("max");
    let body = json!({"current": "wrong horse battery", "password": "battery staple correct"});
    world
        .service
        .bearer(&world.admin_key)
        .on_behalf_of("ext:max")
        .post("/v1/me/password", body.clone())
        .await
        .refused(403, "forbidden");
    for _ in 0..50 {
        max.post("/v1/me/password", body.clone()).await.refused(401, "invalid_credentials");
    }
    max.post("/v1/me/password", body).await.refused(429, "rate_limited");
    try_password(&world, "max@example.com").await.refused(429, "rate_limited");
}

/// Twenty invitations an hour go to one address, whoever sends them; what is refused for another reason is not counted.
#[tokio::test]
async fn i4_an_address_gets_few_invitations_an_hour() {
    let world = World::on("memory").await;
    let (anna, path) = (world.person("anna"), "/v1/organizations/ext:cloud/invitations");
    let ask = |name: &str| json!({"email": format!("{name}@example.com"), "access": {"type": "organization", "role": "viewer"}});
    for _ in 0..30 {
        anna.post(path, ask("max")).await.refused(409, "already_member");
        world.person("vera").post(path, ask("rita")).await.refused(403, "forbidden");
    }
    let made = anna.clone().with("idempotency-key", "k").post(path, ask("rita")).await.is(201);
    let resend = format!("{path}/{}/resend", made["id"].as_str().unwrap());
    for _ in 0..19 {
        anna.post(&resend, json!({})).await.is(200);
    }
    let reply = anna.post(&resend, json!({})).await;
    assert_eq!(reply.header("retry-after"), Some("180"));
    reply.refused(429, "rate_limited");
    world
        .person("otto")
        .post("/v1/organizations/ext:other/invitations", ask("rita"))
        .await
        .refused(429, "rate_limited");
    world.person("vera").post(&resend, json!({})).await.refused(403, "forbidden");
    let again = anna.clone().with("idempotency-key", "k").post(path, ask("rita")).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "what was answered is");
    let rows = json!({"invitations": [ask("rosa"), ask("rita")]});
    let rows = anna.post(path, rows).await.is(200);
    assert_eq!(rows["results"][0]["status"], "invited");
    assert_eq!(
        (&rows["results"][1]["status"], &rows["results"][1]["code"]),
        (&json!("refused"), &json!("rate_limited"))
    );
    world.test().clock.advance_seconds(180);
    anna.post(&resend, json!({})).await.is(200);
    anna.post(&resend, json!({})).await.refused(429, "rate_limited");
}

/// An organization sends so many an hour; another is not limited by it.
#[tokio::test]
async fn i8_an_organization_sends_as_many_invitations_an_hour_as_is_set() {
    let test = fresh("memory").await;
    let entropy = CountingEntropy::new(Arc::clone(&test.clock));
    let rates = Rates { invite_from: Rate { tries: 3, seconds: 3_600 }, ..Rates::default() };
    let roster = Roster::new(Arc::clone(&test.store), Arc::new(entropy));
    let roster = Roster { limits: Arc::new(Limits::new(rates)), ..roster };
    let service = Service::over(test, roster).await;
    let operator = service.operator();
    for name in ["one", "two"] {
        let body = json!({"name": name, "external_id": name, "owner": {"email": format!("o@{name}.test")}});
        operator.post("/v1/organizations", body).await.is(201);
    }
    let ask = |n: u32| json!({"email": format!("m{n}@example.com"), "access": {"type": "organization", "role": "viewer"}});
    let rows = json!({"invitations": (0..5).map(ask).collect::<Vec<_>>()});
    let rows = operator.post("/v1/organizations/ext:one/invitations", rows).await.is(200);
    let told: Vec<_> = rows["results"].as_array().unwrap().iter().map(|row| row["code"].as_str()).collect();
    assert_eq!(told, [None, None, None, Some("rate_limited"), Some("rate_limited")]);
    operator.post("/v1/organizations/ext:one/invitations", ask(9)).await.refused(429, "rate_limited");
    operator.post("/v1/organizations/ext:two/invitations", ask(9)).await.is(201);
}

/// A peer is who connects, whatever the request says of whom it is sent for; where a proxy connects that is named, whom that
/// one names last.
#[tokio::test]
async fn a_peer_is_who_connects_or_whom_a_named_proxy_names() {
    for (proxies, told) in [("", [401, 401, 429, 429]), ("192.0.2.0/24", [401, 401, 401, 429])] {
        let world = World::on("memory").await;
        let rates = Rates { peer: Rate { tries: 2, seconds: 3_600 }, ..Rates::default() };
        let roster = Roster { limits: Arc::new(Limits::new(rates)), ..world.service.roster.clone() };
        let proxies = Arc::new(proxies.parse().unwrap());
        let api = roster_api::router(ApiState { proxies, ..ApiState::new(roster, [1; 32], [2; 32]) });
        let mut seen = Vec::new();
        for said in ["198.51.100.1", "198.51.100.2", "198.51.100.1", "6.6.6.6, 198.51.100.1"] {
            let body = json!({"email": "max@example.com", "password": "wrong horse battery"}).to_string();
            let request = Request::builder().method(Method::POST).uri("/v1/sessions");
            let request = request.header("content-type", "application/json").header("x-forwarded-for", said);
            let request = request.extension(Peer("192.0.2.9".parse().unwrap())).body(Body::from(body));
            seen.push(api.clone().oneshot(request.unwrap()).await.unwrap().status().as_u16());
        }
        assert_eq!(seen, told);
    }
}
