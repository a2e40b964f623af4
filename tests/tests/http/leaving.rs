//! Leaving plans: rules L6, L7, O2, M7, T4.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{verified, work_off};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const PLAN: &str = "/v1/organizations/ext:cloud/members/ext:nils/leaving-plan";

async fn id(world: &World, person: &str) -> String {
    text(&world.operator().get(&format!("/v1/users/ext:{person}")).await.is(200), "/id")
}

async fn revision(world: &World) -> String {
    text(&world.operator().get(PLAN).await.is(200), "/revision")
}

/// What nils has: records, posts, a key, invitations.
async fn laden(world: &World) {
    let operator = world.operator();
    for n in 0..3 {
        let body = json!({"owner": "ext:nils", "account": "ext:north"});
        operator.put(&format!("{CLOUD}/records/deal/{n}"), body).await.is(201);
    }
    let nils = json!({"user": "ext:nils"});
    operator.put(&format!("{CLOUD}/accounts/ext:north/account-owner"), nils.clone()).await.is(200);
    operator.put(&format!("{CLOUD}/key-roles/csm"), nils).await.is(200);
    let roles = json!({"roles": [
        {"role": "admin", "accounts": ["ext:north"]}, {"role": "viewer", "accounts": ["ext:south"]},
    ]});
    operator.put(&format!("{CLOUD}/members/ext:nils/access"), roles).await.is(200);
    let key = json!({"name": "Laptop", "kind": "personal"});
    world.person("nils").post(&format!("{CLOUD}/api-keys"), key).await.is(201);
    let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
    for person in ["one", "two"] {
        let body = json!({"email": format!("{person}@example.com"), "access": access});
        world.person("nils").post(&format!("{CLOUD}/invitations"), body).await.is(201);
    }
}

/// L6: the plan names everything that goes, what is recommended, and what stands in the way.
#[tokio::test]
async fn l6_a_plan_names_what_goes() {
    for store in selected() {
        let world = World::on(store).await;
        laden(&world).await;
        let plan = world.person("anna").get(&format!("{PLAN}?mode=remove")).await.is(200);
        assert_eq!((&plan["mode"], &plan["recommended_mode"]), (&json!("remove"), &json!("deactivate")));
        assert_eq!(plan["user_id"], id(&world, "nils").await);
        let lost: Vec<&str> =
            plan["accounts_lost"].as_array().unwrap().iter().filter_map(|it| it["role"].as_str()).collect();
        assert_eq!(lost, ["admin", "viewer"]);
        assert_eq!((&plan["ownerships"], &plan["records"]), (&json!([]), &json!({"deal": 3})));
        assert_eq!(
            (&plan["pending_invitations"], &plan["seats_freed"]),
            (&json!(2), &json!(3)),
            "theirs, and those of both invitations"
        );
        assert_eq!(
            (&plan["api_keys"][0]["name"], &plan["api_keys"][0]["last_used_at"]),
            (&json!("Laptop"), &Value::Null)
        );
        assert_eq!(plan["api_keys"][0]["kind"], "personal");
        // A key of the organization stays, and its maker knows its secret.
        let keys = format!("{CLOUD}/api-keys");
        let access = json!({"type": "organization", "role": "viewer"});
        let mut made = Vec::new();
        for name in ["Gone", "Shared"] {
            let body = json!({"name": name, "access": access});
            made.push(world.person("anna").post(&keys, body).await.is(201));
        }
        world.operator().delete(&format!("{keys}/{}", text(&made[0], "/id"))).await.is(204);
        let annas = format!("{CLOUD}/members/ext:anna/leaving-plan");
        let shown = world.operator().get(&annas).await.is(200)["api_keys"].clone();
        let expected = json!([{
            "id": made[1]["id"], "name": "Shared", "kind": "organization", "prefix": made[1]["prefix"],
            "expires_at": null, "last_used_at": null,
        }]);
        assert_eq!(shown, expected, "not those of others, and not the one that was revoked");
        let posts = plan["posts"].as_array().unwrap();
        assert_eq!(posts.len(), 2);
        assert!(posts.iter().any(|post| post["type"] == "account_owner" && post["account"].is_string()));
        assert!(posts.iter().any(|post| post["name"] == "csm" && post["account"].is_null()));
        let default = world.person("anna").get(PLAN).await.is(200);
        assert_eq!((&default["mode"], &default["revision"]), (&json!("deactivate"), &plan["revision"]));
        let keyless = world.person("vera").get(PLAN).await.is(200);
        assert_eq!(keyless["api_keys"], json!([]), "a viewer reads no keys");
        let owner = world.operator().get(&format!("{CLOUD}/members/ext:olga/leaving-plan")).await.is(200);
        assert_eq!(owner["ownerships"][0]["name"], "cloud");
        assert_eq!(owner["accounts_lost"][0]["account"], "all");
        let revision = world.operator().get(&annas).await.is(200)["revision"].clone();
        world.operator().post(&annas, json!({"mode": "remove", "revision": revision})).await.is(200);
        world.service.bearer(&text(&made[1], "/secret")).get(CLOUD).await.is(200);
        world.operator().get(&format!("{PLAN}?mode=vanish")).await.refused(422, "invalid");
        world
            .operator()
            .get(&format!("{CLOUD}/members/ext:mia/leaving-plan"))
            .await
            .refused(404, "not_found");
        world.test().clock.advance_seconds(16 * 86_400);
        let later = world.operator().get(PLAN).await.is(200);
        assert_eq!((&later["pending_invitations"], &later["seats_freed"]), (&json!(0), &json!(1)), "{store}");
    }
}

