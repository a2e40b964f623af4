//! Keys of organizations and of operators: rules P3, P5, M11.

use roster_core::store::Clock;
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

/// P3: with the rights of its member as they are, in that organization only; M7, L9: dead for good after a cut.
#[tokio::test]
async fn p3_a_personal_key_has_its_members_rights_and_ends_with_their_cut() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, anna, cloud) = (world.operator(), world.person("anna"), "/v1/organizations/ext:cloud");
        let personal = json!({"name": "Laptop", "kind": "personal"});
        let make = async |person: &str| {
            let made = world.person(person).post(KEYS, personal.clone()).await.is(201);
            assert_eq!((&made["kind"], &made["access"]), (&json!("personal"), &Value::Null));
            (text(&made, "/id"), text(&made, "/secret"))
        };
        for bad in [
            operator.post(KEYS, personal.clone()).await,
            world.service.bearer(&world.admin_key).post(KEYS, personal.clone()).await,
        ] {
            bad.refused(422, "invalid");
        }
        let wide =
            json!({"name": "k", "kind": "personal", "access": {"type": "organization", "role": "viewer"}});
        anna.post(KEYS, wide).await.refused(422, "invalid");
        anna.post(KEYS, json!({"name": "k"})).await.refused(422, "invalid");
        world.person("mia").post(KEYS, personal.clone()).await.refused(404, "not_found");

        let (id, secret) = make("max").await;
        assert!(secret.starts_with("rkp_"));
        let key = world.service.bearer(&secret);
        let me = key.get("/v1/me").await.is(200);
        assert_eq!(me["actor"], json!({"type": "user", "id": me["user"]["id"], "via": id}));
        key.get(&format!("{cloud}/members")).await.is(200);
        key.get("/v1/organizations/ext:other").await.refused(404, "not_found");
        key.clone().on_behalf_of("ext:anna").get("/v1/me").await.refused(422, "invalid");
        key.post(&format!("{cloud}/ownership-transfers"), json!({"to": "ext:anna"}))
            .await
            .refused(403, "forbidden");
        let none = json!({"roles": []});
        operator.put(&format!("{cloud}/members/ext:max/access"), none).await.is(200);
        key.get(&format!("{cloud}/members")).await.refused(403, "forbidden");
        let back = json!({"roles": [{"role": "member", "accounts": "all"}]});
        operator.put(&format!("{cloud}/members/ext:max/access"), back).await.is(200);
        key.get(&format!("{cloud}/members")).await.is(200);

        let one = format!("{KEYS}/{id}");
        world.person("vera").get(&one).await.refused(403, "forbidden");
        anna.post(&format!("{one}/rotate"), json!({})).await.refused(403, "cannot_grant_unheld");
        key.patch(&one, json!({"name": "Desk"})).await.is(200);
        let turned = text(&key.post(&format!("{one}/rotate"), json!({})).await.is(200), "/secret");
        key.get("/v1/me").await.refused(401, "unauthenticated");
        let key = world.service.bearer(&turned);
        key.get(&one).await.is(200);

        let plan = format!("{cloud}/members/ext:max/leaving-plan");
        // What lists and plans show of a key: whether it opens anything.
        let lives = async |id: &str| {
            let now = json!(world.test().clock.now());
            let listed = operator.get(KEYS).await.is(200);
            let row = listed["data"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
            assert_eq!(operator.get(&format!("{KEYS}/{id}")).await.is(200), row, "{store}");
            let planned = operator.get(&plan).await.is(200)["api_keys"].to_string().contains(id);
            let lives = row["expires_at"].is_null() || row["expires_at"].as_str() > now.as_str();
            assert_eq!(lives, planned, "{store}: {row}");
            lives
        };
        assert!(lives(&id).await);
        for (out, in_again) in [("deactivate", "reactivate")] {
            let act = |verb: &str| format!("{cloud}/members/ext:max/{verb}");
            anna.call(http::Method::POST, &act(out), None).await.is(200);
            key.get("/v1/me").await.refused(401, "unauthenticated");
            assert!(!lives(&id).await);
            anna.call(http::Method::POST, &act(in_again), None).await.is(200);
            key.get("/v1/me").await.refused(401, "unauthenticated");
            assert!(!lives(&id).await);
            // What would open nothing is not handed out, and no answer says that it lived.
            let max = world.person("max");
            max.post(&format!("{one}/rotate"), json!({})).await.refused(422, "invalid");
            max.patch(&one, json!({"expires_at": null})).await.refused(422, "invalid");
            let named = max.patch(&one, json!({"name": "Old desk"})).await.is(200);
            assert_eq!(named["expires_at"], operator.get(&one).await.is(200)["expires_at"], "{store}");
        }
        world.test().clock.advance_seconds(1);
        let (id, secret) = make("max").await;
        let key = world.service.bearer(&secret);
        key.get("/v1/me").await.is(200);
        for verb in ["suspend", "unsuspend"] {
            assert_eq!(lives(&id).await, verb == "suspend");
            operator.call(http::Method::POST, &format!("/v1/users/ext:max/{verb}"), None).await.is(200);
            key.get("/v1/me").await.refused(401, "unauthenticated");
        }
        world.test().clock.advance_seconds(1);
        let (id, secret) = make("max").await;
        let key = world.service.bearer(&secret);
        key.delete(&format!("{KEYS}/{id}")).await.is(204);
        key.get("/v1/me").await.refused(401, "unauthenticated");
    }
}

