//! What holds for every request: problems, order of refusals, bodies, entity tags, idempotency keys, ids, limits.

use http::Method;
use roster_tests::http::{Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

/// Everything is a problem that names its request: unknown paths, wrong methods, no key.
#[tokio::test]
async fn everything_is_a_problem() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for path in
            ["/", "/v1", "/v1/nothing", "/v2/organizations", "/v1/organizations/", "/V1/organizations"]
        {
            operator.get(path).await.refused(404, "not_found");
        }
        let wrong = operator.call(Method::PUT, CLOUD, Some(json!({}))).await;
        let allowed = wrong.header("allow").unwrap().to_owned();
        wrong.refused(405, "method_not_allowed");
        for method in ["GET", "PATCH", "DELETE"] {
            assert!(allowed.split(',').any(|known| known.trim() == method), "{allowed}");
        }
        let problem = world.service.nobody().get("/v1/organizations").await.refused(401, "unauthenticated");
        insta::allow_duplicates! { insta::assert_json_snapshot!(problem, {".request_id" => "…"}, @r#"
        {
          "code": "unauthenticated",
          "detail": "No valid credentials: send `Authorization: Bearer SECRET` with a live key.",
          "request_id": "…",
          "status": 401,
          "title": "Unauthenticated",
          "type": "urn:roster:problem:unauthenticated"
        }
        "#); }
    }
}

/// The order of refusals: who, where, what is said, what is named, may they, precondition, state.
#[tokio::test]
async fn refusals_come_in_their_order() {
    for store in selected() {
        let world = World::on(store).await;
        let member = format!("{CLOUD}/members/ext:olga");
        let bad = json!({"nonsense": 1});
        let other = "/v1/organizations/ext:other/members/ext:nobody";
        world.service.nobody().patch(other, bad.clone()).await.refused(401, "unauthenticated");
        world.person("vera").patch(other, bad.clone()).await.refused(404, "not_found");
        world.person("vera").patch(&format!("{CLOUD}/members/ext:nobody"), bad).await.refused(422, "invalid");
        let end = json!({"expires_at": "2028-01-01T00:00:00Z"});
        let unknown = format!("{CLOUD}/members/ext:nobody");
        world.person("vera").patch(&unknown, end.clone()).await.refused(404, "not_found");
        let stale = |name: &str| world.person(name).with("if-match", "\"stale\"");
        stale("vera").patch(&member, end.clone()).await.refused(403, "forbidden");
        stale("anna").patch(&member, end.clone()).await.refused(412, "precondition_failed");
        world.person("anna").patch(&member, end).await.refused(409, "owner_must_transfer");
        let malformed = format!("{CLOUD}/members/olga");
        world.person("vera").get(&malformed).await.refused(422, "invalid");
        world.person("vera").get("/v1/organizations/cloud").await.refused(422, "invalid");
    }
}

/// What is wrong in itself is said before what is unknown, and that before what is not allowed.
#[tokio::test]
async fn what_cannot_be_is_refused_before_who_asks_is_judged() {
    for store in selected() {
        let world = World::on(store).await;
        let vera = world.person("vera");
        let past = json!({"expires_at": "2001-01-01T00:00:00Z"});
        for user in ["ext:nobody", "ext:mia", "usr_01kb2y0v4tejq8vt0d7c3w4n5e", "ext:nils"] {
            let path = format!("{CLOUD}/members/{user}");
            assert_eq!(
                pointers(&vera.patch(&path, past.clone()).await.refused(422, "invalid")),
                ["/expires_at"]
            );
        }
        let to_the_owner = json!({"to": "ext:olga"});
        let refused = vera.post(&format!("{CLOUD}/ownership-transfers"), to_the_owner).await;
        assert_eq!(pointers(&refused.refused(422, "invalid")), ["/to"]);
        let plan = format!("{CLOUD}/members/ext:nils/leaving-plan");
        let revision = text(&world.operator().get(&plan).await.is(200), "/revision");
        let body = json!({"mode": "deactivate", "revision": revision, "owner_to": "ext:anna"});
        assert_eq!(pointers(&vera.post(&plan, body).await.refused(422, "invalid")), ["/owner_to"]);
        world.operator().delete("/v1/users/ext:nobody/accounts/north").await.refused(422, "invalid");
        let body = json!({"name": "New", "owner": {"email": "new@example.com"}, "seats": {"purchased": 0}});
        let refused = vera.post("/v1/organizations", body).await.refused(422, "invalid");
        assert_eq!(pointers(&refused), ["/seats/purchased"]);
        let (nils, mine) = (world.person("nils"), json!({"name": "Mine", "kind": "personal"}));
        let personal = nils.post(&format!("{CLOUD}/api-keys"), mine).await.is(201);
        let key = format!("{CLOUD}/api-keys/{}", text(&personal, "/id"));
        let wide = json!({"access": {"type": "organization", "role": "viewer"}});
        assert_eq!(pointers(&vera.patch(&key, wide).await.refused(422, "invalid")), ["/access"]);
    }
}

/// What cannot be is refused before what is not there.
#[tokio::test]
async fn what_cannot_be_is_refused_before_what_is_not_there() {
    let (nowhere, unnamed) = ("ext:nowhere", json!({"traits": {"": 1}}));
    let twice = json!({"roles": [{"role": "viewer", "accounts": [nowhere, "ext:north", "ext:north"]}]});
    let source = json!({
        "name": "S", "groups": {"to": "one", "organization": nowhere}, "new_organizations_per_day": 0,
    });
    let webhook = json!({"url": "http://127.0.0.1/", "organization": nowhere});
    let taken = json!({"email": "anna@example.com", "traits": {"": 1}});
    let record = json!({"owner": "ext:nobody"});
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let nothing = "/v1/sources/src_01kb2y0v4tejq8vt0d7c3w4n5e";
        for reply in [
            operator.patch(&format!("{CLOUD}/accounts/{nowhere}"), unnamed.clone()).await,
            operator.put(&format!("{CLOUD}/members/ext:max/access"), twice.clone()).await,
            operator.put(&format!("{CLOUD}/records/bad%20type/1"), record.clone()).await,
            operator.post("/v1/sources", source.clone()).await,
            operator.patch(nothing, json!({"new_organizations_per_day": 0})).await,
            operator.post("/v1/webhooks", webhook.clone()).await,
            operator.post("/v1/users", taken.clone()).await,
            operator.get(&format!("{CLOUD}/accounts/ext:north/members?account=ext:south")).await,
        ] {
            reply.refused(422, "invalid");
        }
        // And of somebody who cannot be, nothing is kept.
        operator.post("/v1/users", json!({"email": "none@example.com", "traits": {"": 1}})).await.is(422);
        crate::verified(&world).await;
    }
}