/// L7, T4, M7: one act hands over records and posts, takes invitations back, and lets the person go.
#[tokio::test]
async fn l7_a_plan_is_one_act() {
    for store in selected() {
        for (mode, status) in [("remove", "former"), ("deactivate", "deactivated"), ("delete", "former")] {
            let world = World::on(store).await;
            laden(&world).await;
            let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
            let before = trail["data"].as_array().unwrap().len();
            let used = async || world.operator().get(CLOUD).await.is(200)["seats"]["used"].as_i64().unwrap();
            let (seats, plan) = (used().await, world.operator().get(PLAN).await.is(200));
            let body = json!({
                "mode": mode, "revision": revision(&world).await, "records_to": "ext:nora", "posts_to": "ext:nora",
                "invitations": "revoke", "reason": "Moved on",
            });
            let left = world.person("anna").post(PLAN, body).await.is(200);
            assert_eq!(left["member"]["status"], status);
            assert_eq!(left["job"]["kind"], "reassign_records");
            assert_eq!(json!(seats - used().await), plan["seats_freed"], "{mode}: as many as the plan said");
            let nora = id(&world, "nora").await;
            let deal = world.operator().get(&format!("{CLOUD}/records/deal/1")).await.is(200);
            assert_eq!(deal["owner"], nora, "{mode}");
            let north = world.operator().get(&format!("{CLOUD}/accounts/ext:north")).await.is(200);
            assert_eq!(north["account_owner"]["user_id"], nora);
            assert_eq!(world.operator().get(CLOUD).await.is(200)["key_roles"], json!({"csm": nora}));
            let invitations = world.operator().get(&format!("{CLOUD}/invitations")).await.is(200);
            assert!(invitations["data"].as_array().unwrap().iter().all(|it| it["status"] == "revoked"));
            let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
            let told = &trail["data"].as_array().unwrap();
            let actions: Vec<&str> = told[before..].iter().filter_map(|row| row["action"].as_str()).collect();
            let member = match mode {
                "remove" => "member.removed",
                "deactivate" => "member.deactivated",
                _ => "member.deleted",
            };
            let expected = [
                member,
                "account_owner.set",
                "invitation.revoked",
                "invitation.revoked",
                "key_role.set",
                "record.reassigned",
            ];
            let mut sorted = actions.clone();
            sorted.sort_unstable();
            let mut wanted = expected;
            wanted.sort_unstable();
            assert_eq!(sorted, wanted, "{mode}");
            let seqs: Vec<_> = told[before..].iter().map(|row| row["seq"].clone()).collect();
            assert!(seqs.iter().all(|seq| *seq == seqs[0]), "one commit");
            assert!(told[before..].iter().all(|row| row["reason"] == "Moved on"));
            verified(&world).await;
            work_off(&world).await;
            verified(&world).await;
        }
    }
}

