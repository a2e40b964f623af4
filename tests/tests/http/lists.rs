//! Lists: pages, filters, orders, CSV.

use std::collections::BTreeSet;
use std::sync::Arc;

use roster_core::jobs::Worker;
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::{World, join, on_accounts};
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const MEMBERS: &str = "/v1/organizations/ext:cloud/members";

fn column(list: &Value, name: &str) -> Vec<String> {
    let cell = |row: &Value| row[name].as_str().unwrap_or("null").to_owned();
    list["data"].as_array().unwrap().iter().map(cell).collect()
}

/// All pages of a list.
async fn pages(caller: &Caller<'_>, path: &str, limit: u16, name: &str) -> Vec<String> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let after = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let reply = caller.get(&format!("{path}{joint}limit={limit}{after}")).await;
        let link = reply.header("link").map(str::to_owned);
        let page = reply.is(200);
        let found = column(&page, name);
        assert!(found.len() <= usize::from(limit));
        rows.extend(found);
        let Some(next) = page["next_cursor"].as_str() else {
            assert_eq!(link, None);
            return rows;
        };
        assert!(link.unwrap().contains(&format!("cursor={next}>; rel=\"next\"")));
        cursor = Some(next.to_owned());
    }
}

/// Every row exactly once, whatever the page size, in every order.
#[tokio::test]
async fn pages_hold_every_row_once() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for path in [
            "/v1/organizations",
            "/v1/users",
            "/v1/permissions",
            "/v1/audit",
            &format!("{CLOUD}/accounts"),
            &format!("{CLOUD}/audit"),
            &format!("{CLOUD}/api-keys"),
            &format!("{CLOUD}/roles"),
            &format!("{CLOUD}/accounts/ext:north/members"),
            "/v1/users/ext:nils/accounts",
            MEMBERS,
            &format!("{MEMBERS}?status=all&sort=name"),
            &format!("{MEMBERS}?status=all&sort=-email"),
            &format!("{MEMBERS}?sort=joined_at"),
        ] {
            let name = if path.contains("members") { "user_id" } else { "id" };
            let name = if path.contains("ext:nils/accounts") { "role" } else { name };
            let name = if path.contains("permissions") { "name" } else { name };
            let whole = pages(&operator, path, 200, name).await;
            assert!(whole.len() >= 2, "{path}: {whole:?}");
            for limit in [1, 2, 3] {
                assert_eq!(pages(&operator, path, limit, name).await, whole, "{path} by {limit}");
            }
        }
        for limit in ["0", "201", "-1", "x", "1.5", ""] {
            operator.get(&format!("{MEMBERS}?limit={limit}")).await.refused(422, "invalid");
        }
    }
}

/// A row that exists throughout comes exactly once in the default order, whoever comes and goes meanwhile.
#[tokio::test]
async fn pages_bear_changes_between_them() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let before: BTreeSet<String> =
            column(&operator.get(MEMBERS).await.is(200), "external_id").into_iter().collect();
        let (mut seen, mut cursor, mut n) = (Vec::new(), String::new(), 0);
        loop {
            let page = operator.get(&format!("{MEMBERS}?limit=2{cursor}")).await.is(200);
            seen.extend(column(&page, "external_id"));
            join(&operator, "cloud", &format!("new{n}"), on_accounts(&[])).await;
            if n == 1 {
                operator.delete(&format!("{MEMBERS}/ext:max")).await.is(200);
            }
            n += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            if n > 20 {
                break;
            }
            cursor = format!("&cursor={next}");
        }
        for stays in before.iter().filter(|name| *name != "max") {
            assert_eq!(seen.iter().filter(|name| *name == stays).count(), 1, "{stays} in {seen:?}");
        }
    }
}

