//! The trail: rules X1, X4, P6, M8.

use axum::body::Body;
use futures::StreamExt as _;
use http::Request;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};
use tower::ServiceExt as _;

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

async fn actions(world: &World, path: &str) -> Vec<String> {
    let rows = trail(world, path).await;
    rows.iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect()
}

/// X1: by actor, action and time, and all at once.
#[tokio::test]
async fn x1_the_trail_is_read_by_filter() {
    for store in selected() {
        let world = World::on(store).await;
        let (north, nils) = (format!("{CLOUD}/accounts/ext:north"), format!("{CLOUD}/members/ext:nils"));
        world.test().clock.advance_seconds(60);
        world.person("nora").patch(&north, json!({"name": "N"})).await.is(200);
        world.test().clock.advance_seconds(60);
        world.person("anna").delete(&nils).await.is(200);
        let key = world.service.bearer(&world.admin_key);
        key.patch(&north, json!({"name": "M"})).await.is(200);
        let me = key.get("/v1/me").await.is(200);
        let key = text(&me, "/actor/id");
        let of = async |filter: &str| actions(&world, &format!("{AUDIT}&{filter}")).await;
        assert_eq!(of("actor=ext:nora").await, ["account.updated"]);
        assert_eq!(of("actor=ext:anna").await, ["member.removed"]);
        assert_eq!(of(&format!("actor={key}")).await, ["account.updated"]);
        assert_eq!(of("actor=ext:nils").await, [""; 0], "about them, not by them");
        assert_eq!(of("user=ext:nils").await, ["member.added", "member.removed"], "M8: a former member too");
        assert_eq!(of("actor=system").await, [""; 0]);
        assert_eq!(of("actor=operator").await, [""; 0], "that is the command line, and no operator's key");
        assert_eq!(of("action=account.updated").await.len(), 2);
        assert_eq!(of("action=account.never").await, [""; 0]);
        assert_eq!(
            of("from=2027-01-01T00:01:00Z").await,
            ["account.updated", "member.removed", "account.updated"]
        );
        assert_eq!(of("from=2027-01-01T00:01:00Z&to=2027-01-01T00:02:00Z").await, ["account.updated"]);
        assert_eq!(of("from=2027-01-01T00:02:00.000Z&action=account.updated").await, ["account.updated"]);
        let all = of("").await;
        let before = of("to=2027-01-01T00:01:00Z").await;
        assert_eq!((before.len() + 3, &all[..before.len()]), (all.len(), before.as_slice()));
        let everything = "actor=ext:anna&user=ext:nils&action=member.removed&from=2027-01-01T00:02:00Z";
        assert_eq!(of(everything).await, ["member.removed"]);
    }
}