/// One change of what somebody's plan shows.
async fn changed(world: &World, person: &str, what: &str, made: &mut Vec<String>) {
    let (operator, keys) = (world.operator(), format!("{CLOUD}/api-keys"));
    let them = world.person(person);
    match what {
        "record" => {
            let path = format!("{CLOUD}/records/call/1");
            operator.put(&path, json!({"owner": "ext:nils"})).await.is(201);
        }
        "record gone" => drop(operator.delete(&format!("{CLOUD}/records/call/1")).await.is(204)),
        "post" => drop(operator.delete(&format!("{CLOUD}/key-roles/csm")).await.is(204)),
        "invitation" => {
            let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
            let body = json!({"email": "three@example.com", "access": access});
            let sent = them.post(&format!("{CLOUD}/invitations"), body).await.is(201);
            made.push(format!("{CLOUD}/invitations/{}", text(&sent, "/id")));
        }
        "key of their own" => {
            let sent = them.post(&keys, json!({"name": "Desk", "kind": "personal"})).await.is(201);
            made.push(format!("{keys}/{}", text(&sent, "/id")));
        }
        "key of the organization" => {
            let access = json!({"type": "organization", "role": "viewer"});
            let sent = them.post(&keys, json!({"name": "Shared", "access": access})).await.is(201);
            made.push(format!("{keys}/{}", text(&sent, "/id")));
        }
        "its name" => drop(operator.patch(made.last().unwrap(), json!({"name": "Other"})).await.is(200)),
        "its secret" => {
            let path = format!("{}/rotate", made.last().unwrap());
            them.post(&path, json!({"overlap_seconds": 0})).await.is(200);
        }
        "its end" => {
            assert!(operator.delete(&made.pop().unwrap()).await.status.is_success(), "{what}");
        }
        "webhook" => {
            let organization = text(&operator.get(CLOUD).await.is(200), "/id");
            let body = json!({
                "url": "https://example.com/hooks", "types": ["member.added"], "organization": organization,
            });
            let sent = them.post("/v1/webhooks", body).await.is(201);
            made.push(format!("/v1/webhooks/{}", text(&sent, "/id")));
        }
        "access" => {
            let path = format!("{CLOUD}/accounts/ext:south/members/ext:nils");
            operator.put(&path, json!({"role": "member"})).await.is(200);
        }
        _ => {
            let path = format!("{CLOUD}/ownership-transfers");
            operator.post(&path, json!({"to": "ext:nora"})).await.is(201);
        }
    }
}

/// L6: what has changed since the plan was read stops it; nothing is done.
#[tokio::test]
async fn l6_a_plan_that_has_changed_is_refused() {
    let (own, shared) = ("key of their own", "key of the organization");
    let nils = [
        "record",
        "record gone",
        "post",
        "invitation",
        "its end",
        own,
        "its name",
        "its secret",
        "its end",
        "access",
    ];
    let anna = [shared, "its name", "its secret", "its end", "webhook", "its end", "owner"];
    for store in selected() {
        let world = World::on(store).await;
        laden(&world).await;
        let (operator, mut made) = (world.operator(), Vec::new());
        for (person, changes) in [("nils", &nils[..]), ("anna", &anna[..])] {
            let plan = format!("{CLOUD}/members/ext:{person}/leaving-plan");
            for what in changes {
                let revision = text(&operator.get(&plan).await.is(200), "/revision");
                let again = text(&operator.get(&plan).await.is(200), "/revision");
                assert_eq!(revision, again, "{store}: read twice it is the same");
                let body = json!({
                    "mode": "remove", "revision": revision, "records_to": "ext:sven", "invitations": "revoke",
                });
                changed(&world, person, what, &mut made).await;
                operator.post(&plan, body).await.refused(409, "plan_changed");
                let member = operator.get(&format!("{CLOUD}/members/ext:{person}")).await.is(200);
                assert_eq!(member["status"], "active", "{what}");
            }
        }
        let deal = operator.get(&format!("{CLOUD}/records/deal/1")).await.is(200);
        assert_eq!(deal["owner"], id(&world, "nils").await);
        verified(&world).await;
    }
}

/// O2, L7: the owner goes only with a new owner, who is named by the owner or an operator.
#[tokio::test]
async fn o2_an_owner_goes_with_a_new_owner() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/members/ext:olga/leaving-plan");
        let revision = text(&world.operator().get(&path).await.is(200), "/revision");
        let body = |owner_to: Value| json!({"mode": "remove", "revision": revision, "owner_to": owner_to});
        world.operator().post(&path, body(Value::Null)).await.refused(409, "owner_must_transfer");
        world.person("anna").post(&path, body(json!("ext:anna"))).await.refused(403, "forbidden");
        world.operator().post(&path, body(json!("ext:fred"))).await.refused(409, "target_not_active");
        world.operator().post(&path, body(json!("ext:olga"))).await.refused(422, "invalid");
        world.operator().post(&path, body(json!("ext:mia"))).await.refused(404, "not_found");
        world.operator().post("/v1/users/ext:anna/suspend", json!({})).await.is(200);
        world.operator().post(&path, body(json!("ext:anna"))).await.refused(409, "target_not_active");
        world.operator().post("/v1/users/ext:anna/unsuspend", json!({})).await.is(200);
        let left = world.operator().post(&path, body(json!("ext:anna"))).await.is(200);
        assert_eq!(
            (&left["member"]["status"], &left["transfer"]["state"]),
            (&json!("former"), &json!("completed"))
        );
        assert_eq!(left["job"], Value::Null);
        assert_eq!(world.operator().get(CLOUD).await.is(200)["owner"]["email"], "anna@example.com");
        world.person("olga").get(CLOUD).await.refused(404, "not_found");
        verified(&world).await;
    }
}

