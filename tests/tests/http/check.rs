//! May this user do this here: rules M7, M12, P4, P5.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

fn ask(user: &str, permission: &str, account: Option<&str>) -> Value {
    let mut ask = json!({"user": user, "permission": permission, "organization": "ext:cloud"});
    if let Some(account) = account {
        ask["account"] = account.into();
    }
    ask
}

fn answer(reason: &str, role: Option<&str>, source: Option<&str>) -> Value {
    json!({"allowed": reason == "granted", "reason": reason, "role": role, "source": source})
}

/// P4: every kind of access, from one account and on the whole.
#[tokio::test]
async fn the_answer_names_the_reason_the_role_and_its_source() {
    let (everywhere, here) = (Some("organization"), Some("account"));
    let (north, south) = (Some("ext:north"), Some("ext:south"));
    let cases = [
        ("ext:olga", "ownership:transfer", None, answer("granted", Some("owner"), everywhere)),
        ("ext:anna", "ownership:transfer", None, answer("role_lacks_permission", Some("admin"), everywhere)),
        ("ext:anna", "members:remove", north, answer("granted", Some("admin"), everywhere)),
        ("ext:max", "records:manage", south, answer("granted", Some("member"), everywhere)),
        ("ext:vera", "records:manage", south, answer("role_lacks_permission", Some("viewer"), everywhere)),
        ("ext:vera", "members:read", None, answer("granted", Some("viewer"), everywhere)),
        ("ext:nora", "members:remove", north, answer("granted", Some("admin"), here)),
        ("ext:nora", "members:remove", south, answer("no_access", None, None)),
        ("ext:nora", "members:remove", None, answer("no_access", None, None)),
        ("ext:nils", "records:manage", north, answer("granted", Some("member"), here)),
        ("ext:nils", "records:manage", south, answer("role_lacks_permission", Some("viewer"), here)),
        ("ext:empty", "members:read", north, answer("no_access", None, None)),
        ("ext:fred", "members:read", None, answer("no_membership", None, None)),
        ("ext:otto", "members:read", None, answer("no_membership", None, None)),
        ("ext:nobody", "members:read", None, answer("not_found", None, None)),
        ("ext:anna", "members:read", Some("ext:west"), answer("not_found", None, None)),
        ("ext:anna", "members:read", Some("ext:nowhere"), answer("not_found", None, None)),
        ("ext:anna", "deals:close", north, answer("granted", Some("admin"), everywhere)),
        ("ext:max", "deals:close", north, answer("role_lacks_permission", Some("member"), everywhere)),
    ];
    for store in selected() {
        let world = World::on(store).await;
        for (user, permission, account, expected) in &cases {
            let asked = ask(user, permission, *account);
            let found = world.operator().post("/v1/check", asked.clone()).await.is(200);
            assert_eq!(found, *expected, "{asked}");
        }
        let all: Vec<Value> = cases.iter().map(|(user, what, on, _)| ask(user, what, *on)).collect();
        let results = world.operator().post("/v1/check/batch", json!({"checks": all})).await.is(200);
        let expected: Vec<&Value> = cases.iter().map(|(.., expected)| expected).collect();
        assert_eq!(results["results"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
    }
}

/// M7, O7, O8: what ends access ends it at the next request.
#[tokio::test]
async fn what_has_ended_is_denied_at_the_next_request() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let reason = async |user: &str, account: Option<&str>| {
            let asked = ask(user, "accounts:read", account);
            operator.post("/v1/check", asked).await.is(200)["reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(reason("ext:nora", Some("ext:north")).await, "granted");
        operator.delete(&format!("{CLOUD}/accounts/ext:north")).await.is(200);
        assert_eq!(reason("ext:nora", Some("ext:north")).await, "no_access");
        assert_eq!(reason("ext:anna", Some("ext:north")).await, "no_access");
        operator.patch(&format!("{CLOUD}/accounts/ext:north"), json!({"status": "active"})).await.is(200);
        assert_eq!(reason("ext:nora", Some("ext:north")).await, "granted");
        let access = json!({"roles": [{"role": "viewer", "accounts": ["ext:south"]}]});
        operator.put(&format!("{CLOUD}/members/ext:nora/access"), access).await.is(200);
        assert_eq!(reason("ext:nora", Some("ext:north")).await, "no_access");
        operator.delete(&format!("{CLOUD}/members/ext:nora")).await.is(200);
        assert_eq!(reason("ext:nora", Some("ext:south")).await, "no_membership");
        operator.call(http::Method::DELETE, CLOUD, Some(json!({"confirm": true}))).await.is(204);
        assert_eq!(reason("ext:olga", None).await, "not_found");
    }
}

/// The caller's key names the organization; another's is as good as none.
#[tokio::test]
async fn a_key_asks_in_its_own_organization() {
    for store in selected() {
        let world = World::on(store).await;
        let key = world.service.bearer(&world.admin_key);
        let short = json!({"user": "ext:anna", "permission": "members:read"});
        assert_eq!(key.post("/v1/check", short.clone()).await.is(200)["reason"], "granted");
        let other = json!({"user": "ext:otto", "permission": "members:read", "organization": "ext:other"});
        assert_eq!(key.post("/v1/check", other).await.is(200)["reason"], "not_found");
        let stranger = json!({"user": "ext:otto", "permission": "members:read"});
        let unknown = json!({"user": "ext:nobody", "permission": "members:read"});
        let (stranger, unknown) =
            (key.post("/v1/check", stranger).await, key.post("/v1/check", unknown).await);
        assert_eq!(stranger.is(200), unknown.is(200), "P5: the same for elsewhere and nowhere");
        let viewer = world.service.bearer(&world.viewer_key);
        viewer.post("/v1/check", short.clone()).await.refused(403, "forbidden");
        // Who may ask on one account is told of another that it is forbidden, and of none that it is not there.
        let body = json!({"name": "north", "access": on_accounts(&[("north", "admin")])});
        let made = world.operator().post(&format!("{CLOUD}/api-keys"), body).await.is(201);
        let north = world.service.bearer(made["secret"].as_str().unwrap());
        let anna = text(&world.operator().get("/v1/users/ext:anna").await.is(200), "/id");
        for user in ["ext:anna", &anna] {
            let on = |account: &str| json!({"user": user, "permission": "members:read", "account": account});
            for none in ["ext:nowhere", "acc_01kb2y0v4tejq8vt0d7c3w4n5e"] {
                assert_eq!(north.post("/v1/check", on(none)).await.is(200)["reason"], "not_found");
                let rows = json!({"checks": [on("ext:north"), on(none)]});
                let results = north.post("/v1/check/batch", rows).await.is(200)["results"].clone();
                assert_eq!(
                    (&results[0]["allowed"], &results[1]["reason"]),
                    (&json!(true), &json!("not_found"))
                );
            }
            north.post("/v1/check", on("ext:south")).await.refused(403, "forbidden");
        }
        let problem = world.operator().post("/v1/check", short).await.refused(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/organization");
    }
}

/// Everybody may ask about themselves, and about others only who may.
#[tokio::test]
async fn people_ask_about_themselves() {
    for store in selected() {
        let world = World::on(store).await;
        let own = ask("ext:nils", "records:manage", Some("ext:north"));
        assert_eq!(world.person("nils").post("/v1/check", own).await.is(200)["reason"], "granted");
        let others = ask("ext:nora", "records:manage", Some("ext:north"));
        world.person("nils").post("/v1/check", others.clone()).await.refused(403, "forbidden");
        assert_eq!(world.person("anna").post("/v1/check", others).await.is(200)["reason"], "granted");
        let former = ask("ext:fred", "records:manage", None);
        let found = world.person("fred").post("/v1/check", former).await.is(200);
        assert_eq!(found["allowed"], false, "{found}");
    }
}

/// A batch keeps its order; what cannot be read denies its own row only.
#[tokio::test]
async fn a_batch_answers_row_by_row() {
    for store in selected() {
        let world = World::on(store).await;
        let rows = [
            ask("ext:anna", "members:read", None),
            ask("usr_nonsense", "members:read", None),
            ask("ext:max", "members:remove", None),
            ask("ext:anna", "members:read", Some("acc_nonsense")),
            json!({"user": 5, "permission": "members:read", "organization": "ext:cloud"}),
            json!({"user": "ext:anna", "permission": "members:read", "organization": ["ext:cloud"]}),
            ask("ext:anna", "members:read", None),
        ];
        let batch = json!({"checks": rows});
        let results = world.operator().post("/v1/check/batch", batch).await.is(200);
        let reasons: Vec<&str> = results["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["reason"].as_str().unwrap())
            .collect();
        let denied = ["not_found"; 3];
        assert_eq!(reasons[..3], ["granted", "not_found", "role_lacks_permission"]);
        assert_eq!((&reasons[3..6], reasons[6]), (&denied[..], "granted"));
        let one = ask("ext:anna", "members:read", None);
        for count in [0, 101] {
            let batch = json!({"checks": vec![one.clone(); count]});
            world.operator().post("/v1/check/batch", batch).await.refused(422, "invalid");
        }
        let batch = json!({"checks": vec![one.clone(); 100]});
        world.operator().post("/v1/check/batch", batch).await.is(200);
    }
}

/// Malformed questions are refused with the place of what is wrong.
#[tokio::test]
async fn malformed_questions_are_refused() {
    let cases = [
        (json!({}), "/user"),
        (json!({"user": "ext:anna", "organization": "ext:cloud"}), "/permission"),
        (ask("anna", "members:read", None), "/user"),
        (ask("ext:anna", "members", None), "/permission"),
        (ask("ext:anna", "members:*", None), "/permission"),
        (ask("ext:anna", "members:fly", None), "/permission"),
        (ask("ext:anna", "members:read", Some("north")), "/account"),
    ];
    for store in selected() {
        let world = World::on(store).await;
        for (body, pointer) in &cases {
            let problem = world.operator().post("/v1/check", body.clone()).await.refused(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], *pointer, "{body}");
        }
    }
}
