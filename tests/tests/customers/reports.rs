//! Reports, views and indicators (rules T5, T6).

use std::sync::Arc;

use roster_core::feed::sweep_once;
use roster_core::home::{Home, Record};
use roster_core::jobs::Worker;
use roster_core::model::customer::Customer;
use roster_core::watch::watch_once;
use serde_json::{Value, json};

use crate::{Customers, selected, text};

/// Accounts of `ext:cloud` with owners: north's was seen, south's never, east has none.
async fn world(store: &str) -> Customers {
    let at = Customers::on(store).await;
    let operator = at.world.operator();
    operator.put("/v1/trait-mappings", json!({"account_owner_trait": "ownerId"})).await.is(202);
    Worker::new(at.service().roster.clone(), Arc::default()).work_off().await.unwrap();
    for (account, owner, plan) in [("north", "nils", "pro"), ("south", "sven", "free"), ("east", "", "pro")] {
        let traits = json!({"ownerId": owner, "plan": plan});
        at.says("/v1/group", json!({"anonymousId": "cron", "groupId": account, "traits": traits})).await;
    }
    at.says("/v1/track", json!({"userId": "nils", "event": "Message Received", "messageId": "1"})).await;
    at
}

async fn names(at: &Customers, body: Value) -> Vec<String> {
    let mut body = body;
    body["columns"] = json!(["external_id", "owner.email", "owner.sessions", "owner.last_seen_at"]);
    let page = at.world.operator().post("/v1/reports/accounts", body).await.is(200);
    page["data"].as_array().unwrap().iter().map(|row| text(row, "/external_id")).collect()
}

#[tokio::test]
async fn t5_a_report_filters_and_sorts_by_every_column() {
    for store in selected() {
        let at = world(store).await;
        at.world.test().clock.advance_seconds(8 * 86_400);
        let cloud = |more: Value| json!({"and": [{"field": "organization.external_id", "op": "eq", "value": "cloud"}, more]});
        let test = |field: &str, op: &str, value: Value| {
            let mut test = json!({"field": field, "op": op});
            if !value.is_null() {
                test["value"] = value;
            }
            test
        };
        for (filter, expected) in [
            (test("owner.last_seen_at", "before", json!("-7d")), vec!["north"]),
            (test("owner.last_seen_at", "before", json!("-9d")), vec![]),
            (test("owner.last_seen_at", "missing", Value::Null), vec!["east", "south"]),
            (test("owner", "missing", Value::Null), vec!["east"]),
            (test("owner.sessions", "eq", json!(0)), vec!["south"]),
            (test("owner.email", "starts_with", json!("NILS@")), vec!["north"]),
            (test("owner.last_message_received_at", "exists", Value::Null), vec!["north"]),
            (test("traits.plan", "in", json!(["pro", "x"])), vec!["east", "north"]),
            (json!({"not": test("traits.plan", "eq", json!("pro"))}), vec!["south"]),
        ] {
            let body = json!({"filter": cloud(filter.clone()), "sort": ["external_id"]});
            assert_eq!(names(&at, body).await, expected, "{store} {filter}");
        }
        let sorted = json!({"filter": cloud(json!({"and": []})), "sort": ["-traits.plan", "external_id"]});
        assert_eq!(names(&at, sorted).await, ["east", "north", "south"]);
        // Page by page, each row once.
        let operator = at.world.operator();
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let body =
                json!({"columns": ["external_id"], "sort": ["-external_id"], "limit": 1, "cursor": cursor});
            let page = operator.post("/v1/reports/accounts", body).await.is(200);
            seen.extend(page["data"].as_array().unwrap().iter().map(|row| text(row, "/external_id")));
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(seen, ["west", "south", "north", "east"]);
        let csv = operator.clone().with("accept", "text/csv");
        let body = json!({"columns": ["external_id", "traits.plan"], "sort": ["external_id"], "limit": 1});
        assert_eq!(
            csv.post("/v1/reports/accounts", body).await.text,
            "external_id,traits.plan\r\neast,pro\r\n"
        );
        // Page by page as CSV, by the header that says where the next begins.
        let (mut pages, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let body =
                json!({"columns": ["external_id"], "sort": ["external_id"], "limit": 3, "cursor": cursor});
            let page = csv.post("/v1/reports/accounts", body).await;
            pages.push(page.text.clone());
            match page.header("roster-next-cursor") {
                Some(next) => cursor = json!(next),
                None => break,
            }
        }
        assert_eq!(pages, ["external_id\r\neast\r\nnorth\r\nsouth\r\n", "external_id\r\nwest\r\n"]);
        let organizations =
            json!({"columns": ["external_id", "seats.used", "accounts", "members"], "sort": ["external_id"]});
        let page = operator.post("/v1/reports/organizations", organizations).await.is(200);
        assert_eq!(
            page["data"][1],
            json!({"external_id": "other", "seats.used": 2, "accounts": 1, "members": 2})
        );
    }
}

