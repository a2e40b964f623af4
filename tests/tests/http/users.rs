//! People: rules I7, M6, P6, T1, X4; who may see whom.

use http::Method;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// An address is one, however it is written; look-alikes are others or refused (rule I7).
#[tokio::test]
async fn an_address_is_taken_in_every_spelling() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let made = operator.post("/v1/users", json!({"email": "Bob@EX-ample.test"})).await.is(201);
        assert_eq!((&made["email"], &made["status"]), (&json!("Bob@EX-ample.test"), &json!("active")));
        for same in ["bob@ex-ample.test", " BOB@EX-AMPLE.TEST ", "bob@ex-ample.test."] {
            let again = operator.post("/v1/users", json!({"email": same})).await;
            assert!([409, 422].contains(&again.status.as_u16()), "{same}: {}", again.text);
            assert_ne!(again.status, 201, "{same}");
        }
        operator.post("/v1/users", json!({"email": "bob@EX-AMPLE.test"})).await.refused(409, "email_exists");
        for bad in [
            "",
            "bob",
            "bob@",
            "@example.com",
            "a b@example.com",
            "bob\u{ff20}ex-ample.test",
            "bob@ex-ample.test\r\nBcc: eve@example.com",
            "bob\u{0}@example.com",
            "b\u{200b}ob@ex-ample.test",
            "b\u{202e}ob@ex-ample.test",
            "m\u{131}ke@ex-ample.test",
            "bob@ex-ample..test",
        ] {
            let body = json!({"email": bad});
            operator.post("/v1/users", body).await.refused(422, "invalid");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        operator.post("/v1/users", json!({"email": long})).await.refused(422, "invalid");
    }
}

/// One of address and external id; both must be free.
#[tokio::test]
async fn a_user_has_a_name_in_the_world() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator.post("/v1/users", json!({"name": "Nobody"})).await.refused(422, "invalid");
        operator.post("/v1/users", json!({"external_id": "anna"})).await.refused(409, "external_id_exists");
        let both = json!({"external_id": "new", "email": "anna@example.com"});
        operator.post("/v1/users", both).await.refused(409, "email_exists");
        let exact = operator.post("/v1/users", json!({"external_id": "Anna"})).await.is(201);
        assert_eq!((&exact["external_id"], &exact["email"]), (&json!("Anna"), &Value::Null));
        for strange in ["with/slash", "with space", "ü?#&=%", "ext:ext:"] {
            let made = operator.post("/v1/users", json!({"external_id": strange})).await.is(201);
            let encoded = strange.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            let found = operator.get(&format!("/v1/users/ext:{encoded}")).await.is(200);
            assert_eq!(found, made);
        }
        for bad in ["", &"x".repeat(256), "a\u{0}b", "a\nb"] {
            operator.post("/v1/users", json!({"external_id": bad})).await.refused(422, "invalid");
        }
        let id = text(&exact, "/id");
        let path = format!("/v1/users/{id}");
        let change = json!({"external_id": "other"});
        operator.patch(&path, change).await.refused(409, "external_id_immutable");
        operator.patch(&path, json!({"external_id": null})).await.refused(422, "invalid");
        operator.patch(&path, json!({"external_id": "Anna"})).await.is(200);
        operator.patch(&path, json!({"email": "anna@example.com"})).await.refused(409, "email_exists");
        operator.patch(&path, json!({"email": "a2@example.com", "name": "A 2"})).await.is(200);
        operator.post("/v1/users", json!({"email": "A2@example.com"})).await.refused(409, "email_exists");
        operator.patch(&path, json!({"email": "a3@example.com"})).await.is(200);
        operator.post("/v1/users", json!({"email": "a2@example.com"})).await.is(201);
    }
}