/// P3: a new secret, and the old one until the overlap ends; who turns it must hold what it holds.
#[tokio::test]
async fn p3_a_key_is_turned_with_an_overlap() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let access = json!({"type": "organization", "role": "admin"});
        let made = operator.post(KEYS, json!({"name": "Backend", "access": access})).await.is(201);
        let (path, old) = (format!("{KEYS}/{}", text(&made, "/id")), text(&made, "/secret"));
        let rotate = format!("{path}/rotate");
        operator.post(&rotate, json!({"overlap_seconds": 2_592_001})).await.refused(422, "invalid");
        operator.post(&rotate, json!({"overlap_seconds": -1})).await.refused(422, "invalid");
        world.person("vera").post(&rotate, json!({})).await.refused(403, "forbidden");
        let turned = operator.post(&rotate, json!({"overlap_seconds": 60})).await.is(200);
        let new = text(&turned, "/secret");
        assert_ne!(new, old);
        let opens = async |secret: &str| {
            world.service.bearer(secret).get("/v1/organizations/ext:cloud").await.status.as_u16()
        };
        let asked = json!({"user": "ext:vera", "permission": "members:read"});
        assert_eq!((opens(&old).await, opens(&new).await), (200, 200));
        world.service.bearer(&old).post("/v1/check", asked.clone()).await.is(200);
        world.test().clock.advance_seconds(59);
        assert_eq!((opens(&old).await, opens(&new).await), (200, 200));
        world.test().clock.advance_seconds(1);
        assert_eq!((opens(&old).await, opens(&new).await), (401, 200));
        world.service.bearer(&old).post("/v1/check", asked).await.refused(401, "unauthenticated");
        let newest = text(&operator.post(&rotate, json!({})).await.is(200), "/secret");
        assert_eq!((opens(&new).await, opens(&newest).await), (401, 200));
        let said =
            operator.get("/v1/organizations/ext:cloud/audit?limit=200").await.is(200)["data"].to_string();
        assert_eq!(said.matches("\"api_key.rotated\"").count(), 2);
        for secret in [&old, &new, &newest] {
            assert!(!said.contains(secret.as_str()));
        }
    }
}

/// P6: a key that acts for a member gets no secret of theirs that opens more than it does itself.
#[tokio::test]
async fn p6_a_key_that_acts_for_the_owner_makes_no_key_above_itself() {
    for store in selected() {
        let world = World::on(store).await;
        let key = world.service.bearer(&world.admin_key);
        let personal = json!({"name": "Own", "kind": "personal"});
        let made = world.person("olga").post(KEYS, personal.clone()).await.is(201);
        let rotate = format!("{KEYS}/{}/rotate", text(&made, "/id"));
        let olga = key.clone().on_behalf_of("ext:olga");
        olga.post(KEYS, personal.clone()).await.refused(403, "cannot_grant_unheld");
        olga.post(&rotate, json!({})).await.refused(403, "cannot_grant_unheld");
        world.person("olga").post(&rotate, json!({})).await.is(200);
        let max = key.on_behalf_of("ext:max");
        let made = max.post(KEYS, personal).await.is(201);
        max.post(&format!("{KEYS}/{}/rotate", text(&made, "/id")), json!({})).await.is(200);
    }
}

