//! The trail: rules X1, P6.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const AUDIT: &str = "/v1/organizations/ext:cloud/audit?limit=200";

async fn trail(world: &World, path: &str) -> Vec<Value> {
    world.operator().get(path).await.is(200)["data"].as_array().unwrap().clone()
}

/// X1: every change is exactly one line; a refusal and what changes nothing are none.
#[tokio::test]
async fn every_change_is_one_line() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let before = trail(&world, AUDIT).await.len();
        let access = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
        let viewer = json!({"role": "viewer"});
        let north = format!("{CLOUD}/accounts/ext:north");
        operator.patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        operator.patch(CLOUD, json!({"name": "Renamed"})).await.is(200);
        operator.put(&format!("{north}/members/ext:empty"), viewer.clone()).await.is(201);
        operator.put(&format!("{north}/members/ext:empty"), viewer).await.is(200);
        operator.put(&format!("{CLOUD}/members/ext:max/access"), access.clone()).await.is(200);
        operator.put(&format!("{CLOUD}/members/ext:max/access"), access).await.is(200);
        operator.delete(&format!("{north}/members/ext:empty")).await.is(200);
        operator.delete(&format!("{north}/members/ext:empty")).await.is(200);
        operator.delete(&format!("{CLOUD}/members/ext:olga")).await.refused(409, "owner_must_transfer");
        operator.delete(&format!("{CLOUD}/members/ext:nora")).await.is(200);
        operator.delete(&format!("{CLOUD}/members/ext:nora")).await.is(200);
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": 30})).await.is(200);
        operator.delete(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        operator.delete(&north).await.refused(409, "last_account");
        let transfer = json!({"to": "ext:anna"});
        operator.post(&format!("{CLOUD}/ownership-transfers"), transfer).await.is(201);
        let rows = trail(&world, AUDIT).await.split_off(before);
        let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(
            actions,
            [
                "organization.updated",
                "member.access_changed",
                "member.access_changed",
                "member.access_changed",
                "member.removed",
                "seats.changed",
                "account.archived",
                "ownership.transferred",
            ]
        );
        let numbers: Vec<u64> = rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}

/// X1, P6: what a line says: who by whose key, what before and after, why.
#[tokio::test]
async fn a_line_says_who_did_what_to_whom() {
    for store in selected() {
        let world = World::on(store).await;
        let key = world.service.bearer(&world.admin_key).on_behalf_of("ext:anna");
        let path = format!("{CLOUD}/accounts/ext:north/members/ext:nils");
        key.with("x-request-id", "req-1").delete(&path).await.is(200);
        let line = trail(&world, AUDIT).await.pop().unwrap();
        let id = |kind: &str| line.pointer(kind).and_then(Value::as_str).unwrap().split('_').next().unwrap();
        assert_eq!(
            ["/id", "/actor/id", "/actor/via", "/target/id", "/user_id"].map(id),
            ["aud", "usr", "key", "usr", "usr"]
        );
        let nils = world.operator().get("/v1/users/ext:nils").await.is(200);
        assert_eq!((&line["user_id"], &line["target"]["id"]), (&nils["id"], &nils["id"]));
        let anna = world.operator().get("/v1/users/ext:anna").await.is(200);
        assert_eq!(line["actor"]["id"], anna["id"]);
        insta::allow_duplicates! { insta::assert_json_snapshot!(line, {
            ".id" => "aud_…", ".actor.id" => "usr_…", ".actor.via" => "key_…", ".target.id" => "usr_…",
            ".user_id" => "usr_…", ".hash" => "…", ".before.access.accounts[].account" => "acc_…",
            ".after.access.accounts[].account" => "acc_…", ".after.account" => "acc_…",
        }, @r#"
        {
          "action": "member.access_changed",
          "actor": {
            "id": "usr_…",
            "type": "user",
            "via": "key_…"
          },
          "after": {
            "access": {
              "accounts": [
                {
                  "account": "acc_…",
                  "role": "viewer"
                }
              ],
              "type": "accounts"
            },
            "account": "acc_…"
          },
          "before": {
            "access": {
              "accounts": [
                {
                  "account": "acc_…",
                  "role": "member"
                },
                {
                  "account": "acc_…",
                  "role": "viewer"
                }
              ],
              "type": "accounts"
            }
          },
          "hash": "…",
          "id": "aud_…",
          "reason": null,
          "request_id": "req-1",
          "seq": 13,
          "target": {
            "id": "usr_…",
            "type": "member"
          },
          "time": "2027-01-01T00:00:00.000Z",
          "user_id": "usr_…"
        }
        "#); }
    }
}

/// Filters by person, on the organization's trail and the deployment's.
#[tokio::test]
async fn the_trail_is_cut_to_a_person() {
    for store in selected() {
        let world = World::on(store).await;
        world
            .person("nora")
            .patch(&format!("{CLOUD}/accounts/ext:north"), json!({"name": "N"}))
            .await
            .is(200);
        let nora = text(&world.operator().get("/v1/users/ext:nora").await.is(200), "/id");
        let rows = trail(&world, &format!("{AUDIT}&user=ext:nora")).await;
        let about = |row: &Value| row["user_id"] == *nora || row["actor"]["id"] == *nora;
        assert!(rows.len() == 2 && rows.iter().all(about), "{rows:?}");
        let all = trail(&world, AUDIT).await;
        assert_eq!(all.iter().filter(|row| about(row)).count(), 2);
        world.operator().get(&format!("{AUDIT}&user=ext:nobody")).await.refused(404, "not_found");
        let own = trail(&world, "/v1/audit?limit=200&user=ext:nora").await;
        assert!(own.iter().any(|row| row["action"] == "user.created"), "{own:?}");
        world.operator().patch("/v1/users/ext:nora", json!({"name": "Nora 2"})).await.is(200);
        let after = trail(&world, "/v1/audit?limit=200&user=ext:nora").await;
        assert_eq!(after.len(), own.len() + 1);
        world.person("vera").get(AUDIT).await.refused(403, "forbidden");
        world.person("nora").get(AUDIT).await.refused(403, "forbidden");
        world.person("mia").get(AUDIT).await.refused(404, "not_found");
    }
}
