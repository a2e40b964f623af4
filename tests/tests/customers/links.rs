//! Who belongs to which account, as sources say (rules G2, G3, G6, G7, M9, M10, O2).

use roster_core::store::Clock as _;
use serde_json::{Value, json};

use crate::{Customers, selected, text};

#[tokio::test]
async fn g2_a_group_makes_the_account_and_links_the_user_and_assign_false_unlinks() {
    for store in selected() {
        let at = Customers::on(store).await;
        let traits = json!({"email": "zoe@example.com", "name": "Zoe", "plan": "pro"});
        at.says("/v1/identify", json!({"userId": "zoe", "traits": traits})).await;
        let zoe = at.user("zoe").await.is(200);
        assert_eq!((&zoe["email"], &zoe["name"]), (&json!("zoe@example.com"), &json!("Zoe")));
        assert_eq!(zoe["traits"]["plan"], json!("pro"));
        let group = json!({"userId": "zoe", "groupId": "delta", "traits": {"name": "Delta", "remove": true}});
        at.says("/segment/v1/group", group).await;
        let delta = at.account("delta").await;
        assert_eq!((&delta["name"], &delta["traits"]["remove"]), (&json!("Delta"), &json!(true)));
        assert_eq!(at.role("zoe", "delta").await, json!("member"));
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "delta", "assign": "false"})).await;
        assert_eq!(at.role("zoe", "delta").await, json!("member"), "only JSON false unlinks");
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "delta", "assign": false})).await;
        assert_eq!(at.role("zoe", "delta").await, Value::Null);
        let member = at.world.operator().get("/v1/organizations/ext:cloud/members/ext:zoe").await.is(200);
        assert_eq!(member["status"], json!("active"), "M1: they stay a member without access");
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "delta"})).await;
        assert_eq!(
            at.role("zoe", "delta").await,
            json!("member"),
            "M9: a source re-links what a source unlinked"
        );
        assert_eq!(at.dead().await, [""; 0]);
        at.is_clean().await;
    }
}

#[tokio::test]
async fn g2_identify_with_a_company_links_and_unlinks_exactly_that_pair() {
    for store in selected() {
        let at = Customers::on(store).await;
        for id in ["north", "south"] {
            let company = json!({"id": id, "industry": "tea"});
            at.says("/v1/identify", json!({"userId": "zoe", "traits": {"company": company}})).await;
        }
        assert_eq!(at.account("south").await["traits"], json!({"industry": "tea"}));
        for remove in [json!("true"), json!(1), json!(false)] {
            let company = json!({"id": "north", "remove": remove});
            at.says("/v1/identify", json!({"userId": "zoe", "traits": {"company": company}})).await;
            assert_eq!(at.role("zoe", "north").await, json!("member"), "only JSON true removes");
        }
        let company = json!({"id": "north", "remove": true});
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"company": company}})).await;
        assert_eq!(at.role("zoe", "north").await, Value::Null);
        assert_eq!(at.role("zoe", "south").await, json!("member"));
    }
}

#[tokio::test]
async fn g3_link_and_unlink_need_something_to_be_told_apart_by() {
    for store in selected() {
        let at = Customers::on(store).await;
        let pair = json!({"userId": "zoe", "accountId": "north"});
        for path in ["/analytics/v1/link", "/analytics/v1/unlink"] {
            at.sender().post(path, pair.clone()).await.refused(400, "malformed");
            at.sender()
                .post(path, json!({"userId": "zoe", "messageId": "m"}))
                .await
                .refused(400, "malformed");
        }
        let with = |name: &str, value: &str| {
            let mut body = pair.clone();
            body[name] = value.into();
            body
        };
        at.says("/analytics/v1/link", with("messageId", "m-1")).await;
        assert_eq!(at.role("zoe", "north").await, json!("member"));
        let now = at.world.test().clock.now().plus_seconds(1).to_string();
        at.world.test().clock.advance_seconds(5);
        at.says("/analytics/v1/unlink", with("timestamp", &now)).await;
        assert_eq!(at.role("zoe", "north").await, Value::Null);
        // M10: once more changes nothing.
        at.says("/analytics/v1/unlink", with("messageId", "m-3")).await;
        assert_eq!(at.dead().await, [""; 0]);
        for (user, account, reason) in
            [("nobody", "north", "user_not_found"), ("zoe", "nowhere", "account_not_found")]
        {
            let body =
                json!({"userId": user, "accountId": account, "messageId": format!("{user} {account}")});
            at.says("/analytics/v1/unlink", body).await;
            assert!(at.dead().await.contains(&reason.to_owned()), "{reason}");
        }
    }
}