/// A changed name or address shows at once, in every organization's list, in searches and on the organization.
#[tokio::test]
async fn lists_show_what_a_person_is_called_now() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let body = json!({"name": "Olga Nova", "email": "nova@example.com"});
        operator.patch("/v1/users/ext:olga", body).await.is(200);
        for query in ["members?q=nova", "members?q=olga", "members?q=nova@", "members?q=NOVA%40example.com"] {
            let rows = operator.get(&format!("{CLOUD}/{query}")).await.is(200);
            assert_eq!(rows["data"][0]["name"], "Olga Nova", "{query}");
        }
        let none = operator.get(&format!("{CLOUD}/members?q=olga@example.com")).await.is(200);
        assert_eq!(none["data"], json!([]));
        assert_eq!(operator.get("/v1/users?q=nova").await.is(200)["data"][0]["email"], "nova@example.com");
        assert_eq!(operator.get("/v1/users?q=olga@").await.is(200)["data"], json!([]));
        let shown = operator.get(CLOUD).await.is(200);
        assert_eq!(shown["owner"]["email"], "nova@example.com");
        let own = json!({"name": "Olga by herself"});
        world.person("olga").patch("/v1/users/ext:olga", own).await.is(200);
        let other = json!({"email": "own@example.com"});
        world.person("olga").patch("/v1/users/ext:olga", other).await.refused(403, "forbidden");
        let member = operator.get(&format!("{CLOUD}/members/ext:olga")).await.is(200);
        assert_eq!(member["name"], "Olga by herself");
    }
}

/// Tenant isolation: what a person is called is theirs, and who is elsewhere is nobody.
#[tokio::test]
async fn people_elsewhere_are_nobody() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        anna.get("/v1/users/ext:max").await.is(200);
        anna.get("/v1/users/ext:fred").await.is(200);
        anna.patch("/v1/users/ext:max", json!({"name": "Mine"})).await.refused(403, "forbidden");
        let by_key = world.service.bearer(&world.admin_key).with("roster-on-behalf-of", "ext:max");
        by_key.patch("/v1/users/ext:max", json!({"name": "Mine"})).await.refused(403, "forbidden");
        let elsewhere = anna.get("/v1/users/ext:otto").await;
        let nowhere = anna.get("/v1/users/ext:nobody").await;
        assert_eq!(elsewhere.body["detail"], nowhere.body["detail"]);
        elsewhere.refused(404, "not_found");
        nowhere.refused(404, "not_found");
        anna.patch("/v1/users/ext:otto", json!({"name": "Mine"})).await.refused(404, "not_found");
        anna.get("/v1/users?q=o").await.refused(403, "forbidden");
        anna.post("/v1/users", json!({"email": "x@example.com"})).await.refused(403, "forbidden");
        let name = json!({"user": "ext:otto", "access": {"type": "organization", "role": "viewer"}});
        anna.post(&format!("{CLOUD}/members"), name).await.refused(404, "not_found");
        let put = format!("{CLOUD}/accounts/ext:north/members/ext:otto");
        anna.put(&put, json!({"role": "viewer"})).await.refused(404, "not_found");
        let by_address =
            json!({"email": "otto@example.com", "access": {"type": "organization", "role": "viewer"}});
        anna.post(&format!("{CLOUD}/members"), by_address).await.is(201);
        let accounts = anna.get("/v1/users/ext:otto/accounts").await.is(200);
        let organizations: Vec<&Value> =
            accounts["data"].as_array().unwrap().iter().map(|row| &row["organization"]["name"]).collect();
        assert!(organizations.iter().all(|name| **name == "cloud"), "cut to what anna sees: {accounts}");
        let own = world.person("otto").get("/v1/users/ext:otto/accounts").await.is(200);
        assert!(own["data"].as_array().unwrap().iter().any(|row| row["organization"]["name"] == "other"));
    }
}

/// T1: traits merge, `null` removes; at most 200 names and 64 KiB.
#[tokio::test]
async fn traits_merge_within_limits() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for path in ["/v1/users/ext:anna", CLOUD, &format!("{CLOUD}/accounts/ext:north")] {
            let set = json!({"traits": {"plan": "gold", "size": 3, "deep": {"a": [1, null]}}});
            operator.patch(path, set).await.is(200);
            let merged = operator.patch(path, json!({"traits": {"plan": null, "size": 4}})).await.is(200);
            assert_eq!(merged["traits"], json!({"size": 4, "deep": {"a": [1, null]}}), "{path}");
            let many: serde_json::Map<String, Value> =
                (0..198).map(|n| (format!("t{n}"), json!(n))).collect();
            operator.patch(path, json!({"traits": many})).await.is(200);
            let over = operator.patch(path, json!({"traits": {"over": 1}})).await.refused(422, "invalid");
            assert_eq!(over["errors"][0]["pointer"], "/traits");
            operator.patch(path, json!({"traits": {"size": 5}})).await.is(200);
            let large = json!({"traits": {"size": "x".repeat(65_536)}});
            operator.patch(path, large).await.refused(422, "invalid");
            operator.patch(path, json!({"traits": 1})).await.refused(422, "invalid");
        }
    }
}