/// A cursor belongs to its list with its filters.
#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let page = operator.get(&format!("{MEMBERS}?limit=2&sort=name")).await.is(200);
        let cursor = page["next_cursor"].as_str().unwrap();
        operator.get(&format!("{MEMBERS}?limit=3&cursor={cursor}&sort=name")).await.is(200);
        for path in [
            format!("{MEMBERS}?cursor={cursor}"),
            format!("{MEMBERS}?sort=-name&cursor={cursor}"),
            format!("{MEMBERS}?sort=name&status=all&cursor={cursor}"),
            format!("/v1/organizations/ext:other/members?sort=name&cursor={cursor}"),
            format!("/v1/users?cursor={cursor}"),
            format!("{MEMBERS}?sort=name&cursor={}", &cursor[1..]),
            format!("{MEMBERS}?sort=name&cursor=AAAA"),
            format!("{MEMBERS}?sort=name&cursor="),
            format!("{MEMBERS}?sort=name&cursor={}", "A".repeat(5_000)),
        ] {
            operator.get(&path).await.refused(400, "invalid_cursor");
        }
        for query in ["sort=age", "status=gone", "q=a&q=b", "x=1", "role=king", "account=north"] {
            operator.get(&format!("{MEMBERS}?{query}")).await.refused(422, "invalid");
        }
        operator.get(&format!("{MEMBERS}?account=ext:west")).await.refused(404, "not_found");
    }
}

/// Filters and orders of the members of an organization, and of an account.
#[tokio::test]
async fn members_are_found() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["olga", "anna", "max", "vera", "nora", "nils", "sven", "empty"]),
        ("?status=former", &["fred"]),
        ("?status=deactivated", &[]),
        ("?role=admin", &["anna", "nora", "sven"]),
        ("?account=ext:north", &["olga", "anna", "max", "vera", "nora", "nils"]),
        ("?account=ext:north&role=member", &["max", "nils"]),
        ("?q=n", &["nora", "nils"]),
        ("?q=NILS@", &["nils"]),
        ("?q=sven", &["sven"]),
        ("?q=sve%6e@example.com", &["sven"]),
        ("?q=zz", &[]),
        ("?q=%25", &[]),
        ("?q=_", &[]),
        ("?sort=name", &["anna", "empty", "max", "nils", "nora", "olga", "sven", "vera"]),
        ("?sort=-email", &["vera", "sven", "olga", "nora", "nils", "max", "empty", "anna"]),
        ("?status=all&sort=name&q=f", &["fred"]),
    ];
    for store in selected() {
        let world = World::on(store).await;
        for (query, expected) in cases {
            let list = world.operator().get(&format!("{MEMBERS}{query}")).await.is(200);
            let (mut found, mut expected) = (column(&list, "external_id"), expected.to_vec());
            if !query.contains("sort=") {
                found.sort();
                expected.sort_unstable();
            }
            assert_eq!(found, expected, "{query}");
        }
        let north = format!("{CLOUD}/accounts/ext:north/members?sort=name");
        let list = world.operator().get(&north).await.is(200);
        assert_eq!(column(&list, "name"), ["anna", "max", "nils", "nora", "olga", "vera"]);
        assert_eq!(column(&list, "role"), ["admin", "member", "member", "admin", "owner", "viewer"]);
        let sources = ["organization", "organization", "account", "account", "organization", "organization"];
        assert_eq!(column(&list, "source"), sources);
        let seen = world.person("nora").get(&format!("{MEMBERS}?sort=name")).await.is(200);
        assert_eq!(column(&seen, "name"), ["anna", "max", "nils", "nora", "olga", "vera"], "only north's");
        for (role, expected) in [("viewer", ["vera"].as_slice()), ("member", &["max", "nils"])] {
            let seen = world.person("nora").get(&format!("{MEMBERS}?sort=name&role={role}")).await.is(200);
            assert_eq!(column(&seen, "name"), expected, "a role in south is none to nora");
        }
        let one = world.person("nora").get(&format!("{MEMBERS}/ext:nils")).await.is(200);
        assert_eq!(one["access"]["accounts"].as_array().unwrap().len(), 1);
        let own = world.person("nils").get(&format!("{MEMBERS}/ext:nils")).await.is(200);
        assert_eq!(own["access"]["accounts"].as_array().unwrap().len(), 2);
        let put = format!("{CLOUD}/accounts/ext:north/members/ext:nils");
        let changed = world.person("nora").put(&put, json!({"role": "viewer"})).await.is(200);
        assert_eq!(
            changed["access"]["accounts"].as_array().unwrap().len(),
            1,
            "nor in the answer to a change"
        );
        let nils = seen["data"].as_array().unwrap().iter().find(|row| row["name"] == "nils").unwrap();
        assert_eq!(
            nils["access"]["accounts"].as_array().unwrap().len(),
            1,
            "not what nils has in south: {nils}"
        );
    }
}