/// Bodies that cannot be read, each with what to do about it.
#[tokio::test]
async fn bodies_are_read_strictly() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"name\": {deep}}}");
    let half = "{\"name\": \"\\ud800\"}";
    let cases: &[(&[u8], u16, &str)] = &[
        (b"{", 400, "malformed"),
        (b"{\"name\": \"a\", \"name\": \"b\"}", 400, "malformed"),
        (b"{\"name\": \"a\"} x", 400, "malformed"),
        (b"{'name': 1}", 400, "malformed"),
        (b"{\"name\": 1e400}", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"{\"name\": \"\xff\"}", 400, "malformed"),
        (half.as_bytes(), 400, "malformed"),
        (deep.as_bytes(), 400, "malformed"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"{\"name\": null}", 422, "invalid"),
        (b"{\"name\": 1}", 422, "invalid"),
        (b"{\"name\": \"\"}", 422, "invalid"),
        (b"{\"__proto__\": {}}", 422, "invalid"),
        (b"{\"name\": \"a\\u0000b\"}", 422, "invalid"),
        (b"{\"name\": \"a\\nb\"}", 422, "invalid"),
    ];
    for store in selected() {
        let world = World::on(store).await;
        let before = world.operator().get(CLOUD).await.is(200);
        let caller = world.operator().with("content-type", "application/json");
        for (bytes, status, code) in cases {
            let reply = caller.send(Method::PATCH, CLOUD, bytes.to_vec()).await;
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert_eq!(
                (reply.status.as_u16(), reply.body["code"].as_str()),
                (*status, Some(*code)),
                "{shown}"
            );
            reply.refused(*status, code);
        }
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
        caller.send(Method::PATCH, CLOUD, large.into_bytes()).await.refused(413, "too_large");
        let long = json!({"name": "n".repeat(500)});
        let problem = world.operator().patch(CLOUD, long).await.refused(422, "invalid");
        assert_eq!(pointers(&problem), ["/name"]);
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ""]
        {
            let caller = world.operator().with("content-type", kind);
            let reply = caller.send(Method::PATCH, CLOUD, b"{\"name\": \"a\"}".to_vec()).await;
            reply.refused(415, "unsupported_media_type");
        }
        assert_eq!(world.operator().get(CLOUD).await.is(200), before, "nothing has changed");
        for kind in ["application/json; charset=UTF-8", "application/merge-patch+json", "Application/JSON"] {
            let caller = world.operator().with("content-type", kind);
            caller.send(Method::PATCH, CLOUD, b"{\"name\": \"a\"}".to_vec()).await.is(200);
        }
    }
}

