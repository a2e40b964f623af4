//! Sources: made, shown, changed, deleted; who may.

use roster_core::home::Home;
use roster_core::stop::Stop;
use serde_json::{Value, json};

use crate::tenants::each;
use crate::{Customers, basic, drain, selected, text};

#[tokio::test]
async fn a_source_is_made_shown_changed_and_deleted_by_operators() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let path = format!("/v1/sources/{}", at.source);
        assert!(at.key.starts_with("rkw_"));
        let shown = operator.get(&path).await.is(200);
        assert_eq!(shown["default_role"], json!("member"));
        assert_eq!(shown["groups"]["to"], json!("one"));
        assert_eq!(shown.get("write_key"), None);
        let listed = operator.get("/v1/sources").await.is(200);
        assert_eq!(listed["data"], json!([shown]));
        let change = json!({"default_role": "viewer", "events": {"message_sent": ["Mailed"]}});
        let changed = operator.patch(&path, change).await.is(200);
        assert_eq!(changed["default_role"], json!("viewer"));
        assert_eq!(changed["events"]["message_sent"], json!(["Mailed"]));
        assert_eq!(changed["events"]["message_received"], shown["events"]["message_received"]);
        let audit = operator.get("/v1/audit?action=source.updated").await.is(200)["data"][0].clone();
        assert_eq!(audit["before"]["events"], shown["events"], "X1");
        assert_eq!(audit["after"]["events"]["message_sent"], json!(["Mailed"]), "X1");
        at.world.person("anna").get(&path).await.refused(403, "forbidden");
        operator.delete(&path).await.is(204);
        operator.get(&path).await.refused(404, "not_found");
        at.sender().post("/v1/identify", json!({"userId": "zoe"})).await.refused(401, "unauthenticated");
    }
}

/// Rule G5: what a source sent and counted goes with it, for nobody could read or replay it any more.
#[tokio::test]
async fn a_deleted_source_leaves_nothing_behind() {
    for store in selected() {
        let at = Customers::making(store, each()).await;
        let told = json!([
            {"type": "group", "userId": "zoe", "groupId": "acme", "messageId": "1"},
            {"type": "alias", "userId": "anna", "previousId": "max", "messageId": "2"},
        ]);
        at.says("/v1/batch", json!({ "batch": told })).await;
        assert_eq!(at.dead().await, ["alias_of_two_users"], "{store}");
        at.sender().post("/v1/identify", json!({"userId": "yan"})).await.is(200);
        let kept = async || {
            let homes = at.service().roster.store.homes(None, 1_000).await.unwrap();
            homes.into_iter().filter(|home| matches!(home, Home::Stream(..))).count()
        };
        drain(&at.service().roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(kept().await, 4, "{store}: the inbox with what was counted, the letter, two messages");
        at.world.operator().delete(&format!("/v1/sources/{}", at.source)).await.is(204);
        drain(&at.service().roster).forget(&Stop::default()).await.unwrap();
        assert_eq!(kept().await, 0, "{store}");
        at.applied().await;
        at.world.operator().get("/v1/users/ext:yan").await.refused(404, "not_found");
        at.is_clean().await;
    }
}

/// Rules G6, O6: nobody becomes the owner by a source.
#[tokio::test]
async fn g6_a_source_is_refused_what_it_cannot_be() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let make = async |more: Value| {
            let mut body = json!({"name": "Other", "groups": {"to": "each"}});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            operator.post("/v1/sources", body).await
        };
        make(json!({"default_role": "owner"})).await.refused(403, "owner_by_transfer_only");
        for groups in [
            json!({"to": "one"}),
            json!({"to": "each", "organization": "ext:cloud"}),
            json!({"to": "trait"}),
            json!({"to": "many"}),
            json!({"to": "each", "more": 1}),
        ] {
            make(json!({ "groups": groups })).await.refused(422, "invalid");
        }
        let nowhere = json!({"groups": {"to": "one", "organization": "ext:nowhere"}});
        make(nowhere).await.refused(404, "not_found");
    }
}

/// Rules P2, G5, G6: a role that is gone, or that another took the place of, is given to nobody whom a source brings; told so,
/// its operator names another, and who waited comes in.
#[tokio::test]
async fn p2_a_source_gives_no_role_that_is_gone() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let path = format!("/v1/sources/{}", at.source);
        let desk = json!({"name": "Desk", "permissions": ["members:read"]});
        let roles = "/v1/organizations/ext:cloud/roles";
        let desk = text(&operator.post(roles, desk).await.is(201), "/id");
        operator.patch(&path, json!({"default_role": desk})).await.is(200);
        let joins = |user: &str| json!({"userId": user, "groupId": "north", "messageId": user});
        at.says("/v1/group", joins("zoe")).await;
        assert_eq!(at.role("zoe", "north").await, json!(desk), "{store}");
        operator.delete(&format!("{roles}/{desk}?replace_with=viewer")).await.is(204);
        at.says("/v1/group", joins("yan")).await;
        assert_eq!(
            (at.role("yan", "north").await, at.dead().await),
            (Value::Null, vec!["not_found".to_owned()])
        );
        assert_eq!(at.role("zoe", "north").await, json!("viewer"), "{store}");
        operator.patch(&path, json!({"default_role": "viewer"})).await.is(200);
        assert_eq!(at.replayed_at_once().await, json!(1), "{store}");
        assert_eq!(
            (at.role("yan", "north").await, at.dead().await),
            (json!("viewer"), Vec::new()),
            "{store}"
        );
        at.is_clean().await;
    }
}