/// P6: who may speak for whom.
#[tokio::test]
async fn backends_speak_for_people() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, key) = (world.operator(), world.service.bearer(&world.admin_key));
        let anna = operator.clone().on_behalf_of("ext:anna").get("/v1/me").await.is(200);
        assert_eq!(anna["user"]["external_id"], "anna", "{anna}");
        assert_eq!(
            key.clone().on_behalf_of("ext:anna").get("/v1/me").await.is(200)["user"]["external_id"],
            "anna"
        );
        let by_id = text(&anna, "/user/id");
        assert_eq!(key.clone().on_behalf_of(&by_id).get("/v1/me").await.is(200)["user"]["id"], json!(by_id));
        for nobody in ["ext:otto", "ext:nobody", "usr_01mb78qn00f6mrm88mj14nqz1b"] {
            key.clone().on_behalf_of(nobody).get("/v1/me").await.refused(404, "not_found");
        }
        operator.clone().on_behalf_of("ext:nobody").get("/v1/me").await.refused(404, "not_found");
        operator.clone().on_behalf_of("anna").get("/v1/me").await.refused(422, "invalid");
        let viewer = world.service.bearer(&world.viewer_key);
        viewer.on_behalf_of("ext:anna").get(CLOUD).await.refused(403, "forbidden");
        key.clone().on_behalf_of("ext:fred").get(CLOUD).await.refused(404, "not_found");
        let west = json!({"to": "ext:anna"});
        let transfer = format!("{CLOUD}/ownership-transfers");
        key.on_behalf_of("ext:olga").post(&transfer, west.clone()).await.refused(403, "forbidden");
        operator.clone().on_behalf_of("ext:olga").post(&transfer, west).await.is(201);
    }
}

/// P6: the key's rights are a ceiling, for the owner too, and give nobody more than they hold.
#[tokio::test]
async fn p6_a_key_is_a_ceiling_for_whom_it_speaks() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let permissions = ["members:act_as", "organization:read", "accounts:read"];
        let role = json!({"name": "Reader", "permissions": permissions});
        let role = text(&operator.post(&format!("{CLOUD}/roles"), role).await.is(201), "/id");
        let body = json!({"name": "reader", "access": {"type": "organization", "role": role}});
        let made = operator.post(&format!("{CLOUD}/api-keys"), body).await.is(201);
        let by_reader = world.service.bearer(&text(&made, "/secret")).on_behalf_of("ext:olga");
        let north = format!("{CLOUD}/accounts/ext:north");
        for path in [CLOUD, &north, &format!("{CLOUD}/seats")] {
            by_reader.get(path).await.is(200);
        }
        by_reader.get(&format!("{CLOUD}/members")).await.refused(403, "forbidden");
        let acts = [
            (Method::PATCH, CLOUD.to_owned(), Some(json!({"name": "Hers"}))),
            (Method::PATCH, north.clone(), Some(json!({"name": "Hers"}))),
            (Method::PATCH, format!("{CLOUD}/seats"), Some(json!({"purchased": 50}))),
            (Method::PUT, format!("{north}/members/ext:nils"), Some(json!({"role": "viewer"}))),
            (Method::DELETE, format!("{CLOUD}/members/ext:nils"), None),
        ];
        let shown = async || {
            let mut shown = Vec::new();
            for path in [CLOUD, &north, &format!("{CLOUD}/members/ext:nils")] {
                shown.push(operator.get(path).await.is(200));
            }
            shown
        };
        let before = shown().await;
        let by_admin = world.service.bearer(&world.admin_key).on_behalf_of("ext:vera");
        for (method, path, body) in &acts {
            for caller in [&by_reader, &by_admin] {
                caller.call(method.clone(), path, body.clone()).await.refused(403, "forbidden");
            }
        }
        assert_eq!(shown().await, before, "{store}");
        for (method, path, body) in acts {
            world.person("olga").call(method, &path, body).await.is(200);
        }
    }
}