/// Fields that nobody may set, at every place that takes a body.
#[tokio::test]
async fn unknown_fields_are_refused() {
    let account = format!("{CLOUD}/accounts/ext:north");
    let cases = [
        (Method::PATCH, CLOUD.to_owned(), json!({"status": "closed"}), "/status"),
        (Method::PATCH, CLOUD.to_owned(), json!({"owner": "ext:anna"}), "/owner"),
        (Method::PATCH, CLOUD.to_owned(), json!({"created_at": "2020-01-01T00:00:00Z"}), "/created_at"),
        (Method::PATCH, account.clone(), json!({"organization_id": "ext:other"}), "/organization_id"),
        (Method::PATCH, format!("{CLOUD}/members/ext:max"), json!({"role": "admin"}), "/role"),
        (Method::PATCH, format!("{CLOUD}/members/ext:max"), json!({"access": {}}), "/access"),
        (Method::PATCH, "/v1/users/ext:max".to_owned(), json!({"status": "active"}), "/status"),
        (Method::PATCH, "/v1/users/ext:max".to_owned(), json!({"email_verified": true}), "/email_verified"),
        (Method::PATCH, format!("{CLOUD}/seats"), json!({"purchased": 9, "used": 1}), "/used"),
        (Method::PUT, format!("{account}/members/ext:max"), json!({"role": "viewer", "x": 1}), "/x"),
        (Method::PUT, format!("{account}/members/ext:max"), json!({}), "/role"),
        (Method::PUT, format!("{CLOUD}/members/ext:max/access"), json!({"role": "viewer"}), "/role"),
        (Method::POST, format!("{account}/members/remove"), json!({"users": [], "all": true}), "/all"),
        (
            Method::POST,
            format!("{CLOUD}/members"),
            json!({"user": "ext:max", "org_id": "ext:other"}),
            "/org_id",
        ),
    ];
    for store in selected() {
        let world = World::on(store).await;
        for (method, path, body, pointer) in &cases {
            let reply = world.operator().call(method.clone(), path, Some(body.clone())).await;
            let problem = reply.refused(422, "invalid");
            assert!(pointers(&problem).contains(pointer), "{method} {path} {body}: {problem}");
        }
    }
}

