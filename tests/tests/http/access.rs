//! What members reach, and who may change it: rules M3, M4, M11, P1, O2, O6.

use roster_tests::stores::selected;
use roster_tests::world::{World, join, on_accounts};
use serde_json::{Value, json};

const NILS: &str = "/v1/organizations/ext:cloud/members/ext:nils/access";

async fn account_id(world: &World, account: &str) -> String {
    let shown =
        world.operator().get(&format!("/v1/organizations/ext:cloud/accounts/ext:{account}")).await.is(200);
    roster_tests::http::text(&shown, "/id")
}

/// M4: one atomic step, whose answer says what became of each role.
#[tokio::test]
async fn replacing_the_access_says_what_it_did() {
    for store in selected() {
        let world = World::on(store).await;
        let (north, south) = (account_id(&world, "north").await, account_id(&world, "south").await);
        let roles = json!({"roles": [{"role": "viewer", "accounts": ["ext:north", "ext:south"]}]});
        let diff = world.person("anna").put(NILS, roles.clone()).await.is(200);
        let line = |account: &str, role: &str| json!({"account": account, "role": role});
        let changed = json!({"account": north, "role": "viewer", "previous_role": "member"});
        let expected = json!({
            "added": [], "removed": [], "changed": [changed], "unchanged": [line(&south, "viewer")],
        });
        assert_eq!(diff, expected);
        let again = world.person("anna").put(NILS, roles).await.is(200);
        assert_eq!((&again["changed"], again["unchanged"].as_array().map(Vec::len)), (&json!([]), Some(2)));

        let wide = json!({"roles": [{"role": "member", "accounts": "all"}]});
        let diff = world.person("anna").put(NILS, wide).await.is(200);
        assert_eq!(diff["added"], json!([line("all", "member")]));
        assert_eq!(diff["removed"].as_array().map(Vec::len), Some(2));
        let none = world.person("anna").put(NILS, json!({"roles": []})).await.is(200);
        assert_eq!(none["removed"], json!([line("all", "member")]));
        let member = world.operator().get("/v1/organizations/ext:cloud/members/ext:nils").await.is(200);
        assert_eq!(
            (&member["status"], &member["access"]),
            (&json!("active"), &json!({"type": "accounts", "accounts": []}))
        );
    }
}

/// M4: `all` stands alone, an account stands once, a role is known.
#[tokio::test]
async fn an_access_that_cannot_be_is_refused_whole() {
    for store in selected() {
        let world = World::on(store).await;
        let before = world.operator().get("/v1/organizations/ext:cloud/members/ext:nils").await.is(200);
        let row = |role: &str, accounts: Value| json!({"role": role, "accounts": accounts});
        let twice = [row("viewer", json!(["ext:north"])), row("member", json!(["ext:north"]))];
        let cases = [
            (
                json!({"roles": [row("viewer", json!("all")), row("viewer", json!(["ext:north"]))]}),
                422,
                "invalid",
            ),
            (json!({"roles": twice}), 422, "invalid"),
            (json!({"roles": [row("chief", json!("all"))]}), 422, "invalid"),
            (json!({"roles": [row("viewer", json!("some"))]}), 422, "invalid"),
            (json!({"roles": [row("viewer", json!(["north"]))]}), 422, "invalid"),
            (json!({"roles": [row("viewer", json!(["ext:nowhere"]))]}), 404, "not_found"),
            (json!({"roles": [row("viewer", json!(["ext:west"]))]}), 404, "not_found"),
            (json!({"roles": [row("rol_01kb2y0v4tejq8vt0d7c3w4n5e", json!("all"))]}), 404, "not_found"),
            (json!({"roles": [row("owner", json!("all"))]}), 403, "owner_by_transfer_only"),
            (json!({"roles": [row("owner", json!(["ext:north"]))]}), 403, "owner_by_transfer_only"),
            (json!({"roles": [row("viewer", json!("all"))], "more": 1}), 422, "invalid"),
            (json!({}), 422, "invalid"),
        ];
        for (body, status, code) in cases {
            world.person("anna").put(NILS, body).await.refused(status, code);
        }
        assert_eq!(
            world.operator().get("/v1/organizations/ext:cloud/members/ext:nils").await.is(200),
            before
        );
    }
}

/// M3: organization-wide access cannot be taken or changed on one account; the answer says where it comes from.
#[tokio::test]
async fn implicit_access_is_not_taken_account_by_account() {
    for store in selected() {
        let world = World::on(store).await;
        let path = "/v1/organizations/ext:cloud/accounts/ext:north/members/ext:max";
        let source = json!({"type": "organization", "role": "member"});
        let put =
            world.person("anna").put(path, json!({"role": "viewer"})).await.refused(409, "implicit_access");
        let gone = world.person("anna").delete(path).await.refused(409, "implicit_access");
        assert_eq!((&put["source"], &gone["source"]), (&source, &source));
        let narrow = json!({"roles": [{"role": "viewer", "accounts": ["ext:south"]}]});
        let access = "/v1/organizations/ext:cloud/members/ext:max/access";
        world.person("anna").put(access, narrow).await.is(200);
        assert_eq!(world.person("anna").delete(path).await.is(200), json!({"changed": false}));
        world.person("anna").put(path, json!({"role": "viewer"})).await.is(201);
    }
}