#[tokio::test]
async fn g6_a_source_changes_no_role_and_never_touches_the_owner() {
    for store in selected() {
        let at = Customers::on(store).await;
        for person in ["olga", "anna", "nora", "nils"] {
            let traits = json!({"role": "owner", "owner": true, "status": "suspended", "seats": 1});
            at.says("/v1/identify", json!({"userId": person, "traits": traits})).await;
            at.says(
                "/v1/group",
                json!({"userId": person, "groupId": "north", "traits": {"status": "archived"}}),
            )
            .await;
        }
        let roles = [("olga", "owner"), ("anna", "admin"), ("nora", "admin"), ("nils", "member")];
        for (person, role) in roles {
            assert_eq!(at.role(person, "north").await, json!(role), "{person}");
        }
        assert_eq!(at.account("north").await["status"], json!("active"));
        let leave = |person: &str| json!({"userId": person, "groupId": "north", "assign": false});
        at.says("/v1/group", leave("olga")).await;
        at.says("/v1/group", leave("anna")).await;
        assert_eq!(at.dead().await, ["implicit_access", "owner_must_transfer"]);
        let cloud = at.world.operator().get("/v1/organizations/ext:cloud").await.is(200);
        assert_eq!(text(&cloud, "/owner/email"), "olga@example.com");
        at.is_clean().await;
    }
}

#[tokio::test]
async fn m9_who_was_removed_by_hand_stays_out_until_somebody_brings_them_back() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let group = |n: u32| json!({"userId": "nils", "groupId": "south", "messageId": format!("m-{n}")});
        let on_south = "/v1/organizations/ext:cloud/accounts/ext:south/members/ext:nils";
        operator.delete(on_south).await.is(200);
        at.says("/v1/group", group(1)).await;
        assert_eq!(at.role("nils", "south").await, Value::Null);
        assert_eq!(at.dead().await, ["removed_by_hand"]);
        assert_eq!(at.role("nils", "north").await, json!("member"), "other accounts are theirs");
        // Replayed, it stays what it is.
        assert_eq!(at.replayed().await, json!(1));
        assert_eq!(at.dead().await, ["removed_by_hand"]);
        // By an explicit add they are back; the source may say so too now.
        operator.put(on_south, json!({"role": "viewer"})).await.is(201);
        at.says("/v1/group", group(2)).await;
        assert_eq!(at.role("nils", "south").await, json!("viewer"));
        // Out of the whole organization, an account where they never were is no way back either.
        operator.delete("/v1/organizations/ext:cloud/members/ext:nils").await.is(200);
        at.says("/v1/group", json!({"userId": "nils", "groupId": "brand-new"})).await;
        let member = operator.get("/v1/organizations/ext:cloud/members/ext:nils").await.is(200);
        assert_eq!(member["status"], json!("former"));
        assert_eq!(at.dead().await.len(), 2);
        at.is_clean().await;
    }
}

#[tokio::test]
async fn g7_an_archived_account_and_a_deactivated_member_do_not_come_back_by_themselves() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator.delete("/v1/organizations/ext:cloud/accounts/ext:south").await.is(200);
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "south", "traits": {"plan": "x"}})).await;
        assert_eq!(at.account("south").await["status"], json!("archived"));
        assert_eq!(at.dead().await, ["account_gone"]);
        operator.post("/v1/organizations/ext:cloud/members/ext:empty/deactivate", json!({})).await.is(200);
        at.says("/v1/group", json!({"userId": "empty", "groupId": "north"})).await;
        assert_eq!(at.dead().await, ["account_gone", "member_deactivated"]);
        // Restored, the replay brings in what waited.
        operator
            .patch("/v1/organizations/ext:cloud/accounts/ext:south", json!({"status": "active"}))
            .await
            .is(200);
        at.replayed().await;
        assert_eq!(at.role("zoe", "south").await, json!("member"));
        assert_eq!(at.dead().await, ["member_deactivated"]);
    }
}

#[tokio::test]
async fn groups_go_to_an_organization_each_or_to_the_one_that_a_trait_names() {
    for store in selected() {
        let at = Customers::with(store, json!({"to": "each"})).await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "other", "traits": {"plan": "pro"}})).await;
        let other = at.world.operator().get("/v1/organizations/ext:other").await.is(200);
        assert_eq!(other["traits"], json!({"plan": "pro"}));
        let member = at.world.operator().get("/v1/organizations/ext:other/members/ext:zoe").await.is(200);
        assert_eq!(member["access"]["accounts"][0]["role"], json!("member"));
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "unheard-of"})).await;
        assert_eq!(at.dead().await, ["organization_not_found"], "nobody would own it");
        let at = Customers::with(store, json!({"to": "trait", "trait": "tenant"})).await;
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "east", "traits": {"tenant": "cloud"}}))
            .await;
        assert_eq!(at.role("zoe", "east").await, json!("member"));
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "east"})).await;
        assert_eq!(at.dead().await, ["missing_organization"]);
        let unlink = json!({"userId": "zoe", "accountId": "east", "messageId": "m"});
        at.says("/analytics/v1/unlink", unlink).await;
        assert_eq!(at.role("zoe", "east").await, Value::Null, "found among their organizations");
    }
}