/// Entity tags: of reads, of changes, for changes.
#[tokio::test]
async fn a_change_can_ask_for_the_version_it_saw() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let (account, member, user) = (
            format!("{CLOUD}/accounts/ext:north"),
            format!("{CLOUD}/members/ext:nils"),
            "/v1/users/ext:nils".to_owned(),
        );
        let end = json!({"expires_at": "2028-01-01T00:00:00Z"});
        for (path, change) in [
            (CLOUD.to_owned(), json!({"name": "New"})),
            (account, json!({"name": "New"})),
            (member, end),
            (user, json!({"name": "New"})),
        ] {
            let tag = operator.get(&path).await.header("etag").unwrap().to_owned();
            let same = operator.clone().with("if-none-match", &tag).get(&path).await;
            assert_eq!(
                (same.status.as_u16(), same.text.as_str(), same.header("etag")),
                (304, "", Some(&*tag))
            );
            let changed = operator.clone().with("if-match", &tag).patch(&path, change.clone()).await;
            let after = changed.header("etag").unwrap().to_owned();
            changed.is(200);
            assert_ne!(tag, after, "{path}");
            assert_eq!(operator.get(&path).await.header("etag"), Some(&*after));
            operator.clone().with("if-none-match", &tag).get(&path).await.is(200);
            for stale in [&*tag, "\"\"", "nonsense", "W/\"x\""] {
                let reply = operator.clone().with("if-match", stale).patch(&path, change.clone()).await;
                reply.refused(412, "precondition_failed");
            }
            operator.clone().with("if-match", &after).patch(&path, change.clone()).await.is(200);
            operator.clone().with("if-match", "*").patch(&path, change).await.is(200);
        }
        let put = format!("{CLOUD}/members/ext:nils/access");
        let roles = json!({"roles": [{"role": "viewer", "accounts": ["ext:north"]}]});
        let stale = operator.clone().with("if-match", "\"x\"");
        stale.put(&put, roles).await.refused(412, "precondition_failed");
        stale.delete(&format!("{CLOUD}/members/ext:nils")).await.refused(412, "precondition_failed");
        let tag = operator.get(CLOUD).await.header("etag").unwrap().to_owned();
        operator.delete(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(operator.get(CLOUD).await.header("etag"), Some(&*tag), "seats beside it do not change it");
    }
}

fn replayed(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == Some("true")
}

/// The same key and body answers what was answered; another body, another actor, another day do not.
#[tokio::test]
async fn a_request_sent_again_is_done_once() {
    for store in selected() {
        let world = World::on(store).await;
        let posts = [
            ("/v1/organizations", json!({"name": "Third", "owner": {"email": "third@example.com"}})),
            ("/v1/users", json!({"email": "fourth@example.com"})),
            (&*format!("{CLOUD}/accounts"), json!({"name": "West"})),
            (
                &*format!("{CLOUD}/members"),
                json!({"email": "fifth@example.com", "access": {"type": "organization", "role": "viewer"}}),
            ),
            (
                &*format!("{CLOUD}/api-keys"),
                json!({"name": "k", "access": {"type": "organization", "role": "viewer"}}),
            ),
            (&*format!("{CLOUD}/ownership-transfers"), json!({"to": "ext:anna"})),
        ];
        for (n, (path, body)) in posts.into_iter().enumerate() {
            let caller = world.operator().with("idempotency-key", &format!("key-{n}"));
            let first = caller.post(path, body.clone()).await;
            assert_eq!((first.status.as_u16(), replayed(&first)), (201, false), "{path} {}", first.text);
            let again = caller.post(path, body.clone()).await;
            assert_eq!(
                (again.status, &again.body, replayed(&again)),
                (first.status, &first.body, true),
                "{path}"
            );
            assert_eq!(again.header("location"), first.header("location"));
            assert_eq!(again.header("etag"), first.header("etag"));
            let mut other = body.clone();
            let name = ["name", "email", "to"].into_iter().find(|name| body.get(name).is_some()).unwrap();
            other[name] = json!(if name == "email" { "another@example.com" } else { "ext:max" });
            caller.post(path, other).await.refused(422, "idempotency_mismatch");
            world.test().clock.advance_seconds(24 * 3_600 + 1);
            let later = caller.post(path, body).await;
            assert!(!replayed(&later), "{path}: a day later it is a request of its own");
        }
    }
}

/// Refusals are not kept; keys are each actor's own; a key is well formed.
#[tokio::test]
async fn idempotency_keys_belong_to_their_actor() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/accounts");
        let body = json!({"name": "West", "external_id": "north"});
        let caller = world.operator().with("idempotency-key", "one");
        caller.post(&path, body.clone()).await.refused(409, "external_id_exists");
        let fine = json!({"name": "West", "external_id": "fresh"});
        caller.post(&path, fine.clone()).await.is(201);
        let anna = world.person("anna").with("idempotency-key", "one");
        anna.post(&path, fine).await.refused(409, "external_id_exists");
        let other = world.operator().with("idempotency-key", "one");
        let elsewhere = json!({"name": "East"});
        other.post("/v1/organizations/ext:other/accounts", elsewhere).await.is(201);
        for bad in ["", " ", "a b", &"x".repeat(256), "ü"] {
            let caller = world.operator().with("idempotency-key", bad);
            caller.post(&path, json!({"name": "West"})).await.refused(422, "invalid");
        }
        let twice = world.operator().with("idempotency-key", "a").with("idempotency-key", "b");
        twice.post(&path, json!({"name": "West"})).await.refused(422, "invalid");
    }
}

