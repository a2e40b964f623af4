//! Small points of the contract: what bodies take, how lists go on, what becomes of rows that are no references.

use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// T1, T2: an account is made with its traits, and its owner follows them as if they had been set later.
#[tokio::test]
async fn t2_an_account_is_made_with_traits_and_the_owner_that_they_name() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let mapping = json!({"account_owner_trait": "buyer", "organization_owner_trait": null});
        operator.put(&format!("{CLOUD}/trait-mappings"), mapping).await.is(202);
        let accounts = format!("{CLOUD}/accounts");
        let body = json!({"name": "East", "external_id": "east", "traits": {"buyer": "anna", "region": "eu", "x": null}});
        let made = operator.post(&accounts, body).await.is(201);
        assert_eq!(made["traits"], json!({"buyer": "anna", "region": "eu"}));
        assert_eq!(
            (&made["account_owner"]["state"], &made["account_owner"]["source"]),
            (&json!("resolved"), &json!("mapping"))
        );
        assert_eq!(operator.get(&format!("{accounts}/ext:east")).await.is(200), made);
        let many: serde_json::Map<String, Value> = (0..201).map(|n| (n.to_string(), json!(n))).collect();
        operator.post(&accounts, json!({"name": "Far", "traits": many})).await.refused(422, "invalid");
        operator.post(&accounts, json!({"name": "Far", "traits": 5})).await.refused(422, "invalid");
    }
}

/// A name beside somebody who exists is no contradiction, and changes nothing of theirs.
#[tokio::test]
async fn a_known_person_is_added_under_the_name_they_have() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let before = operator.get("/v1/users/ext:mia").await.is(200);
        let access = on_accounts(&[("north", "viewer")]);
        let body = json!({"user": "ext:mia", "name": "Somebody else", "access": access});
        let added = operator.post(&format!("{CLOUD}/members"), body).await.is(201);
        assert_eq!(added["name"], before["name"]);
        assert_eq!(operator.get("/v1/users/ext:mia").await.is(200), before);
        let body = json!({"user": "ext:fred", "email": "fred@example.com", "access": access});
        operator.post(&format!("{CLOUD}/members"), body).await.refused(422, "invalid");
    }
}

/// A role that exists throughout is listed exactly once, whatever is made and deleted meanwhile.
#[tokio::test]
async fn roles_go_on_from_the_last_one_shown() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let path = format!("{CLOUD}/roles");
        let mut own = Vec::new();
        for name in ["One", "Two", "Three", "Four"] {
            let body = json!({"name": name, "permissions": ["members:read"]});
            own.push(text(&operator.post(&path, body).await.is(201), "/id"));
        }
        own.sort_unstable();
        let first = operator.get(&format!("{path}?limit=6")).await.is(200);
        assert_eq!(first["data"][5]["id"], own[1].as_str());
        for gone in &own[..2] {
            operator.delete(&format!("{path}/{gone}")).await.is(204);
        }
        let next = text(&first, "/next_cursor");
        let second = operator.get(&format!("{path}?limit=6&cursor={next}")).await.is(200);
        let ids: Vec<&str> =
            second["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [own[2].as_str(), own[3].as_str()]);
        assert_eq!(second["next_cursor"], Value::Null);
        let mut rows = 0;
        let mut at = format!("{path}?limit=1");
        loop {
            let page = operator.get(&at).await.is(200);
            rows += page["data"].as_array().map_or(0, Vec::len);
            match page["next_cursor"].as_str() {
                Some(next) => at = format!("{path}?limit=1&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(rows, 6);
    }
}

/// Rows that name nobody are refused as rows: the request goes on (M2, I8).
#[tokio::test]
async fn rows_of_another_kind_are_refused_one_by_one() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let access = json!({"type": "organization", "role": "viewer"});
        let rows = json!([
            ["new@example.com", access, null, null], 5, null,
            {"email": "new@example.com", "access": access},
        ]);
        let path = format!("{CLOUD}/invitations");
        let answer = operator.post(&path, json!({"invitations": rows})).await.is(200);
        let statuses: Vec<(&str, Option<&str>)> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["status"].as_str().unwrap(), row["code"].as_str()))
            .collect();
        let invalid = ("refused", Some("invalid"));
        assert_eq!(statuses, [invalid, invalid, invalid, ("invited", None)]);
        let body = json!({"action": "deactivate", "users": [7, {"user": "ext:nils"}, "ext:vera"]});
        let job = operator.post(&format!("{CLOUD}/members/bulk"), body).await.is(202);
        assert_eq!(job["job"]["progress"]["total"], 3);
    }
}