/// M11: nobody raises their own role, grants what they lack, or manages one who holds what they lack.
#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    for store in selected() {
        let world = World::on(store).await;
        let base = "/v1/organizations/ext:cloud";
        let all = |role: &str| json!({"roles": [{"role": role, "accounts": "all"}]});
        let nora = world.person("nora");
        nora.put(&format!("{base}/members/ext:nora/access"), all("admin")).await.refused(403, "forbidden");
        nora.put(&format!("{base}/members/ext:empty/access"), all("viewer")).await.refused(403, "forbidden");
        let south = json!({"role": "viewer"});
        nora.put(&format!("{base}/accounts/ext:south/members/ext:empty"), south.clone())
            .await
            .refused(403, "forbidden");
        nora.put(&format!("{base}/accounts/ext:north/members/ext:empty"), json!({"role": "admin"}))
            .await
            .is(201);
        let owner = json!({"role": "owner"});
        let path = format!("{base}/accounts/ext:north/members/ext:empty");
        nora.put(&path, owner).await.refused(403, "owner_by_transfer_only");
        let max = world.person("max");
        max.put(&format!("{base}/members/ext:max/access"), all("admin")).await.refused(403, "forbidden");
        max.delete(&format!("{base}/members/ext:nils")).await.refused(403, "forbidden");
        let anna = world.person("anna");
        anna.put(&format!("{base}/members/ext:anna/access"), all("viewer")).await.is(200);
        anna.put(&format!("{base}/members/ext:anna/access"), all("admin")).await.refused(403, "forbidden");
    }
}

/// O2, O6: the owner is protected on every path, before any question of rank; nobody becomes owner but by transfer.
#[tokio::test]
async fn the_owner_is_protected_on_every_path() {
    for store in selected() {
        let world = World::on(store).await;
        let base = "/v1/organizations/ext:cloud";
        let keys = world.service.bearer(&world.admin_key);
        for caller in [world.operator(), world.person("olga"), world.person("anna"), keys] {
            let (member, on_north) =
                (format!("{base}/members/ext:olga"), format!("{base}/accounts/ext:north/members/ext:olga"));
            let protected = "owner_must_transfer";
            caller.delete(&member).await.refused(409, protected);
            caller.delete(&on_north).await.refused(409, protected);
            caller.put(&on_north, json!({"role": "viewer"})).await.refused(409, protected);
            caller.put(&format!("{member}/access"), json!({"roles": []})).await.refused(409, protected);
            let end = json!({"expires_at": "2099-01-01T00:00:00Z"});
            caller.patch(&member, end).await.refused(409, protected);
            caller.post(&format!("{member}/leave"), json!({})).await.refused(409, protected);
            let rows = json!({"users": ["ext:olga"]});
            let results =
                caller.post(&format!("{base}/accounts/ext:north/members/remove"), rows).await.is(200);
            assert_eq!(results["results"][0]["code"], protected);
            let access = json!({"type": "organization", "role": "owner"});
            let body = json!({"email": "second@example.com", "access": access});
            caller.post(&format!("{base}/members"), body).await.refused(403, "owner_by_transfer_only");
            let key = json!({"name": "Owner", "access": access});
            caller.post(&format!("{base}/api-keys"), key).await.refused(403, "owner_by_transfer_only");
        }
        let shown = world.operator().get(base).await.is(200);
        assert_eq!(shown["owner"]["email"], "olga@example.com");
    }
}

/// M6, M8: after removal the person is found as a former member, and comes back only by a new act, with a new access.
#[tokio::test]
async fn those_who_left_are_found_and_can_come_back() {
    for store in selected() {
        let world = World::on(store).await;
        let base = "/v1/organizations/ext:cloud/members";
        let former = world.operator().get(&format!("{base}?status=former")).await.is(200);
        assert_eq!(former["data"][0]["external_id"], "fred");
        assert_eq!(former["data"][0]["access"], json!({"type": "accounts", "accounts": []}));
        assert!(former["data"][0]["left_at"].is_string());
        world.person("anna").get(&format!("{base}/ext:fred")).await.is(200);
        assert_eq!(world.operator().get("/v1/users/ext:fred").await.is(200)["status"], "active");
        assert_eq!(world.operator().get("/v1/users/ext:fred/accounts").await.is(200)["data"], json!([]));
        let back = join(&world.operator(), "cloud", "fred", on_accounts(&[("south", "viewer")])).await;
        assert_eq!((&back["status"], &back["left_at"]), (&json!("active"), &Value::Null));
        assert_eq!(
            back["access"]["accounts"].as_array().map(Vec::len),
            Some(1),
            "the old role is not restored"
        );
        let body = json!({"user": "ext:fred", "access": on_accounts(&[])});
        world.operator().post(base, body).await.refused(409, "already_member");
    }
}