/// X4: any list as CSV, with formulas made harmless.
#[tokio::test]
async fn lists_come_as_csv() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for (n, name) in
            ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "a,\"b\"", "plain"].into_iter().enumerate()
        {
            let body = json!({"email": format!("m{n}@example.com"), "name": name});
            operator.post("/v1/users", body).await.is(201);
        }
        let csv = operator.clone().with("accept", "text/csv");
        let reply = csv.get("/v1/users?limit=200").await;
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
        let (head, rows) = reply.text.split_once("\r\n").unwrap();
        assert!(head.starts_with("id,") && head.contains("name"), "{head}");
        assert!(reply.text.contains("\"'=1+1\"") && reply.text.contains("\"'＝1\""), "{rows}");
        for row in rows.lines() {
            let cells = row.split(',').map(|cell| cell.trim_start_matches('"'));
            assert!(
                cells.clone().all(|cell| !cell.trim_start().starts_with(['=', '+', '-', '@', '＝'])),
                "{row}"
            );
        }
        let first = csv.get("/v1/users?limit=2").await;
        assert_eq!(first.text.lines().count(), 3);
        let next = first.header("link").unwrap();
        let next = next.strip_prefix('<').unwrap().split('>').next().unwrap();
        let second = csv.get(next).await;
        assert_eq!(second.text.lines().count(), 3);
        assert_ne!(first.text, second.text);
        let accepts = |kinds: &str| operator.clone().with("accept", kinds);
        assert!(accepts("application/json, text/csv;q=0.5").get("/v1/users").await.is(200).is_object());
        assert!(accepts("text/csv;q=0").get("/v1/users").await.is(200).is_object());
        let either = accepts("application/json;q=0.1, TEXT/CSV; q=0.2").get("/v1/users").await;
        assert_eq!(either.header("content-type"), Some("text/csv; charset=utf-8"));
    }
}

/// X4: every list as CSV, with the names of its columns though it is empty.
#[tokio::test]
async fn x4_a_list_without_rows_has_its_columns() {
    let world = World::on("memory").await;
    let csv = world.operator().with("accept", "text/csv");
    let cloud = "/v1/organizations/ext:cloud";
    for (path, first) in [
        ("/v1/organizations?q=nothing".to_owned(), "id,external_id,name,slug,status,owner,"),
        ("/v1/users?q=nothing".to_owned(), "id,external_id,email,name,status,traits,created_at"),
        (
            format!("{cloud}/members?q=nothing"),
            "user_id,organization_id,external_id,email,name,status,access,",
        ),
        (format!("{cloud}/accounts?status=archived"), "id,organization_id,external_id,name,status,"),
        (format!("{cloud}/accounts/ext:north/members?q=nothing"), "user_id,organization_id,"),
        (
            format!("{cloud}/audit?action=role.deleted"),
            "id,seq,time,actor,action,target,user_id,before,after,",
        ),
        ("/v1/audit?action=role.deleted".to_owned(), "id,seq,time,"),
        ("/v1/users/ext:empty/accounts".to_owned(), "organization,account,role,source"),
    ] {
        let reply = csv.get(&path).await;
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text);
        assert!(reply.text.starts_with(first), "{path}: {}", reply.text);
        assert_eq!(reply.text.matches("\r\n").count(), 1, "{path}: {}", reply.text);
    }
    for path in ["/v1/permissions".to_owned(), format!("{cloud}/roles"), format!("{cloud}/api-keys")] {
        assert!(csv.get(&path).await.text.split("\r\n").count() > 2, "{path}");
    }
}

