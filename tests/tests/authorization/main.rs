//! Every operation of the `OpenAPI` document by every kind of caller, on what is theirs and what is not
//! (rules M11, P1, P3, P5, P6).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod calls;
mod table;

use std::collections::BTreeSet;

use calls::{Call, prepared};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::json;
use table::{CALLERS, QUESTIONS, TABLE};

fn rows() -> impl Iterator<Item = (&'static str, [u16; 15])> {
    TABLE.into_iter().chain(QUESTIONS)
}

/// Operations of the document below `/v1`.
fn documented() -> Vec<Call> {
    calls::of_document(&roster_api::openapi::document())
}

#[test]
fn every_operation_has_a_row() {
    let named: BTreeSet<&str> = rows().map(|(name, _)| name).collect();
    let there: BTreeSet<String> = documented().into_iter().map(|call| call.id).collect();
    assert_eq!(named, there.iter().map(String::as_str).collect());
    assert_eq!(rows().count(), named.len(), "no row twice");
}

/// Each cell in a world of its own where the operation changes something; a quarter of the rows. Who may do what is
/// decided without the store, so that every row is tried on the first of them and on one of the others.
async fn quarter(part: usize) {
    let (mut wrong, documented) = (Vec::new(), documented());
    for (place, store) in selected().into_iter().enumerate() {
        let whole = Box::new(Box::pin(prepared(store)).await);
        let rows = rows().skip(part).step_by(4).enumerate();
        let tried = rows.filter(|(n, _)| place == 0 || n % 4 == place % 4);
        for (_, (id, expected)) in tried {
            let call = documented.iter().find(|call| call.id == id).unwrap();
            let mut world = Box::new(Box::pin(whole.another()).await);
            for (caller, expected) in CALLERS.into_iter().zip(expected) {
                let reply = call.by(&world, caller, "ext:cloud").await;
                if reply.status.as_u16() != expected {
                    wrong.push(format!(
                        "{store} {id} by {caller}: {expected}, got {} {}",
                        reply.status, reply.text
                    ));
                }
                if call.changes() && reply.status.is_success() {
                    *world = Box::pin(whole.another()).await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_caller_is_answered_as_the_first_rows_say() {
    quarter(0).await;
}

#[tokio::test]
async fn every_caller_is_answered_as_the_second_rows_say() {
    quarter(1).await;
}

#[tokio::test]
async fn every_caller_is_answered_as_the_third_rows_say() {
    quarter(2).await;
}

#[tokio::test]
async fn every_caller_is_answered_as_the_fourth_rows_say() {
    quarter(3).await;
}

/// P5: without a key, with a key that is none, and with one that was revoked, everything is 401.
#[tokio::test]
async fn nobody_is_let_in_without_a_live_key() {
    for store in selected() {
        let world = prepared(store).await;
        let revoked = world.admin_key.clone();
        let key = &world.ids.key;
        world.operator().delete(&format!("/v1/organizations/ext:cloud/api-keys/{key}")).await.is(204);
        let forged = format!("{}0", &revoked[..revoked.len() - 1]);
        for call in documented().into_iter().filter(|call| !call.open) {
            let service = &world.service;
            for caller in [
                service.nobody(),
                service.bearer("garbage"),
                service.bearer(&forged),
                service.bearer(&revoked),
            ] {
                call.as_caller(&world, &caller, "ext:cloud").await.refused(401, "unauthenticated");
            }
        }
    }
}

/// P5: an organization that is another's answers exactly as one that does not exist.
#[tokio::test]
async fn another_organization_is_not_there() {
    for store in selected() {
        let world = prepared(store).await;
        for call in documented().into_iter().filter(|call| call.path.contains("{organization}")) {
            for caller in ["olga", "anna", "nora", "nils", "empty", "admin_key", "viewer_key", "for_nils"] {
                let mut foreign = call.by(&world, caller, "ext:other").await.refused(404, "not_found");
                let mut unknown = call.by(&world, caller, "ext:nowhere").await.refused(404, "not_found");
                foreign["request_id"] = "".into();
                unknown["request_id"] = "".into();
                assert_eq!(foreign, unknown, "{} by {caller}", call.id);
            }
        }
    }
}

/// P5: ids of another organization in a path of one's own answer exactly as ids that do not exist.
#[tokio::test]
async fn things_of_another_organization_are_not_there() {
    for store in selected() {
        let world = prepared(store).await;
        let ids = &world.ids;
        let foreign = [
            ("{account}", &ids.other_account, "acc_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{user}", &ids.other_user, "usr_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{key}", &ids.other_key, "key_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{transfer}", &ids.other_transfer, "trf_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{role}", &ids.other_role, "rol_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{invitation}", &ids.other_invitation, "inv_01kb2y0v4tejq8vt0d7c3w4n5e"),
            ("{webhook}", &ids.other_webhook, "whk_01kb2y0v4tejq8vt0d7c3w4n5e"),
        ];
        for call in documented() {
            for (place, foreign, unknown) in foreign.iter().filter(|(place, ..)| call.path.contains(place)) {
                for caller in ["olga", "anna", "admin_key"] {
                    let ask = async |id: &str| {
                        let path = call.path.replace(place, id);
                        let call = Call { path, ..call.clone() };
                        let mut body = call.by(&world, caller, "ext:cloud").await.refused(404, "not_found");
                        body["request_id"] = "".into();
                        body
                    };
                    assert_eq!(ask(foreign).await, ask(unknown).await, "{} {place} by {caller}", call.id);
                }
            }
        }
    }
}

/// X4: every list that the document has as CSV comes as CSV, each under the names of its columns, with nothing that a
/// spreadsheet takes for a formula. What a list is written as does not depend on the store.
#[tokio::test]
async fn x4_every_list_comes_as_csv() {
    let world = prepared(selected()[0]).await;
    let operator = world.operator();
    let cloud = "/v1/organizations/ext:cloud";
    for path in [cloud, &format!("{cloud}/accounts/ext:north"), "/v1/users/ext:nils"] {
        operator.patch(path, json!({"name": "=1+1"})).await.is(200);
    }
    let role = json!({"name": "@role", "permissions": ["members:read"]});
    operator.post(&format!("{cloud}/roles"), role).await.is(201);
    let key = json!({"name": "+key", "access": {"type": "organization", "role": "viewer"}});
    operator.post(&format!("{cloud}/api-keys"), key).await.is(201);
    for (path, body) in [
        ("/v1/views", json!({"name": "-view", "kind": "accounts"})),
        ("/v1/sources", json!({"name": "=source", "groups": {"to": "each"}})),
    ] {
        operator.post(path, body).await.is(201);
    }
    let (mut lists, mut promised, mut marked) = (BTreeSet::new(), BTreeSet::new(), 0);
    let document = roster_api::openapi::document();
    for call in documented().into_iter().filter(|call| call.method == http::Method::GET) {
        let operation = &document["paths"][&call.path]["get"];
        if operation["responses"]["200"]["content"]["text/csv"].is_object() {
            promised.insert(call.id.clone());
        }
        for caller in [operator.clone(), world.person("olga"), world.person("nils")] {
            let listed = call.as_caller(&world, &caller, "ext:cloud").await;
            let Some(rows) = listed.body["data"].as_array() else { continue };
            let csv = caller.with("accept", "text/csv");
            let csv = call.as_caller(&world, &csv, "ext:cloud").await;
            assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"), "{}", call.id);
            let mut table = cells(&csv.text).into_iter();
            let columns = table.next().unwrap();
            assert_eq!(table.len(), rows.len(), "{}: {}", call.id, csv.text);
            for (row, line) in rows.iter().zip(table) {
                assert_eq!(line.len(), columns.len(), "{}", call.id);
                let missing = row.as_object().unwrap().keys().find(|name| !columns.contains(name));
                assert_eq!(missing, None, "{}", call.id);
                let formula = |cell: &&String| cell.trim_start().starts_with(['=', '+', '-', '@']);
                assert_eq!(line.iter().find(formula), None, "{}", call.id);
                marked += line.iter().filter(|cell| cell.starts_with('\'')).count();
            }
            lists.insert(call.id.clone());
        }
    }
    // An export says by its query what it is written as.
    promised.retain(|id| !id.starts_with("export_"));
    assert_eq!(lists, promised);
    assert!(marked > 10, "{marked} cells that would have been formulas");
}

/// The cells of a table (RFC 4180), line by line.
fn cells(table: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = table.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            letter => cell.push(letter),
        }
    }
    lines
}

/// An account of one's own organization that one cannot reach is known to be there: 403.
#[tokio::test]
async fn an_account_out_of_reach_is_forbidden() {
    let world = World::on("memory").await;
    world
        .person("nora")
        .get("/v1/organizations/ext:cloud/accounts/ext:south")
        .await
        .refused(403, "forbidden");
    world.person("nora").get("/v1/organizations/ext:cloud/accounts/ext:west").await.refused(404, "not_found");
}
