//! Who owns an organization, how it ends, and its accounts: rules O1, O3, O5, O7, O8.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const TRANSFERS: &str = "/v1/organizations/ext:cloud/ownership-transfers";

/// O3: the owner hands over to an active member at once, and stays as admin.
#[tokio::test]
async fn the_owner_hands_over() {
    for store in selected() {
        let world = World::on(store).await;
        let made = world.person("olga").post(TRANSFERS, json!({"to": "ext:nils"})).await.is(201);
        assert_eq!((&made["state"], &made["previous_owner_role"]), (&json!("completed"), &json!("admin")));
        let id = made["id"].as_str().unwrap();
        assert_eq!(world.person("olga").get(&format!("{TRANSFERS}/{id}")).await.is(200), made);
        let shown = world.operator().get(CLOUD).await.is(200);
        assert_eq!(shown["owner"]["email"], "nils@example.com");
        let olga = world.operator().get(&format!("{CLOUD}/members/ext:olga")).await.is(200);
        assert_eq!(olga["access"], json!({"type": "organization", "role": "admin"}));
        let nils = world.operator().get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(nils["access"], json!({"type": "organization", "role": "owner"}));
        world.person("olga").post(TRANSFERS, json!({"to": "ext:olga"})).await.refused(403, "forbidden");
        world
            .person("olga")
            .call(http::Method::DELETE, CLOUD, Some(json!({"confirm": true})))
            .await
            .refused(403, "forbidden");
        world.person("anna").delete(&format!("{CLOUD}/members/ext:olga")).await.is(200);
        let body = json!({"to": "ext:anna", "previous_owner_role": "viewer"});
        world.person("nils").post(TRANSFERS, body).await.is(201);
        let nils = world.operator().get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(nils["access"], json!({"type": "organization", "role": "viewer"}), "as it was named");
    }
}

/// O3: to oneself, to a stranger, to one who left, with a role that cannot be.
#[tokio::test]
async fn a_transfer_that_cannot_be_is_refused() {
    for store in selected() {
        let world = World::on(store).await;
        world.operator().post(&format!("{CLOUD}/members/ext:nils/deactivate"), json!({})).await.is(200);
        let guest = json!({"email": "guest@example.com", "external_id": "guest", "name": "Guest"});
        world.operator().post("/v1/users", guest).await.is(201);
        let access = json!({"type": "organization", "role": "admin"});
        let body = json!({"email": "guest@example.com", "access": access});
        let invitation = world.operator().post(&format!("{CLOUD}/invitations"), body).await.is(201);
        let keys = world.operator().get(&format!("{CLOUD}/api-keys")).await.is(200);
        let before = world.operator().get(CLOUD).await.is(200);
        let cases = [
            (json!({"to": "ext:nils"}), 409, "target_not_active"),
            (json!({"to": "ext:guest"}), 404, "not_found"),
            (json!({"to": invitation["id"]}), 422, "invalid"),
            (json!({"to": keys["data"][0]["id"]}), 422, "invalid"),
            (json!({"to": "ext:olga"}), 422, "invalid"),
            (json!({"to": "ext:mia"}), 404, "not_found"),
            (json!({"to": "ext:nobody"}), 404, "not_found"),
            (json!({"to": "ext:fred"}), 409, "target_not_active"),
            (json!({"to": "ext:anna", "previous_owner_role": "owner"}), 403, "owner_by_transfer_only"),
            (json!({"to": "ext:anna", "previous_owner_role": "chief"}), 422, "invalid"),
            (json!({}), 422, "invalid"),
        ];
        for (body, status, code) in cases {
            world.person("olga").post(TRANSFERS, body).await.refused(status, code);
        }
        for caller in [world.person("anna"), world.service.bearer(&world.admin_key)] {
            caller.post(TRANSFERS, json!({"to": "ext:anna"})).await.refused(403, "forbidden");
        }
        let by_key = world.service.bearer(&world.admin_key).on_behalf_of("ext:olga");
        by_key.post(TRANSFERS, json!({"to": "ext:anna"})).await.refused(403, "forbidden");
        world.operator().post("/v1/users/ext:anna/suspend", json!({})).await.is(200);
        for offered in [false, true] {
            let body = json!({"to": "ext:anna", "require_acceptance": offered});
            world.person("olga").post(TRANSFERS, body).await.refused(409, "target_not_active");
        }
        assert_eq!(world.operator().get(CLOUD).await.is(200), before);
    }
}

