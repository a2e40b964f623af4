//! A source whose groups all lie in one organization does nothing to people who are in others only (rule G6, tenant
//! isolation), and loses nothing of what it says of them.

use roster_tests::http::Caller;
use serde_json::{Value, json};

use crate::{Customers, basic, selected, text};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const OTHER: &str = "/v1/organizations/ext:other";

/// What there is of somebody, wherever it is.
async fn all_of(at: &Customers, user: &str) -> Value {
    let operator = at.world.operator();
    let shown = operator.get(&format!("/v1/users/{user}")).await.is(200);
    let accounts = operator.get(&format!("/v1/users/{user}/accounts")).await.is(200);
    let mut export = operator.get(&format!("/v1/users/{user}/export")).await.is(200);
    // The letters that name them.
    export.as_object_mut().unwrap().remove("messages");
    json!([shown, accounts, export])
}

async fn joins(operator: &Caller<'_>, organization: &str, mut who: Value) {
    who["access"] = json!({"type": "accounts", "accounts": []});
    operator.post(&format!("{organization}/members"), who).await.is(201);
}

fn waits(n: usize) -> Vec<String> {
    vec!["user_elsewhere".to_owned(); n]
}

/// By each way, alone and after each other. What is said of the account counts; and once she has come, all the rest.
#[tokio::test]
async fn g6_a_source_of_one_organization_reaches_nobody_who_is_in_others_only() {
    let company = |remove: bool| json!({"id": "north", "remove": remove});
    let ways = [
        ("/v1/identify", json!({"traits": {"name": "Evil", "email": "evil@x.test", "tier": "pro"}})),
        ("/v1/identify", json!({"traits": {"name": "Evil", "company": company(false)}})),
        ("/v1/identify", json!({"traits": {"name": "Evil", "company": company(true)}})),
        ("/v1/group", json!({"groupId": "north", "traits": {"plan": "pro"}})),
        ("/v1/group", json!({"groupId": "north", "assign": false})),
        ("/analytics/v1/link", json!({"accountId": "north"})),
        ("/analytics/v1/unlink", json!({"accountId": "north"})),
        ("/v1/track", json!({"event": "Opened"})),
        ("/v1/page", json!({"name": "Home"})),
        ("/v1/screen", json!({"name": "Home"})),
        ("/v1/alias", json!({"previousId": "otto"})),
        ("/v1/identify", json!({"traits": {"name": "Mia M."}})),
    ];
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let before = all_of(&at, "ext:mia").await;
        for (n, (path, said)) in ways.iter().enumerate() {
            let mut said = said.clone();
            (said["userId"], said["messageId"]) = (json!("mia"), json!(format!("m-{n}")));
            at.says(path, said.clone()).await;
            assert_eq!(at.dead().await.len(), n + 1, "{store}: {path} {said}");
            assert_eq!(all_of(&at, "ext:mia").await, before, "{store}: {path} {said}");
            operator.get(&format!("{CLOUD}/members/ext:mia")).await.refused(404, "not_found");
        }
        let activity = format!("{CLOUD}/activity?group_by=user");
        assert_eq!(operator.get(&activity).await.is(200)["data"], json!([]), "{store}");
        assert_eq!(at.dead().await, [vec!["alias_of_two_users".to_owned()], waits(11)].concat(), "{store}");
        assert_eq!(at.account("north").await["traits"]["plan"], "pro", "{store}: of the account");

        joins(&operator, CLOUD, json!({"user": "ext:mia"})).await;
        at.replayed().await;
        assert_eq!(at.dead().await, ["alias_of_two_users"], "{store}");
        let mia = at.user("mia").await.is(200);
        assert_eq!((&mia["name"], &mia["traits"]["tier"]), (&json!("Mia M."), &json!("pro")), "{store}");
        assert_eq!(operator.get(&activity).await.is(200)["data"][0]["count"], json!(3), "{store}");
        at.is_clean().await;
    }
}