/// Fifty at once with one key: done once, and everybody hears the same.
#[tokio::test]
async fn requests_sent_at_once_are_done_once() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/accounts");
        let caller = world.operator().with("idempotency-key", "at once");
        let caller = caller.with("idempotency-key-note", "x");
        let bad = caller.post(&path, json!({"name": "West"})).await;
        bad.refused(422, "invalid");
        let caller = world.operator().with("idempotency-key", "at-once");
        let asked = (0..50).map(|_| caller.post(&path, json!({"name": "West"})));
        let replies = futures::future::join_all(asked).await;
        let done: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert!(replies.iter().all(|reply| [201, 409, 503].contains(&reply.status.as_u16())));
        assert!(done.windows(2).all(|pair| pair[0].body == pair[1].body));
        assert_eq!(done.iter().filter(|reply| !replayed(reply)).count(), 1);
        let accounts = world.operator().get(&path).await.is(200);
        assert_eq!(accounts["data"].as_array().unwrap().len(), 3);
        // By more than one commit as well.
        let caller = world.operator().with("idempotency-key", "at-once-too");
        let east = json!({"name": "East", "traits": {"plan": "free"}});
        let asked = (0..10).map(|_| caller.post(&path, east.clone()));
        let replies = futures::future::join_all(asked).await;
        assert!(replies.iter().all(|reply| [201, 409, 503].contains(&reply.status.as_u16())));
        let done: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert!(!done.is_empty() && done.windows(2).all(|pair| pair[0].body == pair[1].body));
        let accounts = world.operator().get(&path).await.is(200);
        assert_eq!(accounts["data"].as_array().unwrap().len(), 4);
    }
}

/// Request ids: the client's if well formed, else one of ours; in the audit trail too. No answer with data is kept.
#[tokio::test]
async fn a_request_keeps_its_id() {
    for store in selected() {
        let world = World::on(store).await;
        let caller = world.operator().with("x-request-id", "my-request-1");
        let reply = caller.patch(CLOUD, json!({"name": "Named"})).await;
        assert_eq!(reply.header("x-request-id"), Some("my-request-1"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
        let last = trail["data"].as_array().unwrap().last().unwrap();
        assert_eq!(last["request_id"], "my-request-1");
        for bad in ["", "a b", "<script>", &"x".repeat(200)] {
            let reply = world.operator().with("x-request-id", bad).get(CLOUD).await;
            assert_ne!(reply.header("x-request-id"), Some(bad));
            assert!(text(&json!({"id": reply.header("x-request-id")}), "/id").len() >= 16);
        }
    }
}

/// What is served without a key holds nothing of anybody; the counts name no one.
#[tokio::test]
async fn what_is_open_gives_nothing_away() {
    for store in selected() {
        let world = World::on(store).await;
        world.operator().post("/v1/users", json!({"email": "anna@example.com"})).await.is(409);
        world.operator().get("/v1/organizations/ext:cloud/members").await.is(200);
        let nobody = world.service.nobody();
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"] {
            let reply = nobody.get(path).await;
            assert!(reply.status.is_success() || reply.status.is_redirection(), "{path}: {}", reply.status);
            for secret in ["anna", "olga", "example.com/", "usr_01mb", world.admin_key.as_str()] {
                let holds = path != "/openapi.json" && reply.text.contains(secret);
                assert!(!holds, "{path} holds {secret}");
            }
        }
        let metrics = nobody.get("/metrics").await.text;
        assert!(metrics.contains("route=\"/v1/organizations/{organization}/members\""), "{metrics}");
        assert!(metrics.contains("roster_refusals_total{code=\"email_exists\"} 1"), "{metrics}");
    }
}
