//! Keys of organizations and of operators: rules P3, P5, M11.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const KEYS: &str = "/v1/organizations/ext:cloud/api-keys";

/// P3: shown once; the prefix finds it; used, changed, revoked.
#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let access = json!({"type": "organization", "role": "viewer"});
        let made = operator.post(KEYS, json!({"name": "Reader", "access": access})).await.is(201);
        let (id, secret) = (text(&made, "/id"), text(&made, "/secret"));
        assert!(secret.starts_with("rka_") && secret.starts_with(&text(&made, "/prefix")), "{made}");
        assert!(text(&made, "/prefix").len() < secret.len() / 2, "a prefix does not give it away");
        let path = format!("{KEYS}/{id}");
        let shown = operator.get(&path).await.is(200);
        assert_eq!((shown.get("secret"), &shown["kind"]), (None, &json!("organization")));
        for list in [operator.get(KEYS).await.is(200), operator.get("/v1/audit").await.is(200)] {
            assert!(!list.to_string().contains(&secret), "the secret is nowhere else");
        }
        let key = world.service.bearer(&secret);
        key.get("/v1/organizations/ext:cloud").await.is(200);
        key.get("/v1/organizations/ext:other").await.refused(404, "not_found");
        key.get(KEYS).await.refused(403, "forbidden");
        let raised = json!({"access": {"type": "organization", "role": "admin"}, "name": "Manager"});
        operator.patch(&path, raised).await.is(200);
        key.get(KEYS).await.is(200);
        let end = json!({"expires_at": "2027-01-01T00:01:00Z"});
        operator.patch(&path, end).await.is(200);
        world.test().clock.advance_seconds(59);
        key.get(KEYS).await.is(200);
        world.test().clock.advance_seconds(1);
        key.get(KEYS).await.refused(401, "unauthenticated");
        operator.delete(&path).await.is(204);
        operator.delete(&path).await.refused(404, "not_found");
        operator.get(&path).await.refused(404, "not_found");
        key.get(KEYS).await.refused(401, "unauthenticated");
    }
}

/// M11, O6: a key never holds what its maker does not, at its making and at each change; nor the owner's role.
#[tokio::test]
async fn a_key_is_never_above_its_maker() {
    for store in selected() {
        let world = World::on(store).await;
        let whole = |role: &str| json!({"name": "k", "access": {"type": "organization", "role": role}});
        for (who, role, status, code) in [
            ("olga", "owner", 403, "owner_by_transfer_only"),
            ("anna", "owner", 403, "owner_by_transfer_only"),
            ("max", "viewer", 403, "forbidden"),
            ("nora", "viewer", 403, "forbidden"),
        ] {
            world.person(who).post(KEYS, whole(role)).await.refused(status, code);
        }
        world.operator().post(KEYS, whole("owner")).await.refused(403, "owner_by_transfer_only");
        let made = world.person("anna").post(KEYS, whole("admin")).await.is(201);
        let path = format!("{KEYS}/{}", text(&made, "/id"));
        let up = json!({"access": {"type": "organization", "role": "owner"}});
        world.person("anna").patch(&path, up).await.refused(403, "owner_by_transfer_only");
        let key = world.service.bearer(&text(&made, "/secret"));
        let own = json!({"access": {"type": "organization", "role": "owner"}});
        key.patch(&path, own).await.refused(403, "owner_by_transfer_only");
        world.operator().delete("/v1/organizations/ext:cloud/members/ext:anna").await.is(200);
        key.get(KEYS).await.is(200);
    }
}

/// P5: a forged or mangled key is nobody's, and says nothing of why.
#[tokio::test]
async fn a_forged_key_is_nobodys() {
    for store in selected() {
        let world = World::on(store).await;
        let good = world.admin_key.clone();
        let flip = |n: usize| {
            let mut bytes = good.clone().into_bytes();
            bytes[n] = if bytes[n] == b'2' { b'3' } else { b'2' };
            String::from_utf8(bytes).unwrap()
        };
        let mut answers = Vec::new();
        let last = good.len() - 1;
        for forged in [
            flip(6),
            flip(20),
            flip(last),
            good[..last].to_owned(),
            format!("{good}2"),
            good.to_uppercase(),
            good.replacen("rka_", "rko_", 1),
            "rka_".to_owned(),
            "x".repeat(10_000),
        ] {
            let reply = world.service.bearer(&forged).get("/v1/me").await;
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            let problem = reply.refused(401, "unauthenticated");
            answers.push((problem["detail"].clone(), problem["title"].clone()));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        for header in ["Basic abc", "Bearer", "bearer ", &format!("Token {good}"), &good] {
            let caller = world.service.nobody().with("authorization", header);
            caller.get("/v1/me").await.refused(401, "unauthenticated");
        }
        let lower = world.service.nobody().with("authorization", &format!("bearer {good}"));
        lower.get("/v1/me").await.is(200);
    }
}

/// Fields that are not for keys, and ends that lie behind.
#[tokio::test]
async fn a_key_is_made_from_what_makes_one() {
    let access = json!({"type": "organization", "role": "viewer"});
    let cases = [
        (json!({"access": access}), "/name"),
        (json!({"name": "k"}), "/access"),
        (json!({"name": "", "access": access}), "/name"),
        (json!({"name": "x".repeat(1_000), "access": access}), "/name"),
        (json!({"name": "a\u{202e}b", "access": access}), "/name"),
        (json!({"name": "k", "access": access, "user_id": "ext:anna"}), "/user_id"),
        (json!({"name": "k", "access": access, "secret": "rka_own"}), "/secret"),
        (json!({"name": "k", "access": access, "expires_at": "2026-12-31T00:00:00Z"}), "/expires_at"),
        (json!({"name": "k", "access": {"type": "organization"}}), "/access/role"),
        (json!({"name": "k", "access": {"type": "everything", "role": "viewer"}}), "/access/type"),
    ];
    for store in selected() {
        let world = World::on(store).await;
        for (body, pointer) in &cases {
            let problem = world.operator().post(KEYS, body.clone()).await.refused(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{body}");
        }
        let gone = json!({"name": "k", "access": {"type": "accounts", "accounts": [{"account": "ext:west", "role": "viewer"}]}});
        world.operator().post(KEYS, gone).await.refused(404, "not_found");
        let custom = json!({"name": "k", "access": {"type": "organization", "role": "rol_01mb78qn00f6mrm88mj14nqz1b"}});
        world.operator().post(KEYS, custom).await.refused(404, "not_found");
    }
}

/// P3: an operator's key holds every right until it is revoked.
#[tokio::test]
async fn an_operators_key_opens_everything() {
    for store in selected() {
        let world = World::on(store).await;
        let me = world.operator().get("/v1/me").await.is(200);
        assert_eq!(me["user"], Value::Null, "{me}");
        for path in ["/v1/organizations", "/v1/users", "/v1/audit", "/v1/organizations/ext:other/audit"] {
            world.operator().get(path).await.is(200);
        }
        let key = world.service.bearer(&world.admin_key);
        let own = key.get("/v1/organizations").await.is(200);
        assert_eq!(
            (own["data"].as_array().unwrap().len(), &own["data"][0]["external_id"]),
            (1, &json!("cloud"))
        );
        for path in ["/v1/users", "/v1/audit"] {
            key.get(path).await.refused(403, "forbidden");
        }
    }
}