/// Whom nobody has, whoever was here and is nowhere, and whom a source means whose groups may be anywhere.
#[tokio::test]
async fn g6_a_source_reaches_whom_nobody_else_has() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator.post("/v1/users", json!({"external_id": "new"})).await.is(201);
        let tier = async |user: &str, tier: &str| {
            at.says("/v1/identify", json!({"userId": user, "traits": {"tier": tier}})).await;
            at.user(user).await.is(200)["traits"]["tier"].clone()
        };
        for said in ["free", "pro"] {
            assert_eq!(tier("new", said).await, said, "{store}: nobody's yet");
        }
        assert_eq!(tier("fred", "pro").await, "pro", "{store}: was here");
        joins(&operator, OTHER, json!({"user": "ext:fred"})).await;
        assert_eq!(tier("fred", "free").await, "pro", "{store}: is elsewhere now");
        operator.delete(&format!("{OTHER}/members/ext:fred")).await.is(200);
        assert_eq!(tier("fred", "last").await, "last", "{store}: is nowhere");
        let made =
            operator.post("/v1/sources", json!({"name": "All", "groups": {"to": "each"}})).await.is(201);
        let sender = at.service().nobody().with("authorization", &basic(&text(&made, "/write_key")));
        sender.post("/v1/identify", json!({"userId": "otto", "traits": {"tier": "pro"}})).await.is(200);
        at.applied().await;
        assert_eq!(at.user("otto").await.is(200)["traits"]["tier"], "pro", "{store}: any may be its group");
        assert_eq!(at.dead().await, waits(1), "{store}");
        at.is_clean().await;
    }
}

/// Somebody who is known elsewhere by their address only is not made a second time by what follows, and all that was said is
/// theirs once they have come, in whatever order it is said again.
#[tokio::test]
async fn g6_somebody_who_is_known_elsewhere_by_address_is_one_person() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        joins(&operator, OTHER, json!({"email": "bert@x.test"})).await;
        let found = operator.get("/v1/users?q=bert").await.is(200);
        let bert = text(&found, "/data/0/id");
        let before = all_of(&at, &bert).await;
        let batch = json!([
            {"type": "identify", "userId": "hers", "traits": {"email": "Bert@X.test", "tier": "pro"}},
            {"type": "group", "userId": "hers", "groupId": "north"},
            {"type": "track", "userId": "hers", "event": "Opened"},
            {"type": "identify", "userId": "hers", "traits": {"city": "Rome"}},
            {"type": "identify", "userId": "mia-2", "traits": {"email": "mia@example.com"}},
            {"type": "group", "userId": "mia-2", "groupId": "north"},
        ]);
        at.says("/v1/batch", json!({ "batch": batch })).await;
        let link = json!({"userId": "hers", "accountId": "south", "messageId": "l"});
        at.says("/analytics/v1/link", link).await;
        for id in ["hers", "mia-2"] {
            at.user(id).await.refused(404, "not_found");
        }
        assert_eq!(all_of(&at, &bert).await, before, "{store}");
        assert_eq!(at.dead().await, waits(7), "{store}");

        joins(&operator, CLOUD, json!({"email": "bert@x.test"})).await;
        joins(&operator, CLOUD, json!({"user": "ext:mia"})).await;
        at.says("/v1/track", json!({"userId": "hers", "event": "Closed"})).await;
        assert_eq!(at.user("hers").await.is(200)["id"], json!(bert), "{store}: by what is said next");
        at.replayed().await;
        let hers = at.user("hers").await.is(200);
        assert_eq!((&hers["id"], &hers["email"]), (&json!(bert), &json!("bert@x.test")), "{store}");
        let traits = &hers["traits"];
        assert_eq!((&traits["tier"], &traits["city"]), (&json!("pro"), &json!("Rome")), "{store}");
        for account in ["north", "south"] {
            assert_eq!(at.role("hers", account).await, json!("member"), "{store}");
        }
        let activity = operator.get(&format!("{CLOUD}/activity?group_by=user")).await.is(200);
        assert_eq!(activity["data"][0]["count"], json!(2), "{store}: {activity}");
        // One who bears another id keeps that.
        assert_eq!(at.dead().await, ["email_exists", "email_exists"], "{store}");
        at.user("mia-2").await.refused(404, "not_found");
        at.is_clean().await;
    }
}