/// A page holds what fits the filter, and the next goes on behind it.
#[tokio::test]
async fn x1_filtered_pages_hold_every_line_once() {
    for store in selected() {
        let world = World::on(store).await;
        let all = trail(&world, &format!("{AUDIT}&action=member.added")).await;
        let mut path = format!("{CLOUD}/audit?limit=3&action=member.added");
        let (first, mut found) = (path.clone(), Vec::new());
        loop {
            let page = world.operator().get(&path).await.is(200);
            found.extend(page["data"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{first}&cursor={cursor}");
            let other = format!("{CLOUD}/audit?limit=3&action=member.removed&cursor={cursor}");
            world.operator().get(&other).await.refused(400, "invalid_cursor");
        }
        assert_eq!(found, all);
        assert!(found.len() > 6);
    }
}

/// Filters that are no filters, and people whom one may not ask about.
#[tokio::test]
async fn x1_filters_are_refused_in_the_order_of_the_contract() {
    let world = World::on("memory").await;
    let operator = world.operator();
    for filter in [
        "actor=nobody",
        "actor=usr_1",
        "action=Member",
        "action=member",
        "from=today",
        "to=",
        "who=x",
        "user=x",
    ] {
        for path in [AUDIT.to_owned(), format!("{CLOUD}/audit/export?"), "/v1/audit?limit=9".to_owned()] {
            let path = format!("{path}&{filter}").replace("?&", "?");
            operator.get(&path).await.refused(422, "invalid");
        }
    }
    operator.get(&format!("{CLOUD}/audit/export?format=xml")).await.refused(422, "invalid");
    operator.get(&format!("{CLOUD}/audit/export?limit=5")).await.refused(422, "invalid");
    operator.get(&format!("{AUDIT}&actor=ext:nobody")).await.refused(404, "not_found");
    let anna = world.person("anna");
    for filter in ["user", "actor"] {
        anna.get(&format!("{AUDIT}&{filter}=ext:mia")).await.refused(404, "not_found");
        anna.get(&format!("{AUDIT}&{filter}=ext:nobody")).await.refused(404, "not_found");
        let fred = anna.get(&format!("{AUDIT}&{filter}=ext:fred")).await.is(200);
        assert_eq!(fred["data"].as_array().unwrap().is_empty(), filter == "actor", "M8");
        operator.get(&format!("{AUDIT}&{filter}=ext:mia")).await.is(200);
    }
    for path in [format!("{CLOUD}/audit/export"), "/v1/audit/export".to_owned()] {
        world.service.nobody().get(&path).await.refused(401, "unauthenticated");
        world.person("vera").get(&path).await.refused(403, "forbidden");
    }
    world.person("mia").get(&format!("{CLOUD}/audit/export")).await.refused(404, "not_found");
}

/// X1: the whole trail, as JSON lines and as CSV, equal to what the pages show.
#[tokio::test]
async fn x1_the_trail_is_exported_whole() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, export) = (world.operator(), format!("{CLOUD}/audit/export"));
        for n in 0..230 {
            operator.patch(CLOUD, json!({"name": format!("=Cloud {n}")})).await.is(200);
        }
        let lines = operator.get(&export).await;
        assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(lines.header("content-disposition"), Some("attachment; filename=\"audit.jsonl\""));
        assert_eq!(lines.header("cache-control"), Some("no-store"));
        let rows: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut pages, mut path) = (Vec::new(), AUDIT.to_owned());
        loop {
            let page = operator.get(&path).await.is(200);
            pages.extend(page["data"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{AUDIT}&cursor={cursor}");
        }
        assert!(rows.len() > 240, "more than one chunk");
        assert_eq!(rows, pages);
        let csv = operator.get(&format!("{export}?format=csv&action=organization.updated")).await;
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(csv.text.split("\r\n").count(), 232);
        let accepted = operator.clone().with("accept", "text/csv").get(&export).await;
        assert_eq!(accepted.text.split("\r\n").count(), rows.len() + 2);
        let none = operator.get(&format!("{export}?format=csv&action=role.created")).await;
        assert_eq!(none.text.split("\r\n").count(), 2, "the names of the columns: {}", none.text);
        let jsonl = operator.clone().with("accept", "text/csv").get(&format!("{export}?format=jsonl")).await;
        assert_eq!(jsonl.text, lines.text);
        // What is still to come is not told by a key that is gone.
        let (key, secret) = world.service.another_operator().await;
        let asked = Request::get(&export).header("authorization", format!("Bearer {secret}"));
        let router = roster_api::router(world.service.api.clone());
        let answer = router.oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        let mut parts = answer.into_body().into_data_stream();
        while parts.next().await.unwrap().unwrap().is_empty() {}
        world.service.revoke_operator(key).await;
        assert!(parts.next().await.unwrap().is_err(), "{store}");
    }
}

/// X1: operators read what was done in the deployment and in users' homes, by the same filters.
#[tokio::test]
async fn x1_the_deployments_trail_is_read_by_filter() {
    for store in selected() {
        let world = World::on(store).await;
        world.test().clock.advance_seconds(60);
        world.operator().patch("/v1/users/ext:nora", json!({"name": "Nora 2"})).await.is(200);
        let later = "/v1/audit?limit=200&from=2027-01-01T00:01:00Z";
        assert_eq!(actions(&world, later).await, ["user.updated"]);
        let made = trail(&world, "/v1/audit?limit=200&action=user.created&user=ext:nora").await;
        assert_eq!((made.len(), &made[0]["action"]), (1, &json!("user.created")));
        assert_eq!(actions(&world, "/v1/audit?limit=200&actor=operator&action=user.created").await, [""; 0]);
        let lines = world.operator().get("/v1/audit/export?action=user.updated").await.text;
        assert_eq!(lines.lines().count(), 1);
        world.person("olga").get("/v1/audit").await.refused(403, "forbidden");
    }
}