#[tokio::test]
async fn s1_a_link_takes_a_seat_or_waits_as_a_dead_letter() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let used = operator.get("/v1/organizations/ext:cloud/seats").await.is(200)["used"].as_u64().unwrap();
        let seats = |purchased: u64| json!({"purchased": purchased});
        operator.patch("/v1/organizations/ext:cloud/seats", seats(used)).await.is(200);
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "north"})).await;
        assert_eq!(at.dead().await, ["no_seat"]);
        operator.patch("/v1/organizations/ext:cloud/seats", seats(used + 1)).await.is(200);
        at.replayed().await;
        assert_eq!(at.role("zoe", "north").await, json!("member"));
    }
}

/// G1: every path of the protocol, as it is and under Segment's prefix, is answered and has its effect.
#[tokio::test]
async fn g1_every_path_takes_what_it_is_for() {
    for store in selected() {
        let at = Customers::on(store).await;
        for (n, prefix) in ["/v1", "/segment/v1"].into_iter().enumerate() {
            let who = format!("p-{n}");
            let says = async |kind: &str, more: Value| {
                let mut body = json!({"userId": who});
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                at.says(&format!("{prefix}/{kind}"), body).await;
            };
            says("identify", json!({"traits": {"name": "P"}})).await;
            assert_eq!(at.user(&who).await.is(200)["name"], json!("P"), "{store}");
            says("group", json!({"groupId": "north"})).await;
            assert_eq!(at.role(&who, "north").await, json!("member"), "{store}");
            says("track", json!({"event": "Opened"})).await;
            says("page", json!({"name": "Home"})).await;
            says("screen", json!({"name": "Home"})).await;
            let activity = format!("/v1/organizations/ext:cloud/activity?user=ext:{who}&group_by=event");
            let rows = at.world.operator().get(&activity).await.is(200)["data"].clone();
            let events: Vec<String> =
                rows.as_array().unwrap().iter().map(|row| text(row, "/event")).collect();
            assert_eq!(events, ["Opened", "page", "screen"], "{store}");
            says("alias", json!({"previousId": "anna"})).await;
            assert_eq!(at.dead().await, vec!["alias_of_two_users"; n + 1], "{store}");
            at.says(
                &format!("{prefix}/batch"),
                json!({"batch": [{"type": "identify", "userId": format!("b-{n}")}]}),
            )
            .await;
            at.user(&format!("b-{n}")).await.is(200);
        }
    }
}

/// Tenant isolation: the same id of an account in two organizations is two accounts. Privilege: what traits are called gives
/// nothing.
#[tokio::test]
async fn g6_the_same_group_elsewhere_is_another_and_no_trait_is_a_right() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let groups = json!({"to": "one", "organization": "ext:other"});
        let other = operator.post("/v1/sources", json!({"name": "Other", "groups": groups})).await.is(201);
        let sender = at.service().nobody();
        let sender = sender.with("authorization", &crate::basic(&text(&other, "/write_key")));
        let group = |plan: &str| json!({"userId": "zoe", "groupId": "same", "traits": {"plan": plan}});
        at.says("/v1/group", group("pro")).await;
        sender.post("/v1/group", group("free")).await.is(200);
        at.applied().await;
        assert_eq!(at.account("same").await["traits"]["plan"], json!("pro"), "{store}");
        let there = operator.get("/v1/organizations/ext:other/accounts/ext:same").await.is(200);
        assert_eq!(there["traits"]["plan"], json!("free"), "{store}");

        let rights = json!({"role": "owner", "owner": true, "status": "suspended", "seats": 9, "admin": true,
            "email_verified": true});
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "same", "traits": rights})).await;
        at.says("/v1/identify", json!({"userId": "zoe", "traits": rights})).await;
        let zoe = at.user("zoe").await.is(200);
        assert_eq!((&zoe["traits"], &zoe["status"]), (&rights, &json!("active")), "{store}");
        assert_eq!(at.role("zoe", "same").await, json!("member"), "{store}");
        let same = at.account("same").await;
        assert_eq!((&same["status"], &same["traits"]["seats"]), (&json!("active"), &json!(9)), "{store}");
        assert_eq!(at.dead().await, [""; 0], "{store}");

        // G7, L4: whoever was deleted does not come back by it.
        operator
            .post("/v1/organizations/ext:cloud/members/ext:zoe/delete", json!({"confirm": true}))
            .await
            .is(200);
        at.says("/v1/group", group("pro")).await;
        assert_eq!(at.dead().await, ["removed_by_hand"], "{store}");
        assert_eq!(at.role("zoe", "same").await, Value::Null, "{store}");
        at.is_clean().await;
    }
}
