//! Leaving one account, several, a whole organization: rules M1, M2, M5, M7, M10, M11, L3.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, join, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const NORTH: &str = "/v1/organizations/ext:cloud/accounts/ext:north";

/// M1: takes that account and nothing else; twice is fine; the next request is refused.
#[tokio::test]
async fn a_member_removed_from_one_account_is_out_of_it_and_nothing_else() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let path = format!("{NORTH}/members/ext:nils");
        assert_eq!(operator.delete(&path).await.is(200), json!({"changed": true}));
        assert_eq!(operator.delete(&path).await.is(200), json!({"changed": false}));
        world.person("nils").get(NORTH).await.refused(403, "forbidden");
        world.person("nils").get(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        world.person("nora").get(NORTH).await.is(200);
        let member = operator.get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(member["status"], "active");
        assert_eq!(member["access"]["accounts"].as_array().map(Vec::len), Some(1));
    }
}

/// M1: from the user's side it is the same act with the same answer; the last account too leaves an active member.
#[tokio::test]
async fn removal_is_the_same_from_the_users_side() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let seats = async || operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"].as_i64().unwrap();
        let before = seats().await;
        let path = "/v1/users/ext:nils/accounts";
        for (account, left, used) in [("ext:north", 1, before), ("ext:south", 0, before - 1)] {
            assert_eq!(operator.delete(&format!("{path}/{account}")).await.is(200), json!({"changed": true}));
            assert_eq!(
                operator.delete(&format!("{path}/{account}")).await.is(200),
                json!({"changed": false})
            );
            assert_eq!(operator.get(path).await.is(200)["data"].as_array().map(Vec::len), Some(left));
            assert_eq!(seats().await, used, "L3: the seat of one who reaches nothing is free");
        }
        let member = operator.get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(member["status"], "active");
        operator.delete(&format!("{path}/ext:nowhere")).await.refused(404, "not_found");
        operator.delete("/v1/users/ext:nobody/accounts/ext:north").await.refused(404, "not_found");
    }
}

/// An external id of an account that fits in two of the user's organizations is ambiguous; its id is not.
#[tokio::test]
async fn an_account_named_in_two_organizations_is_ambiguous() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let body = json!({"name": "North", "external_id": "north"});
        operator.post("/v1/organizations/ext:other/accounts", body).await.is(201);
        let access = on_accounts(&[("north", "viewer")]);
        let body = json!({"user": "ext:nils", "access": access});
        operator.post("/v1/organizations/ext:other/members", body).await.is(201);
        operator.delete("/v1/users/ext:nils/accounts/ext:north").await.refused(409, "ambiguous_external_id");
        let bound = world.service.bearer(&world.admin_key);
        assert_eq!(
            bound.delete("/v1/users/ext:nils/accounts/ext:north").await.is(200),
            json!({"changed": true})
        );
        let reached = operator.get("/v1/users/ext:nils/accounts").await.is(200);
        assert_eq!(reached["data"].as_array().map(Vec::len), Some(2));
    }
}