#[tokio::test]
async fn t5_others_see_their_own_and_what_does_not_fit_is_pointed_at() {
    for store in selected() {
        let at = world(store).await;
        let all = json!({"columns": ["external_id"], "sort": ["external_id"]});
        let seen = async |caller: roster_tests::http::Caller<'_>| {
            let page = caller.post("/v1/reports/accounts", all.clone()).await.is(200);
            let rows = page["data"].as_array().unwrap();
            rows.iter().map(|row| text(row, "/external_id")).collect::<Vec<_>>()
        };
        assert_eq!(seen(at.world.person("max")).await, ["east", "north", "south"]);
        assert_eq!(seen(at.world.person("nora")).await, ["north"]);
        assert_eq!(seen(at.service().bearer(&at.world.other_key)).await, ["west"]);
        // Seats are an organization's, not one account's.
        let seats = json!({"field": "seats.used", "op": "gt", "value": 1});
        for body in [
            json!({"columns": ["name", "seats.purchased"]}),
            json!({"columns": ["name"], "sort": ["-seats.used"]}),
            json!({"columns": ["name"], "filter": {"not": seats}}),
        ] {
            at.world
                .person("nora")
                .post("/v1/reports/accounts", body.clone())
                .await
                .refused(403, "forbidden");
            at.world.person("max").post("/v1/reports/accounts", body).await.is(200);
        }
        at.world.person("nora").post("/v1/reports/accounts", json!({})).await.is(200);
        let operator = at.world.operator();
        for (body, pointer) in [
            (json!({"filter": {"field": "nope", "op": "eq", "value": 1}}), "/filter/field"),
            (json!({"sort": ["-nope"]}), "/sort/0"),
            (json!({"columns": ["name", "slug"]}), "/columns/1"),
            (json!({"limit": 0}), "/limit"),
        ] {
            let refused = operator.post("/v1/reports/accounts", body).await.refused(422, "invalid");
            assert_eq!(refused["errors"][0]["pointer"], json!(pointer));
        }
        let deep = format!("{{\"filter\": {}{}}}", "{\"not\":".repeat(10_000), "}".repeat(10_000));
        let json = operator.clone().with("content-type", "application/json");
        json.send(http::Method::POST, "/v1/reports/accounts", deep.into_bytes())
            .await
            .refused(400, "malformed");
    }
}

#[tokio::test]
async fn t6_an_indicator_tells_once_what_enters_and_once_what_leaves() {
    for store in selected() {
        let at = world(store).await;
        let operator = at.world.operator();
        let filter = json!({"field": "traits.plan", "op": "eq", "value": "pro"});
        let view = json!({"name": "Pro", "kind": "accounts", "filter": filter});
        let view = operator.post("/v1/views", view).await.is(201);
        assert_eq!(view["filter"], filter);
        let make = async |days: u32| {
            let body = json!({"name": "Pro", "view_id": view["id"], "holds_for_days": days});
            text(&operator.post("/v1/indicators", body).await.is(201), "/id")
        };
        let (at_once, later) = (make(0).await, make(2).await);
        let pass = async |seconds: i64| {
            at.world.test().clock.advance_seconds(seconds);
            for _ in 0..2 {
                watch_once(&at.service().roster).await.unwrap();
            }
        };
        let told = async |id: &str| {
            let page = operator.get(&format!("/v1/indicators/{id}/alerts")).await.is(200);
            let mut states: Vec<String> =
                page["data"].as_array().unwrap().iter().map(|row| text(row, "/state")).collect();
            states.sort();
            states
        };
        let plan = async |account: &str, plan: &str| {
            let path = format!("/v1/organizations/ext:cloud/accounts/ext:{account}");
            operator.patch(&path, json!({"traits": {"plan": plan}})).await.is(200);
        };
        pass(900).await;
        assert_eq!(told(&at_once).await, [""; 0], "no alarm about the past");
        plan("south", "pro").await;
        pass(900).await;
        pass(900).await;
        assert_eq!(told(&at_once).await, ["entered"]);
        assert_eq!(told(&later).await, [""; 0], "it has not held yet");
        pass(2 * 86_400).await;
        assert_eq!(told(&at_once).await, ["entered"]);
        assert_eq!(told(&later).await, ["entered"]);
        plan("south", "free").await;
        plan("north", "free").await;
        pass(900).await;
        assert_eq!(told(&at_once).await, ["entered", "left", "left"]);
        plan("south", "pro").await;
        pass(900).await;
        plan("south", "free").await;
        pass(900).await;
        assert_eq!(told(&later).await, ["entered", "left", "left"], "what did not hold is not told");
        let audit = operator.get("/v1/audit?action=indicator.entered").await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 3);
        at.is_clean().await;
    }
}