/// P3: a personal key that has leaked ends when it was to end: it makes no others, and does not prolong itself.
#[tokio::test]
async fn p3_a_personal_key_makes_no_others_and_lives_no_longer() {
    for store in selected() {
        let world = World::on(store).await;
        let ask = json!({"name": "Own", "kind": "personal", "expires_at": crate::later(&world, 3_600)});
        let made = world.person("max").post(KEYS, ask.clone()).await.is(201);
        let key = world.service.bearer(&text(&made, "/secret"));
        key.post(KEYS, ask).await.refused(403, "forbidden");
        let one = format!("{KEYS}/{}", text(&made, "/id"));
        for end in [Value::Null, crate::later(&world, 3_601)] {
            key.patch(&one, json!({"expires_at": end})).await.refused(403, "forbidden");
        }
        key.patch(&one, json!({"expires_at": crate::later(&world, 60), "name": "Short"})).await.is(200);
        world.person("max").patch(&one, json!({"expires_at": null})).await.is(200);
    }
}

/// M11: to manage keys is not to hold what another's personal key holds: it is made to live no longer by one who does not.
/// And a personal key, however young, is no sign-in: it closes nothing.
#[tokio::test]
async fn m11_a_personal_key_is_prolonged_by_whoever_holds_as_much_and_closes_nothing() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, cloud) = (world.operator(), "/v1/organizations/ext:cloud");
        let role = json!({"name": "Keys", "permissions": ["api_keys:read", "api_keys:manage"]});
        let role = operator.post(&format!("{cloud}/roles"), role).await.is(201);
        let only = json!({"roles": [{"role": role["id"], "accounts": "all"}]});
        let own = json!({"name": "Own", "kind": "personal", "expires_at": crate::later(&world, 3_600)});
        let made = world.person("olga").post(KEYS, own).await.is(201);
        let key = format!("{KEYS}/{}", text(&made, "/id"));
        operator.put(&format!("{cloud}/members/ext:max/access"), only).await.is(200);
        let max = world.person("max");
        max.patch(&key, json!({"expires_at": null})).await.refused(403, "cannot_grant_unheld");
        max.patch(&key, json!({"expires_at": crate::later(&world, 60)})).await.is(200);
        // On her behalf it takes a key that holds what she holds.
        let acts = json!({"name": "Acts", "permissions": ["members:act_as"]});
        let acts = operator.post(&format!("{cloud}/roles"), acts).await.is(201);
        let acts = json!({"name": "a", "access": {"type": "organization", "role": acts["id"]}});
        let acts = operator.post(KEYS, acts).await.is(201);
        let acts = world.service.bearer(&text(&acts, "/secret")).with("roster-on-behalf-of", "ext:olga");
        acts.patch(&key, json!({"expires_at": null})).await.refused(403, "cannot_grant_unheld");
        world.person("olga").patch(&key, json!({"expires_at": crate::later(&world, 7_200)})).await.is(200);
        let secret = world.service.bearer(&text(&made, "/secret"));
        let close = secret.call(http::Method::DELETE, cloud, Some(json!({"confirm": true}))).await;
        close.refused(401, "reauthentication_required");
    }
}

/// M11, P3: who may manage keys makes, changes and turns those that hold no more than they do.
#[tokio::test]
async fn m11_keys_are_made_changed_and_turned_by_whoever_holds_what_they_hold() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, max, cloud) = (world.operator(), world.person("max"), "/v1/organizations/ext:cloud");
        let held = ["api_keys:read", "api_keys:manage", "members:read"];
        let made = |name: &str, held: &[&str]| json!({"name": name, "permissions": held});
        let role = operator.post(&format!("{cloud}/roles"), made("Keys", &held)).await.is(201);
        let desk = operator.post(&format!("{cloud}/roles"), made("Desk", &["members:read"])).await.is(201);
        let only = json!({"roles": [{"role": role["id"], "accounts": "all"}]});
        operator.put(&format!("{cloud}/members/ext:max/access"), only).await.is(200);
        let whole = |role: &Value| json!({"name": "k", "access": {"type": "organization", "role": role}});
        max.post(KEYS, whole(&json!("viewer"))).await.refused(403, "cannot_grant_unheld");
        let key = max.post(KEYS, whole(&desk["id"])).await.is(201);
        let own = format!("{KEYS}/{}", text(&key, "/id"));
        let raised = json!({"access": {"type": "organization", "role": "viewer"}});
        max.patch(&own, raised).await.refused(403, "cannot_grant_unheld");
        max.post(&format!("{own}/rotate"), json!({})).await.is(200);
        let above = operator.post(KEYS, whole(&json!("admin"))).await.is(201);
        let above = format!("{KEYS}/{}", text(&above, "/id"));
        max.post(&format!("{above}/rotate"), json!({})).await.refused(403, "cannot_grant_unheld");
        let lowered = json!({"access": {"type": "organization", "role": desk["id"]}});
        max.patch(&above, lowered).await.refused(403, "cannot_grant_unheld");
    }
}