/// M2: one outcome a row, in order; a bad row does not stop the others.
#[tokio::test]
async fn many_are_removed_row_by_row() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{NORTH}/members/remove");
        let nils = text(&world.operator().get("/v1/users/ext:nils").await.is(200), "/id");
        let rows = json!({"users": [
            "ext:nils", nils, "ext:nora", "ext:max", "ext:olga", "ext:empty", "ext:nobody", "ext:mia",
            "usr_01kb2y0v4tejq8vt0d7c3w4n5e", "acc_01kb2y0v4tejq8vt0d7c3w4n5e", "garbage", "", 5, null, ["ext:nora"],
            {"user": "ext:nora"},
        ]});
        let answer = world.operator().post(&path, rows.clone()).await.is(200);
        let outcomes: Vec<(&str, Option<&str>)> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["status"].as_str().unwrap(), row["code"].as_str()))
            .collect();
        let refused = |code| ("refused", Some(code));
        assert_eq!(
            outcomes,
            [
                ("removed", None),
                ("unchanged", None),
                ("removed", None),
                refused("implicit_access"),
                refused("owner_must_transfer"),
                ("unchanged", None),
                refused("not_found"),
                ("unchanged", None),
                refused("not_found"),
                refused("invalid"),
                refused("invalid"),
                refused("invalid"),
                refused("invalid"),
                refused("invalid"),
                refused("invalid"),
                refused("invalid"),
            ]
        );
        let named: Vec<&Value> =
            answer["results"].as_array().unwrap().iter().map(|row| &row["user"]).collect();
        assert_eq!(json!(named[..12]), json!(rows["users"].as_array().unwrap()[..12]));
        assert_eq!(json!(named[12..]), json!(["5", "null", "[\"ext:nora\"]", "{\"user\":\"ext:nora\"}"]));
        let many = |count: usize| json!({"users": vec!["ext:nobody"; count]});
        world.operator().post(&path, many(0)).await.refused(422, "invalid");
        world.operator().post(&path, many(1_001)).await.refused(422, "invalid");
        let thousand = world.operator().post(&path, many(1_000)).await.is(200);
        assert_eq!(thousand["results"].as_array().map(Vec::len), Some(1_000));
    }
}

/// M5, M7: removal from the organization is one act; nothing in it is there any more, everything elsewhere is.
#[tokio::test]
async fn removal_from_an_organization_ends_everything_in_it() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let body = json!({"user": "ext:nils", "access": on_accounts(&[("west", "member")])});
        operator.post("/v1/organizations/ext:other/members", body).await.is(201);
        let path = format!("{CLOUD}/members/ext:nils");
        assert_eq!(world.person("anna").delete(&path).await.is(200), json!({"changed": true}));
        assert_eq!(world.person("anna").delete(&path).await.is(200), json!({"changed": false}));
        for path in [CLOUD, NORTH, &format!("{CLOUD}/members"), &path] {
            world.person("nils").get(path).await.refused(404, "not_found");
        }
        world.person("nils").get("/v1/organizations/ext:other").await.is(200);
        let me = world.person("nils").get("/v1/me").await.is(200);
        assert_eq!(me["memberships"].as_array().map(Vec::len), Some(1));
        for_nobody(&world).await;
    }
}

/// M10: unknown ids are 404, not `changed: false`; one who is only not linked is no mistake of an operator's.
async fn for_nobody(world: &World) {
    for id in ["ext:nobody", "usr_01kb2y0v4tejq8vt0d7c3w4n5e", "ext:mia"] {
        world.operator().delete(&format!("{CLOUD}/members/{id}")).await.refused(404, "not_found");
        world.person("anna").delete(&format!("{NORTH}/members/{id}")).await.refused(404, "not_found");
    }
    for id in ["ext:nobody", "usr_01kb2y0v4tejq8vt0d7c3w4n5e"] {
        world.operator().delete(&format!("{NORTH}/members/{id}")).await.refused(404, "not_found");
    }
    let north = world.operator().get(NORTH).await.is(200);
    let unlinked = json!({"changed": false});
    assert_eq!(world.operator().delete(&format!("{NORTH}/members/ext:mia")).await.is(200), unlinked);
    let path = format!("/v1/users/ext:mia/accounts/{}", text(&north, "/id"));
    assert_eq!(world.operator().delete(&path).await.is(200), unlinked);
    let nowhere = format!("{CLOUD}/accounts/ext:nowhere/members/ext:mia");
    world.operator().delete(&nowhere).await.refused(404, "not_found");
}

/// M11: a user leaves by themselves; the answer shows them as former.
#[tokio::test]
async fn a_member_leaves() {
    for store in selected() {
        let world = World::on(store).await;
        let path = format!("{CLOUD}/members/ext:empty/leave");
        let left = world.person("empty").post(&path, json!({})).await.is(200);
        assert_eq!(left["status"], "former");
        world.person("empty").post(&path, json!({})).await.refused(404, "not_found");
        let back = join(&world.operator(), "cloud", "empty", on_accounts(&[("north", "viewer")])).await;
        assert_eq!(back["status"], "active");
    }
}