/// Time alone tells, too: of an organization's owner who has fallen silent, and who comes back. The feed says it as well.
#[tokio::test]
async fn t6_an_indicator_tells_who_fell_silent_and_who_came_back() {
    for store in selected() {
        let at = world(store).await;
        let operator = at.world.operator();
        operator.put("/v1/organizations/ext:cloud/account-owner", json!({"user": "ext:nils"})).await.is(200);
        let filter = json!({"field": "owner.last_seen_at", "op": "before", "value": "-7d"});
        for kind in ["accounts", "organizations"] {
            let view = json!({"name": kind, "kind": kind, "filter": filter});
            let view = operator.post("/v1/views", view).await.is(201);
            let body = json!({"name": kind, "view_id": view["id"]});
            operator.post("/v1/indicators", body).await.is(201);
        }
        let pass = async |days: i64| {
            at.world.test().clock.advance_seconds(days * 86_400 + 900);
            watch_once(&at.service().roster).await.unwrap();
        };
        pass(0).await;
        pass(8).await;
        pass(1).await;
        at.says("/v1/page", json!({"userId": "nils"})).await;
        pass(0).await;
        sweep_once(&at.service().roster).await.unwrap();
        let page = operator.get("/v1/events?after=0&limit=200").await.is(200);
        let told: Vec<(String, String)> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| ["indicator.entered", "indicator.left"].contains(&text(event, "/type").as_str()))
            .map(|event| (text(event, "/type"), text(event, "/data/target/type")))
            .collect();
        let mut kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        let expected = ["indicator.entered", "indicator.entered", "indicator.left", "indicator.left"];
        assert_eq!(kinds, expected, "{store}: {told:?}");
        at.is_clean().await;
    }
}

/// Several evaluations at a time tell what one would; a view that is gone is an empty one; nothing is left of an indicator
/// that was deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_an_indicator_is_evaluated_by_one_at_a_time_and_leaves_nothing_behind() {
    for store in selected() {
        let at = world(store).await;
        let operator = at.world.operator();
        let filter = json!({"field": "traits.plan", "op": "eq", "value": "pro"});
        let view = json!({"name": "Pro", "kind": "accounts", "filter": filter});
        let view = text(&operator.post("/v1/views", view).await.is(201), "/id");
        let made = operator.post("/v1/indicators", json!({"name": "Pro", "view_id": view})).await;
        let tag = made.header("etag").unwrap().to_owned();
        let id = text(&made.is(201), "/id");
        let path = format!("/v1/indicators/{id}");
        let told = async || {
            let page = operator.get(&format!("{path}/alerts")).await.is(200);
            let rows = page["data"].as_array().unwrap().iter();
            rows.map(|row| text(row, "/state")).collect::<Vec<_>>()
        };
        for (account, plan) in [("south", "pro"), ("north", "free"), ("north", "pro")] {
            let account = format!("/v1/organizations/ext:cloud/accounts/ext:{account}");
            operator.patch(&account, json!({"traits": {"plan": plan}})).await.is(200);
            at.world.test().clock.advance_seconds(400);
            let roster = &at.service().roster;
            let (one, two, three) = tokio::join!(watch_once(roster), watch_once(roster), watch_once(roster));
            one.and(two).and(three).unwrap();
        }
        let mut states = told().await;
        states.sort();
        assert_eq!(states, ["entered", "entered", "left"], "{store}");
        let shown = operator.get(&path).await;
        assert_eq!(shown.header("etag"), Some(tag.as_str()), "what is evaluated is not changed");
        let stale = operator.clone().with("if-match", "\"nothing\"");
        stale.patch(&path, json!({"name": "P"})).await.refused(412, "precondition_failed");
        operator.delete(&format!("/v1/views/{view}")).await.is(204);
        at.world.test().clock.advance_seconds(400);
        watch_once(&at.service().roster).await.unwrap();
        let left = told().await.iter().filter(|state| *state == "left").count();
        assert_eq!(left, 1 + in_view(&at).await, "{store}: nothing is in a view that is gone");
        operator.delete(&path).await.is(204);
        let dump = at.service().roster.store.dump(&Home::Deployment).await.unwrap();
        let of_it = dump.records.iter().filter(|stored| {
            matches!(&stored.record, Record::Customer(it) if matches!(&**it,
                Customer::Alert(_) | Customer::Watched(_) | Customer::Evaluation(_)))
        });
        assert_eq!(of_it.count(), 0, "{store}");
    }
}