/// L5: what waits under an id that somebody does not bear yet goes with them, and nobody is made of what comes later.
#[tokio::test]
async fn l5_what_waits_for_somebody_who_is_erased_goes_with_them() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        joins(&operator, OTHER, json!({"email": "bert@x.test"})).await;
        let bert = text(&operator.get("/v1/users?q=bert").await.is(200), "/data/0/id");
        let track = |user: &str| json!({"userId": user, "event": "Opened"});
        at.says("/v1/identify", json!({"userId": "hers", "traits": {"email": "bert@x.test"}})).await;
        at.says("/v1/track", track("hers")).await;
        at.says("/v1/track", track("mia")).await;
        assert_eq!(at.dead().await, waits(3), "{store}");
        at.sender().post("/v1/track", track("hers")).await.is(200);
        operator.post(&format!("/v1/users/{bert}/erase"), json!({"confirm": true})).await.is(202);
        at.works_off().await;
        at.applied().await;
        assert_eq!(at.dead().await, waits(1), "{store}: of somebody else");
        at.says("/v1/group", json!({"userId": "hers", "groupId": "brand-new"})).await;
        assert_eq!(at.dead().await, ["erased", "user_elsewhere"], "{store}");
        let freed = json!({"userId": "hers", "traits": {"email": "bert@x.test", "name": "Bert"}});
        at.says("/v1/identify", freed).await;
        assert_eq!(
            at.dead().await,
            ["erased", "erased", "user_elsewhere"],
            "{store}: not made again by the address"
        );
        at.user("hers").await.refused(404, "not_found");
        operator.get(&format!("{CLOUD}/accounts/ext:brand-new")).await.refused(404, "not_found");
        at.is_clean().await;
    }
}

/// L5, G5: an id that a source gave to another by now is theirs, and an erasure of whom it meant before takes nothing of them.
#[tokio::test]
async fn l5_an_id_that_is_another_s_by_now_is_not_taken_along() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        joins(&operator, OTHER, json!({"email": "bert@x.test"})).await;
        let bert = text(&operator.get("/v1/users?q=bert").await.is(200), "/data/0/id");
        for email in ["bert@x.test", "carl@x.test"] {
            let said = json!({"userId": "u2", "traits": {"email": email, "name": "Carl"}});
            at.says("/v1/identify", said).await;
        }
        assert_eq!(at.user("u2").await.is(200)["email"], "carl@x.test", "{store}");
        at.says("/v1/alias", json!({"userId": "u2", "previousId": "otto"})).await;
        assert_eq!(at.dead().await, ["alias_of_two_users", "user_elsewhere"], "{store}");
        operator.post(&format!("/v1/users/{bert}/erase"), json!({"confirm": true})).await.is(202);
        at.works_off().await;
        assert_eq!(at.dead().await, ["alias_of_two_users"], "{store}: the letter that names Bert goes");
        at.is_clean().await;
    }
}

/// T7, G4: what somebody did here while they were here counts, though they are elsewhere by the time it comes.
#[tokio::test]
async fn t7_what_was_done_here_counts_wherever_somebody_is_by_now() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        joins(&operator, CLOUD, json!({"external_id": "gil"})).await;
        at.world.test().clock.advance_seconds(60);
        operator.delete(&format!("{CLOUD}/members/ext:gil")).await.is(200);
        joins(&operator, OTHER, json!({"user": "ext:gil"})).await;
        at.says("/v1/track", json!({"userId": "gil", "event": "Late", "timestamp": "2026-12-31T00:00:00Z"}))
            .await;
        assert_eq!(at.dead().await, waits(0), "{store}");
        at.says("/v1/track", json!({"userId": "gil", "event": "Elsewhere"})).await;
        assert_eq!(at.dead().await, waits(1), "{store}");
        at.is_clean().await;
    }
}