/// O1: whoever makes an organization names its owner, who is a member at once.
#[tokio::test]
async fn an_organization_has_an_owner_from_the_first_instant() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for owner in [json!({}), json!({"name": "Only a name"}), Value::Null] {
            operator
                .post("/v1/organizations", json!({"name": "Third", "owner": owner}))
                .await
                .refused(422, "invalid");
        }
        let body = json!({"name": "Third", "external_id": "third", "owner": {"external_id": "anna"}});
        let made = operator.post("/v1/organizations", body).await.is(201);
        assert_eq!(made["owner"]["email"], "anna@example.com");
        assert_eq!(made["seats"], json!({"purchased": null, "used": 1}));
        let accounts = world.person("anna").get("/v1/organizations/ext:third/accounts").await.is(200);
        let first = &accounts["data"][0];
        assert_eq!((&first["name"], &first["external_id"]), (&json!("Third"), &json!("third")));
        let twice = json!({"name": "Again", "external_id": "third", "owner": {"external_id": "anna"}});
        operator.post("/v1/organizations", twice).await.refused(409, "external_id_exists");
    }
}

/// Slugs are made from names and numbered; only one that was asked for is refused.
#[tokio::test]
async fn slugs_are_made_and_numbered() {
    for store in selected() {
        let world = World::on(store).await;
        let make = async |body: Value| world.operator().post("/v1/organizations", body).await;
        let owner = json!({"external_id": "anna"});
        let named = |name: &str| json!({"name": name, "owner": owner});
        assert_eq!(make(named("Cloud")).await.is(201)["slug"], "cloud-2");
        assert_eq!(make(named("  CLOUD  ")).await.is(201)["slug"], "cloud-3");
        make(json!({"name": "Cloud", "slug": "cloud-2", "owner": owner})).await.refused(409, "slug_exists");
        make(json!({"name": "Cloud", "slug": "No Slug", "owner": owner})).await.refused(422, "invalid");
        for n in 4..20 {
            assert_eq!(make(named("Cloud")).await.is(201)["slug"], format!("cloud-{n}"));
        }
        // No search goes through all who bear a name.
        for _ in 0..2 {
            let far = roster_tests::http::text(&make(named("Cloud")).await.is(201), "/slug");
            assert!(far.strip_prefix("cloud-").unwrap().parse::<u32>().unwrap() > 1_000_000, "{far}");
        }
        let odd = make(named("{日本}:\u{1F600}")).await.is(201);
        let slug = odd["slug"].as_str().unwrap();
        assert!(
            !slug.is_empty() && slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "{slug}"
        );
        let path = format!("/v1/organizations/{}", odd["id"].as_str().unwrap());
        world.operator().patch(&path, json!({"slug": "cloud"})).await.refused(409, "slug_exists");
        assert_eq!(world.operator().patch(&path, json!({"slug": "odd"})).await.is(200)["slug"], "odd");
        assert_eq!(make(json!({"name": "X", "slug": slug, "owner": owner})).await.is(201)["slug"], slug);
    }
}

/// O7: a closed organization lets nobody in, its names stay taken, operators still read it.
#[tokio::test]
async fn a_closed_organization_is_over() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, olga) = (world.operator(), world.person("olga"));
        for body in [json!({}), json!({"confirm": false})] {
            olga.call(http::Method::DELETE, CLOUD, Some(body)).await.refused(422, "confirmation_required");
        }
        olga.call(http::Method::DELETE, CLOUD, Some(json!({"confirm": true}))).await.is(204);
        for path in [CLOUD, &format!("{CLOUD}/members"), &format!("{CLOUD}/accounts/ext:north")] {
            olga.get(path).await.refused(404, "not_found");
        }
        world.service.bearer(&world.admin_key).get(CLOUD).await.refused(401, "unauthenticated");
        assert_eq!(operator.get(CLOUD).await.is(200)["status"], "closed");
        assert!(
            !operator.get(&format!("{CLOUD}/audit")).await.is(200)["data"].as_array().unwrap().is_empty()
        );
        operator.patch(CLOUD, json!({"name": "New"})).await.refused(409, "organization_closed");
        operator.delete(&format!("{CLOUD}/members/ext:anna")).await.refused(409, "organization_closed");
        let asked = json!({"user": "ext:anna", "permission": "members:read", "organization": "ext:cloud"});
        assert_eq!(operator.post("/v1/check", asked).await.is(200)["reason"], "not_found");
        let again = json!({"name": "Cloud", "external_id": "cloud", "owner": {"external_id": "anna"}});
        operator.post("/v1/organizations", again).await.refused(409, "external_id_exists");
        let listed = |list: &Value| list["data"].as_array().unwrap().len();
        assert_eq!(listed(&operator.get("/v1/organizations").await.is(200)), 1);
        assert_eq!(listed(&operator.get("/v1/organizations?status=closed").await.is(200)), 1);
        assert_eq!(listed(&operator.get("/v1/organizations?status=all").await.is(200)), 2);
    }
}