/// A write key opens nothing but what takes events, and nothing else opens that.
#[tokio::test]
async fn a_write_key_and_others_are_not_taken_for_each_other() {
    for store in selected() {
        let at = Customers::on(store).await;
        let service = at.service();
        service.bearer(&at.key).get("/v1/organizations").await.refused(401, "unauthenticated");
        service
            .bearer(&at.key)
            .post("/v1/identify", json!({"userId": "a"}))
            .await
            .refused(401, "unauthenticated");
        service.operator().post("/v1/identify", json!({"userId": "a"})).await.refused(401, "unauthenticated");
        service.nobody().post("/v1/batch", json!({"batch": []})).await.refused(401, "unauthenticated");
        let wrong = service.nobody().with("authorization", &basic(&at.world.admin_key));
        wrong.post("/v1/track", json!({})).await.refused(401, "unauthenticated");
        // As Segment's libraries for browsers and phones say who they are.
        let nobody = service.nobody();
        let keyed = |key: &str| json!({"userId": "zoe", "groupId": "gone", "writeKey": key, "assign": false});
        assert_eq!(nobody.post("/v1/group", keyed(&at.key)).await.is(200), json!({"success": true}));
        let batch = json!({
            "batch": [{"type": "identify", "userId": "zoe", "writeKey": &at.key}], "writeKey": &at.key,
        });
        nobody.post("/segment/v1/batch", batch.clone()).await.is(200);
        at.applied().await;
        assert_eq!(at.user("zoe").await.is(200)["external_id"], json!("zoe"));
        let path = format!("/v1/sources/{}/dead-letters", at.source);
        let letters = service.operator().get(&path).await.is(200);
        assert_eq!(text(&letters, "/data/0/reason"), "user_not_found");
        assert!(
            !letters.to_string().contains("writeKey") && !letters.to_string().contains(&at.key),
            "{letters}"
        );
        // Nor of what cannot be read as it is: its numbers, its text, its depth, a name.
        let (deep, key) = (format!("{}{}", "[".repeat(200), "]".repeat(200)), &at.key);
        let unread = ["1e999", r#""\ud83d""#, &deep]
            .map(|it| format!(r#"{{"userId":"zoe","writeKey":"{key}","traits":{it}}}"#))
            .join(",");
        let body = format!(r#"{{"batch":[{unread},{{"\ud83d":1,"writeKey":"{key}"}}],"writeKey":"{key}"}}"#);
        nobody.send(http::Method::POST, "/v1/batch", body.into()).await.is(200);
        at.applied().await;
        let letters = service.operator().get(&path).await.is(200);
        assert_eq!(letters["data"].as_array().unwrap().len(), 5, "{letters}");
        assert!(letters.to_string().contains("1e999"), "the rest is kept: {letters}");
        assert!(
            !letters.to_string().contains("writeKey") && !letters.to_string().contains(key.as_str()),
            "{letters}"
        );
        nobody.post("/v1/group", keyed(&at.world.admin_key)).await.refused(401, "unauthenticated");
        nobody.post("/v1/batch", json!([at.key])).await.refused(401, "unauthenticated");
        nobody.on_behalf_of("ext:anna").post("/v1/group", keyed(&at.key)).await.refused(422, "invalid");
        // The header counts where there is one.
        wrong.post("/v1/batch", batch).await.refused(401, "unauthenticated");
        let audit = service.operator().get("/v1/audit?action=source.created").await.is(200);
        assert_eq!(text(&audit, "/data/0/target/id"), at.source);
    }
}

/// Conventions: a write key speaks for its source only.
#[tokio::test]
async fn a_write_key_acts_for_nobody() {
    for store in selected() {
        let at = Customers::on(store).await;
        let sender = at.sender().on_behalf_of("ext:anna");
        for path in ["/v1/identify", "/segment/v1/identify"] {
            sender.post(path, json!({"userId": "zoe"})).await.refused(422, "invalid");
        }
        let nobody = at.service().nobody().with("authorization", &basic("rkw_x")).on_behalf_of("ext:anna");
        nobody.post("/v1/identify", json!({"userId": "zoe"})).await.refused(401, "unauthenticated");
    }
}