/// How many accounts are on the plan that is watched.
async fn in_view(at: &Customers) -> usize {
    let filter = json!({"field": "traits.plan", "op": "eq", "value": "pro"});
    let page = at.world.operator().post("/v1/reports/accounts", json!({"filter": filter})).await.is(200);
    page["data"].as_array().unwrap().len()
}

/// Rules M8, T5: members by when they were last seen, and reports that do not show who has left.
#[tokio::test]
async fn t5_m8_members_are_listed_by_when_they_were_last_seen_and_reports_may_hide_who_left() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        for (n, who) in ["nora", "anna", "max", "fred"].into_iter().enumerate() {
            let when = format!("2026-01-0{}T00:00:00Z", n + 1);
            at.says("/v1/page", json!({"userId": who, "timestamp": when})).await;
        }
        let cloud = "/v1/organizations/ext:cloud";
        let listed = async |query: &str| {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = operator.get(&format!("{cloud}/{query}{cursor}")).await.is(200);
                for row in page["data"].as_array().unwrap() {
                    found.push((text(row, "/external_id"), row["last_seen_at"].clone()));
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return found,
                }
            }
        };
        let down = listed("members?sort=-last_seen_at&limit=2").await;
        let names: Vec<&str> = down.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["max", "anna", "nora"], "{store}");
        assert_eq!(down[0].1, json!("2026-01-03T00:00:00.000Z"));
        assert_eq!(down[3].1, serde_json::Value::Null);
        assert_eq!(names.len(), 8, "each once");
        let csv = operator.clone().with("accept", "text/csv");
        for list in ["members", "accounts/ext:north/members"] {
            let text = csv.get(&format!("{cloud}/{list}?sort=-last_seen_at&limit=1")).await.text;
            let (header, row) = text.split_once("\r\n").unwrap();
            let none = csv.get(&format!("{cloud}/{list}?sort=last_seen_at&q=nobody")).await.text;
            assert_eq!(none, format!("{header}\r\n"), "the same columns without any row");
            assert!(header.ends_with(",last_seen_at") && row.contains(",2026-01-03T00:00:00.000Z"), "{text}");
        }
        let mut up = listed("members?sort=last_seen_at&limit=3").await;
        up.reverse();
        assert_eq!(up, down, "{store}");
        let former = listed("members?status=former&sort=last_seen_at").await;
        assert_eq!(former[0].1, json!("2026-01-04T00:00:00.000Z"));
        let north = listed("accounts/ext:north/members?sort=-last_seen_at").await;
        assert_eq!(north[0].0, "max");
        let shown = operator.get(cloud).await.is(200);
        assert_eq!(shown["settings"]["former_members"], json!("show"));
        let former = async || {
            let filter = json!({"field": "external_id", "op": "eq", "value": "cloud"});
            let body = json!({"columns": ["members.former"], "filter": filter});
            let page = operator.post("/v1/reports/organizations", body).await.is(200);
            page["data"][0]["members.former"].clone()
        };
        assert_eq!(former().await, json!(1));
        let active = async |query: &str| {
            let page = operator.get(&format!("{cloud}/activity?{query}")).await.is(200);
            page["data"].as_array().unwrap().len()
        };
        assert_eq!((active("group_by=user").await, active("user=ext:fred").await), (4, 1), "{store}");
        let hide = json!({"settings": {"former_members": "hide"}});
        assert_eq!(operator.patch(cloud, hide).await.is(200)["settings"]["former_members"], json!("hide"));
        assert_eq!(former().await, serde_json::Value::Null, "{store}");
        assert_eq!((active("group_by=user").await, active("").await), (3, 3), "{store}: fred has left");
        assert_eq!((active("user=ext:fred").await, active("group_by=day").await), (1, 4), "{store}: T7, M8");
        let unknown = json!({"settings": {"former_members": "forget"}});
        operator.patch(cloud, unknown).await.refused(422, "invalid");
    }
}
