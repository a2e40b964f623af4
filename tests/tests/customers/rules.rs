//! What waits for people, what sources and views refuse, and in which order (rules T3, G4, G5, X1).

use serde_json::{Value, json};

use crate::{Customers, selected, text};

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// T3: whoever comes to reach an account, by whatever act, gets what waits for them there.
#[tokio::test]
async fn t3_a_post_that_waits_resolves_by_whatever_brings_the_person_in() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let mapping = json!({"account_owner_trait": "ownerId", "organization_owner_trait": null});
        operator.put("/v1/trait-mappings", mapping).await.is(202);
        at.works_off().await;
        let north = format!("{CLOUD}/accounts/ext:north");
        let state = async || operator.get(&north).await.is(200)["account_owner"]["state"].clone();
        let names = async |who: &str| {
            operator.patch(&north, json!({"traits": {"ownerId": who}})).await.is(200);
        };
        names("nils").await;
        operator.post(&format!("{CLOUD}/members/ext:nils/deactivate"), json!({})).await.is(200);
        names("x").await;
        names("nils").await;
        assert_eq!(state().await, json!("unresolved"));
        operator.post(&format!("{CLOUD}/members/ext:nils/reactivate"), json!({})).await.is(200);
        assert_eq!(state().await, json!("resolved"), "{store}: reactivated");
        names("empty").await;
        assert_eq!(state().await, json!("unresolved"));
        let roles = json!([{"role": "viewer", "accounts": ["ext:north"]}]);
        let bulk = json!({"action": "set_access", "users": ["ext:empty"], "roles": roles});
        operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202);
        at.works_off().await;
        assert_eq!(state().await, json!("resolved"), "{store}: access given by a job");
        names("sven").await;
        assert_eq!(state().await, json!("unresolved"));
        operator.post(&format!("{CLOUD}/ownership-transfers"), json!({"to": "ext:sven"})).await.is(201);
        assert_eq!(state().await, json!("resolved"), "{store}: the new owner reaches everything");
        let member =
            json!({"email": "late@example.com", "access": {"type": "organization", "role": "viewer"}});
        let late = text(&operator.post(&format!("{CLOUD}/members"), member).await.is(201), "/user_id");
        names("late-1").await;
        assert_eq!(state().await, json!("unresolved"));
        operator.patch(&format!("/v1/users/{late}"), json!({"external_id": "late-1"})).await.is(200);
        assert_eq!(state().await, json!("resolved"), "{store}: an id given later");
        at.is_clean().await;
    }
}

#[tokio::test]
async fn g4_numbers_tell_messages_apart_and_a_letter_named_twice_is_replayed_once() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        for plan in ["free", "pro"] {
            let said = json!({"userId": "zoe", "messageId": 7, "traits": {"plan": plan}});
            at.says("/v1/identify", said).await;
        }
        assert_eq!(at.user("zoe").await.is(200)["traits"]["plan"], json!("free"), "{store}");
        at.says("/v1/alias", json!({"userId": "anna", "previousId": "max"})).await;
        let letters = format!("/v1/sources/{}/dead-letters", at.source);
        let id = operator.get(&letters).await.is(200)["data"][0]["id"].clone();
        let twice = json!({"ids": [id, id]});
        assert_eq!(operator.post(&format!("{letters}/replay"), twice).await.is(200)["replayed"], json!(1));
        at.applied().await;
        assert_eq!(at.dead().await, ["alias_of_two_users"], "{store}");
    }
}

/// What is malformed comes before what is not there, and that before who may.
#[tokio::test]
async fn what_operators_alone_may_is_refused_in_the_order_of_everything() {
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, anna) = (at.world.operator(), at.world.person("anna"));
        let other = "01kb2y0v4tejq8vt0d7c3w4n5e";
        let view = json!({"name": "All", "kind": "accounts"});
        let view = text(&operator.post("/v1/views", view).await.is(201), "/id");
        let made = json!({"name": "All", "view_id": view});
        let indicator = text(&operator.post("/v1/indicators", made).await.is(201), "/id");
        for (kind, prefix, own) in
            [("views", "vew", &view), ("indicators", "ind", &indicator), ("sources", "src", &at.source)]
        {
            for path in [format!("/v1/{kind}/{prefix}_{other}")] {
                anna.get(&path).await.refused(404, "not_found");
                anna.delete(&path).await.refused(404, "not_found");
                anna.patch(&path, json!({"name": "N"})).await.refused(404, "not_found");
            }
            let path = format!("/v1/{kind}/{own}");
            anna.get(&path).await.refused(403, "forbidden");
            anna.delete(&path).await.refused(403, "forbidden");
            anna.patch(&path, json!({"name": "N"})).await.refused(403, "forbidden");
        }
        let days = json!({"name": "N", "view_id": format!("vew_{other}"), "holds_for_days": 400});
        anna.post("/v1/indicators", days).await.refused(422, "invalid");
        let unseen = json!({"name": "N", "view_id": format!("vew_{other}")});
        anna.post("/v1/indicators", unseen).await.refused(404, "not_found");
        let filter = json!({"filter": {"field": "nope", "op": "eq", "value": 1}});
        anna.patch(&format!("/v1/views/vew_{other}"), filter).await.refused(422, "invalid");
        anna.post("/v1/sources", json!({"name": "N", "groups": {"to": "one"}})).await.refused(422, "invalid");
        let hidden = json!({"to": "one", "organization": "ext:other"});
        anna.post("/v1/sources", json!({"name": "N", "groups": hidden})).await.refused(404, "not_found");
        let own = json!({"to": "one", "organization": "ext:cloud"});
        anna.post("/v1/sources", json!({"name": "N", "groups": own})).await.refused(403, "forbidden");
        anna.get(&format!("/v1/sources/src_{other}/dead-letters")).await.refused(404, "not_found");
        anna.get(&format!("/v1/sources/{}/dead-letters", at.source)).await.refused(403, "forbidden");
        let role = json!({"name": "N", "groups": own, "default_role": format!("rol_{other}")});
        operator.post("/v1/sources", role).await.refused(404, "not_found");
        let role = json!({"default_role": format!("rol_{other}")});
        operator.patch(&format!("/v1/sources/{}", at.source), role).await.refused(404, "not_found");
    }
}

/// X1: what changes is in the log, a title too.
#[tokio::test]
async fn x1_a_new_title_of_a_record_shows_in_the_log() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        for title in ["First", "Second"] {
            let body = json!({"owner": "ext:nils", "title": title});
            operator.put(&format!("{CLOUD}/records/deal/1"), body).await;
        }
        let audit = operator.get(&format!("{CLOUD}/audit?action=record.reassigned")).await.is(200);
        let row = &audit["data"][0];
        assert_eq!((&row["before"]["title"], &row["after"]["title"]), (&json!("First"), &json!("Second")));
        assert_eq!(row["before"]["owner"], row["after"]["owner"]);
        let bulk: Value = operator.get(&format!("{CLOUD}/records/deal/1")).await.is(200);
        assert_eq!(bulk["title"], json!("Second"), "{store}");
    }
}
