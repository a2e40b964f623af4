//! What an export holds of a person whom sources, traits and files speak of (rule L5).

use serde_json::{Value, json};

use crate::{Customers, selected, text};

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// Rules L5, G5, T3, T7: what an erasure would take away of what sources, traits and files have said is in the export.
#[tokio::test]
async fn l5_an_export_holds_what_sources_traits_and_files_say() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let zoe = json!({"email": "zoe-old@example.com", "external_id": "zoe-7"});
        operator.post("/v1/users", zoe).await.is(201);
        let kept = json!({"userId": "zoe-7", 
            "traits": {"email": "zoe-new@example.com", "name": "Zoe", "colour": "mauve"}});
        at.says("/v1/identify", kept).await;
        operator.patch("/v1/users/ext:zoe-7", json!({"email": "zoe-new@example.com"})).await.is(200);
        at.says("/v1/group", json!({"userId": "zoe-7", "groupId": "north"})).await;
        at.says("/v1/track", json!({"userId": "zoe-7", "event": "Opened", "context": {"groupId": "north"}}))
            .await;
        operator.delete(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        at.says("/v1/group", json!({"userId": "zoe-7", "groupId": "south"})).await;
        let waits = json!({"userId": "zoe-7", "traits": {"city": "Rome"}});
        at.sender().post("/v1/identify", waits).await.is(200);
        let invite =
            json!({"email": "zoe-old@example.com", "access": {"type": "organization", "role": "viewer"}});
        operator.post("/v1/organizations/ext:other/invitations", invite).await.is(201);
        let mapping = json!({"account_owner_trait": "ownerId"});
        operator.put("/v1/organizations/ext:other/trait-mappings", mapping).await.is(202);
        at.works_off().await;
        let west = "/v1/organizations/ext:other/accounts/ext:west";
        operator.patch(west, json!({"traits": {"ownerId": "zoe-7"}})).await.is(200);
        let bulk = json!({"action": "deactivate", "users": ["ext:zoe-7"]});
        operator.post("/v1/organizations/ext:other/members/bulk", bulk).await.is(202);

        let export = operator.get("/v1/users/ext:zoe-7/export").await.is(200);
        let by_name = |name: &str| {
            let all = export["organizations"].as_array().unwrap();
            all.iter()
                .find(|it| it["organization"]["name"] == name)
                .unwrap_or_else(|| panic!("{export}"))
                .clone()
        };
        let (cloud, other) = (by_name("cloud"), by_name("other"));
        assert!(export["audit"].to_string().contains("zoe-old@example.com"), "{store}: an address they had");
        assert_eq!(export["user"]["email"], "zoe-new@example.com");
        assert!(export["trait_times"]["colour"].is_string(), "{export}");
        let said = &export["said_names"];
        assert_eq!((&said[0]["name"], &said[0]["source"]), (&json!("Zoe"), &json!(at.source)), "{export}");
        let events: Vec<String> =
            cloud["activity"].as_array().unwrap().iter().map(|row| text(row, "/event")).collect();
        assert!(events.contains(&"Opened".to_owned()), "{cloud}");
        assert!(cloud["presence"]["last_seen_at"].is_string());
        assert_eq!(other["member"], Value::Null, "{store}: they never were there");
        assert_eq!(other["invitations"][0]["email"], "zoe-old@example.com");
        assert_eq!(other["posts_awaited"][0]["type"], "account_owner");
        assert_eq!(other["job_items"][0]["item"], "ext:zoe-7");
        let messages = export["messages"].as_array().unwrap();
        let dead: Vec<&Value> = messages.iter().filter(|it| !it["reason"].is_null()).collect();
        assert_eq!((dead.len(), &dead[0]["payload"]["groupId"]), (1, &json!("south")), "{messages:?}");
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages.iter().any(|it| it["payload"]["traits"]["city"] == "Rome"), "{messages:?}");
        at.applied().await;
        at.is_clean().await;
    }
}

/// Rules L5, L8: an address has changed hands. What is said to whoever has it now, and what they accepted under it, is in
/// their export and in nobody else's.
#[tokio::test]
async fn l5_an_export_holds_nothing_of_whoever_has_an_address_now() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let make = async |email: &str, external: &str| {
            let body = json!({"email": email, "external_id": external});
            text(&operator.post("/v1/users", body).await.is(201), "/id")
        };
        make("desk@example.com", "zoe-7").await;
        operator.patch("/v1/users/ext:zoe-7", json!({"email": "zoe-new@example.com"})).await.is(200);
        let bob = make("desk@example.com", "bob-8").await;
        let invite =
            json!({"email": "desk@example.com", "access": {"type": "organization", "role": "viewer"}});
        let invitations = "/v1/organizations/ext:other/invitations";
        let invitation = text(&operator.post(invitations, invite).await.is(201), "/id");
        let waits = json!({"userId": "bob-8", "traits": {"email": "desk@example.com"}});
        at.sender().post("/v1/identify", waits).await.is(200);
        let export = async |user: &str| operator.get(&format!("/v1/users/ext:{user}/export")).await.is(200);
        let (zoe, theirs) = (export("zoe-7").await, export("bob-8").await);
        assert_eq!((&zoe["organizations"], &zoe["messages"]), (&json!([]), &json!([])), "{store}");
        assert_eq!(theirs["organizations"][0]["invitations"][0]["id"], json!(invitation), "{store}");
        assert_eq!(theirs["messages"].as_array().map(Vec::len), Some(1), "{store}: {theirs}");
        at.applied().await;

        let link = operator.get(&format!("{invitations}/{invitation}/link")).await.is(200);
        let token = text(&link, "/url").rsplit('/').next().unwrap().to_owned();
        let accept = format!("/v1/invitations/{token}/accept");
        at.service().user(&bob).post(&accept, json!({})).await.is(200);
        // Nobody has the address any more, and Bob has accepted under it.
        operator.patch("/v1/users/ext:bob-8", json!({"email": "bob-new@example.com"})).await.is(200);
        let (zoe, theirs) = (export("zoe-7").await, export("bob-8").await);
        assert_eq!(zoe["organizations"], json!([]), "{store}");
        assert_eq!(theirs["organizations"][0]["invitations"][0]["id"], json!(invitation), "{store}");
        at.is_clean().await;
    }
}