/// O8: an archived account gives no access, and gives it again when it is brought back; the last one stays.
#[tokio::test]
async fn an_account_is_archived_and_brought_back() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/accounts/ext:north");
        let asked = json!({
            "user": "ext:nils", "permission": "accounts:read", "organization": "ext:cloud", "account": "ext:north",
        });
        let reason =
            async || world.operator().post("/v1/check", asked.clone()).await.is(200)["reason"].clone();
        let used = async || world.operator().get(CLOUD).await.is(200)["seats"]["used"].clone();
        assert_eq!(reason().await, "granted");
        let key = json!({"name": "North", "access": on_accounts(&[("north", "admin")])});
        let key = world.operator().post(&format!("{CLOUD}/api-keys"), key).await.is(201);
        let both = json!({"roles": [{"role": "viewer", "accounts": ["ext:north", "ext:south"]}]});
        world.operator().put(&format!("{CLOUD}/members/ext:empty/access"), both).await.is(200);
        let seats = used().await;
        let through = [world.person("nora"), world.service.bearer(&text(&key, "/secret"))];
        assert_eq!(world.person("nora").delete(&path).await.is(200)["status"], "archived");
        for caller in &through {
            caller.get(&path).await.refused(403, "forbidden");
            caller.patch(&path, json!({"status": "active"})).await.refused(403, "forbidden");
            caller.delete(&format!("{path}/members/ext:nils")).await.refused(403, "forbidden");
            for what in ["", "/accounts?status=all", "/members", "/invitations"] {
                let reply = caller.get(&format!("{CLOUD}{what}")).await;
                assert_eq!(reply.status.as_u16(), 403, "{store}: {what} {reply:?}");
            }
        }
        assert_eq!(reason().await, "no_access");
        assert_eq!(used().await, seats, "archiving frees no seat");
        let listed = world.operator().get(&format!("{CLOUD}/accounts")).await.is(200);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
        // What somebody has on another account is not touched by it.
        let own = json!({"name": "Laptop", "kind": "personal"});
        world.person("empty").post(&format!("{CLOUD}/api-keys"), own).await.is(201);
        let put = format!("{path}/members/ext:sven");
        world.operator().put(&put, json!({"role": "viewer"})).await.refused(409, "account_gone");
        world.operator().delete(&format!("{CLOUD}/accounts/ext:south")).await.refused(409, "last_account");
        let back = json!({"status": "active"});
        assert_eq!(world.person("anna").patch(&path, back).await.is(200)["status"], "active");
        assert_eq!(reason().await, "granted");
        for caller in &through {
            assert_eq!(caller.get(&path).await.is(200)["status"], "active");
        }
    }
}

/// External ids are unique where they must be, set once, and never changed.
#[tokio::test]
async fn external_ids_are_for_good() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let north = format!("{CLOUD}/accounts/ext:north");
        operator.patch(&north, json!({"external_id": "other"})).await.refused(409, "external_id_immutable");
        operator.patch(&north, json!({"external_id": "north"})).await.is(200);
        operator.patch(&north, json!({"external_id": null})).await.refused(422, "invalid");
        let accounts = format!("{CLOUD}/accounts");
        operator
            .post(&accounts, json!({"name": "N", "external_id": "north"}))
            .await
            .refused(409, "external_id_exists");
        let made = operator.post(&accounts, json!({"name": "N"})).await.is(201);
        let path = format!("{accounts}/{}", made["id"].as_str().unwrap());
        operator.patch(&path, json!({"external_id": "north"})).await.refused(409, "external_id_exists");
        operator.patch(&path, json!({"external_id": "East"})).await.is(200);
        operator.get(&format!("{accounts}/ext:East")).await.is(200);
        operator.get(&format!("{accounts}/ext:east")).await.refused(404, "not_found");
        operator.patch(CLOUD, json!({"external_id": "sky"})).await.refused(409, "external_id_immutable");
        operator
            .patch("/v1/users/ext:anna", json!({"external_id": "b"}))
            .await
            .refused(409, "external_id_immutable");
    }
}