/// L7: who may, who inherits, what is left alone; twice with one key is once.
#[tokio::test]
async fn l7_a_plan_that_cannot_be_executed_is_refused() {
    for store in selected() {
        let world = World::on(store).await;
        laden(&world).await;
        let revision = revision(&world).await;
        let body = |more: Value| {
            let mut body = json!({"mode": "remove", "revision": revision});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        for (more, status, code) in [
            (json!({"records_to": "ext:nils"}), 422, "invalid"),
            (json!({"records_to": "ext:mia"}), 404, "not_found"),
            (json!({"posts_to": "ext:fred"}), 409, "target_not_active"),
            (json!({"posts_to": "ext:sven"}), 409, "not_in_account"),
            (json!({"owner_to": "ext:anna"}), 422, "invalid"),
            (json!({"mode": "vanish"}), 422, "invalid"),
            (json!({"invitations": "keep"}), 422, "invalid"),
            (json!({"revision": "0"}), 409, "plan_changed"),
        ] {
            world.operator().post(PLAN, body(more)).await.refused(status, code);
        }
        world.operator().post(PLAN, json!({"mode": "remove"})).await.refused(422, "invalid");
        for person in ["max", "nora", "nils"] {
            world.person(person).post(PLAN, body(json!({}))).await.refused(403, "forbidden");
        }
        let caller = world.person("anna").with("idempotency-key", "once");
        let kept = body(json!({"invitations": "hand_over"}));
        let first = caller.post(PLAN, kept.clone()).await.is(200);
        assert_eq!((&first["job"], &first["transfer"]), (&Value::Null, &Value::Null));
        let second = caller.post(PLAN, kept).await;
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!(second.is(200), first);
        let deal = world.operator().get(&format!("{CLOUD}/records/deal/1")).await.is(200);
        assert_eq!(deal["owner"], id(&world, "nils").await, "records without a successor stay");
        let invitations = world.operator().get(&format!("{CLOUD}/invitations")).await.is(200);
        for invitation in invitations["data"].as_array().unwrap() {
            assert_eq!(invitation["status"], "pending");
            assert_eq!(invitation["invited_by"]["id"], id(&world, "anna").await);
        }
        assert_eq!(world.operator().get(CLOUD).await.is(200)["key_roles"], json!({}));
        verified(&world).await;
    }
}

/// M5, M9, L7: nobody who was removed from everything inherits, though it has not been swept yet.
#[tokio::test]
async fn m5_one_removed_from_everything_inherits_nothing() {
    for store in selected() {
        let world = World::on(store).await;
        laden(&world).await;
        let operator = world.operator();
        operator.delete("/v1/users/ext:nora/accounts").await.is(202);
        for heir in ["records_to", "posts_to"] {
            let mut body =
                json!({"mode": "remove", "revision": revision(&world).await, "invitations": "revoke"});
            body[heir] = "ext:nora".into();
            operator.post(PLAN, body).await.refused(409, "target_not_active");
        }
        let reassign = json!({"from": "ext:nils", "to": "ext:nora"});
        operator.post(&format!("{CLOUD}/records/reassign"), reassign).await.refused(409, "target_not_active");
        let record = json!({"owner": "ext:nora"});
        operator.put(&format!("{CLOUD}/records/deal/0"), record).await.refused(409, "target_not_active");
        let owner = format!("{CLOUD}/members/ext:olga/leaving-plan");
        let plan = operator.get(&owner).await.is(200);
        let body = json!({"mode": "remove", "revision": plan["revision"], "owner_to": "ext:nora"});
        operator.post(&owner, body).await.refused(409, "target_not_active");
        verified(&world).await;
    }
}