/// Rows of a table, the names of its columns first.
fn cells(table: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = table.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            letter => cell.push(letter),
        }
    }
    rows
}

/// X4: every list of the document comes as CSV, under the names of the fields that its rows have, and no cell is a formula.
#[tokio::test]
async fn x4_every_list_of_the_document_comes_as_csv() {
    let world = World::with_webhooks("memory").await;
    let (operator, formula) = (world.operator(), "=1+1");
    let id = async |path: &str, body: Value| text(&operator.post(path, body).await.is(201), "/id");
    for path in [CLOUD.to_owned(), format!("{CLOUD}/accounts/ext:north"), "/v1/users/ext:nils".to_owned()] {
        operator.patch(&path, json!({"name": formula})).await.is(200);
    }
    let view = id("/v1/views", json!({"name": formula, "kind": "accounts", "columns": ["name"]})).await;
    let indicator = id("/v1/indicators", json!({"name": formula, "view_id": view})).await;
    let groups = json!({"to": "one", "organization": "ext:cloud"});
    let source = id("/v1/sources", json!({"name": formula, "groups": groups})).await;
    id(&format!("{CLOUD}/roles"), json!({"name": formula, "permissions": ["members:read"]})).await;
    let access = json!({"type": "organization", "role": "viewer"});
    id(&format!("{CLOUD}/api-keys"), json!({"name": formula, "access": access})).await;
    id(&format!("{CLOUD}/invitations"), json!({"email": "new@example.com", "access": access})).await;
    let record = json!({"owner": "ext:max", "title": formula});
    operator.put(&format!("{CLOUD}/records/deal/1"), record).await.is(201);
    let hook = json!({"url": "https://example.com/", "types": [], "organization": "ext:cloud"});
    let webhook = id("/v1/webhooks", hook).await;
    let bulk = json!({"action": "remove", "users": [formula]});
    let job = text(&operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202), "/job/id");
    Worker::new(world.service.api.roster.clone(), Arc::default()).work_off().await.unwrap();

    let document = roster_api::openapi::document();
    let (mut lists, mut made_harmless) = (0, 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = &operation["responses"]["200"]["content"];
            let is_list = answers["application/json"].to_string().contains("\"next_cursor\"");
            if !is_list && answers["text/csv"].is_null() {
                continue;
            }
            let named = [
                ("{organization}", "ext:cloud"),
                ("{account}", "ext:north"),
                ("{user}", "ext:nils"),
                ("{job}", &job),
                ("{source}", &source),
                ("{indicator}", &indicator),
                ("{webhook}", &webhook),
            ];
            let at = named.iter().fold(path.clone(), |path, (name, value)| path.replace(name, value));
            assert!(!at.contains('{'), "say here what {at} is to be asked of");
            let caller = if path == "/v1/sessions" { world.person("nils") } else { operator.clone() };
            let csv = caller.clone().with("accept", "text/csv");
            let (columns, asked) = (json!({"columns": ["name"]}), method == "post");
            let table = if asked { csv.post(&at, columns.clone()).await } else { csv.get(&at).await };
            assert_eq!(table.status.as_u16(), 200, "{at}: {}", table.text);
            assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"), "{at}");
            let rows = cells(&table.text);
            if is_list {
                let list =
                    if asked { caller.post(&at, columns).await } else { caller.get(&at).await }.is(200);
                let list = list["data"].as_array().unwrap();
                assert_eq!(rows.len(), list.len() + 1, "{at}: {}", table.text);
                for name in list.iter().flat_map(|row| row.as_object().unwrap().keys()) {
                    assert!(rows[0].contains(name), "{at}: {name} is no column");
                }
            }
            let formulas = ['=', '+', '-', '@'];
            assert!(!rows.iter().flatten().any(|it| it.starts_with(formulas)), "{at}: {}", table.text);
            made_harmless += usize::from(rows.iter().flatten().any(|it| it == "'=1+1"));
            lists += 1;
        }
    }
    assert!(lists >= 28 && made_harmless >= 11, "{lists}, {made_harmless}");
}
