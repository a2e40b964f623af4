//! Webhooks as they are made, shown, changed and deleted, and by whom: rule X2.

use std::slice::from_ref;
use std::sync::Arc;

use roster_core::home::Home;
use roster_core::model::WEBHOOK_PARTS;
use roster_tests::http::{Caller, text};
use roster_tests::receiver::{Receiver, send_all};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use super::{later, verified};

const ALL: &str = "/v1/webhooks";
const CLOUD: &str = "/v1/organizations/ext:cloud";

fn body(organization: &str) -> Value {
    json!({"url": "https://example.com/hooks?key=1", "types": ["member.added"], "organization": organization})
}

async fn made(caller: &Caller<'_>, body: Value) -> String {
    text(&caller.post(ALL, body).await.is(201), "/id")
}

async fn ids(caller: &Caller<'_>, query: &str) -> Vec<String> {
    let page = caller.get(&format!("{ALL}{query}")).await.is(200);
    page["data"].as_array().unwrap().iter().map(|row| text(row, "/id")).collect()
}

/// X2: the secret is shown once; what is shown afterwards is what was asked for.
#[tokio::test]
async fn x2_a_webhook_is_made_shown_changed_and_deleted() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let reply = anna.post(ALL, body("ext:cloud")).await;
        let tag = reply.header("etag").unwrap().to_owned();
        let place = reply.header("location").unwrap().to_owned();
        let mut shown = reply.is(201);
        assert!(text(&shown, "/secret").starts_with("whsec_"));
        shown.as_object_mut().unwrap().remove("secret");
        let organization = text(&world.operator().get(CLOUD).await.is(200), "/id");
        assert_eq!(
            shown,
            json!({
                "id": shown["id"], "url": "https://example.com/hooks?key=1", "types": ["member.added"],
                "organization": organization, "status": "enabled", "disabled_reason": null,
                "disabled_at": null, "created_at": later(&world, 0),
            })
        );
        let id = text(&shown, "/id");
        assert_eq!(place, format!("{ALL}/{id}"));
        let again = anna.get(&place).await;
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.is(200), shown);
        assert_eq!(anna.with("if-none-match", &tag).get(&place).await.status.as_u16(), 304);
        let anna = world.person("anna");
        let stale = anna.clone().with("if-match", "\"01kb2y0v4tejq8vt0d7c3w4n5e\"");
        stale.patch(&place, json!({"types": []})).await.refused(412, "precondition_failed");
        stale.delete(&place).await.refused(412, "precondition_failed");
        let changed = anna.clone().with("if-match", &tag).patch(&place, json!({"types": null})).await;
        assert_ne!(changed.header("etag"), Some(tag.as_str()));
        assert_eq!(changed.is(200)["types"], json!([]));
        let same = json!({"organization": "ext:cloud", "url": "http://example.com"});
        assert_eq!(anna.patch(&place, same).await.is(200)["url"], "http://example.com");
        anna.patch(&place, json!({"organization": null})).await.refused(422, "invalid");
        let csv = anna.clone().with("accept", "text/csv").get(ALL).await;
        assert!(
            csv.text
                .starts_with("id,url,types,organization,status,disabled_reason,disabled_at,created_at\r\n"),
            "{}",
            csv.text
        );
        anna.delete(&place).await.is(204);
        anna.delete(&place).await.refused(404, "not_found");
        anna.get(&place).await.refused(404, "not_found");
        let audit = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
        let rows = audit["data"].as_array().unwrap();
        let told: Vec<_> = rows.iter().filter(|row| row["target"]["type"] == "webhook").collect();
        let actions: Vec<_> = told.iter().map(|row| text(row, "/action")).collect();
        assert_eq!(actions, ["webhook.created", "webhook.updated", "webhook.updated", "webhook.deleted"]);
        let said = json!({
            "url": "https://example.com", "types": ["member.added"], "status": "enabled", "disabled_reason": null,
        });
        assert_eq!(told[0]["after"], said, "what may be a secret is not told");
        for part in 0..WEBHOOK_PARTS {
            let left = world.service.roster.store.records(&Home::Webhooks(part), None, 10).await.unwrap();
            assert_eq!(left, []);
        }
        verified(&world).await;
    }
}

/// X2, P5: each organization's are its own, those of the deployment the operators'.
#[tokio::test]
async fn x2_whoever_may_not_sees_none() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let cloud = made(&world.person("olga"), body("ext:cloud")).await;
        let other =
            made(&world.service.bearer(&world.other_key), json!({"url": "https://example.com"})).await;
        let wide = made(&operator, json!({"url": "https://example.com"})).await;
        assert_eq!(operator.get(&format!("{ALL}/{wide}")).await.is(200)["organization"], Value::Null);
        let mut all = vec![cloud.clone(), other.clone(), wide.clone()];
        all.sort();
        assert_eq!(ids(&operator, "").await, all);
        assert_eq!(ids(&operator, "?organization=ext:cloud").await, from_ref(&cloud));
        assert_eq!(ids(&world.person("anna"), "").await, from_ref(&cloud));
        assert_eq!(ids(&world.service.bearer(&world.admin_key), "").await, from_ref(&cloud));
        assert_eq!(ids(&world.person("otto"), "?organization=ext:other").await, from_ref(&other));
        let listed = world.person("otto").get(&format!("{ALL}?organization=ext:cloud")).await;
        listed.refused(404, "not_found");
        world.person("max").get(ALL).await.refused(403, "forbidden");
        for hidden in [&other, &wide] {
            let (path, anna) = (format!("{ALL}/{hidden}"), world.person("anna"));
            anna.get(&path).await.refused(404, "not_found");
            anna.patch(&path, json!({"types": []})).await.refused(404, "not_found");
            anna.post(&format!("{path}/rotate-secret"), json!({})).await.refused(404, "not_found");
            anna.get(&format!("{path}/deliveries")).await.refused(404, "not_found");
            anna.delete(&path).await.refused(404, "not_found");
        }
        world.person("nora").get(&format!("{ALL}/{cloud}")).await.refused(403, "forbidden");
        world.person("anna").post(ALL, body("ext:other")).await.refused(404, "not_found");
        let none = json!({"url": "https://example.com", "organization": null});
        world.person("anna").post(ALL, none).await.refused(403, "forbidden");
        let unsaid = json!({"url": "https://example.com"});
        world.person("anna").post(ALL, unsaid).await.refused(422, "invalid");
        // Page by page, each comes once.
        for _ in 0..4 {
            all.push(made(&operator, body("ext:cloud")).await);
        }
        all.sort();
        let own = all.iter().filter(|id| ![&other, &wide].contains(id)).cloned().collect();
        for (caller, all) in [(operator, all.clone()), (world.person("anna"), own)] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = caller.get(&format!("{ALL}?limit=2{cursor}")).await.is(200);
                found.extend(page["data"].as_array().unwrap().iter().map(|row| text(row, "/id")));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, all);
        }
    }
}

/// X2: what cannot be used is told with its place.
#[tokio::test]
async fn x2_what_cannot_be_used_is_refused() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let with = |field: &str, value: Value| {
            let mut asked = body("ext:cloud");
            asked[field] = value;
            asked
        };
        for (asked, pointer) in [
            (with("url", json!("ftp://example.com")), "/url"),
            (with("url", json!("https://ada:secret@example.com")), "/url"),
            (with("url", json!("https://example.com/#x")), "/url"),
            (with("url", json!(format!("https://example.com/{}", "x".repeat(2_048)))), "/url"),
            (with("url", json!("http://127.0.0.1:8080/")), "/url"),
            (with("url", json!("http://[::ffff:10.0.0.1]/")), "/url"),
            (with("url", json!("http://169.254.169.254/latest")), "/url"),
            (with("url", json!(null)), "/url"),
            (with("types", json!(["member.added", "member.flew"])), "/types/1"),
            (with("types", json!("member.added")), "/types"),
            (with("name", json!("Mine")), "/name"),
            (with("organization", json!("cloud")), "/organization"),
            (json!({"organization": "ext:cloud"}), "/url"),
        ] {
            let told = anna.post(ALL, asked).await.refused(422, "invalid");
            assert_eq!(told["errors"][0]["pointer"], pointer, "{told}");
        }
        let id = made(&anna, body("ext:cloud")).await;
        let private = json!({"url": "https://10.1.2.3/"});
        anna.patch(&format!("{ALL}/{id}"), private).await.refused(422, "invalid");
        anna.patch(&format!("{ALL}/{id}"), json!({"url": null})).await.refused(422, "invalid");
        anna.get(&format!("{ALL}/key_1")).await.refused(422, "invalid");
        let long = json!({"overlap_seconds": 2_592_001});
        anna.post(&format!("{ALL}/{id}/rotate-secret"), long).await.refused(422, "invalid");
        for _ in 1..20 {
            made(&anna, body("ext:cloud")).await;
        }
        anna.post(ALL, body("ext:cloud")).await.refused(422, "invalid");
        anna.delete(&format!("{ALL}/{id}")).await.is(204);
        made(&anna, body("ext:cloud")).await;
    }
}

/// Sent again with its idempotency key, a webhook is made once and its secret answered again.
#[tokio::test]
async fn x2_a_webhook_asked_for_twice_is_made_once() {
    for store in selected() {
        let world = World::on(store).await;
        for (caller, asked) in [
            (world.person("anna"), body("ext:cloud")),
            (world.operator(), json!({"url": "https://example.com/", "organization": null})),
        ] {
            let caller = caller.with("idempotency-key", "k1");
            let first = caller.post(ALL, asked.clone()).await.is(201);
            let again = caller.post(ALL, asked.clone()).await;
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(again.is(201), first);
            let mut another = asked;
            another["url"] = json!("https://example.com/other");
            caller.post(ALL, another).await.refused(422, "idempotency_mismatch");
        }
        assert_eq!(ids(&world.operator(), "").await.len(), 2);
    }
}

/// L6: a webhook belongs to its organization: it stays when its maker goes, and their plan says so.
#[tokio::test]
async fn l6_a_leavers_webhooks_stay_and_stand_in_the_plan() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let asked = json!({"url": receiver.url(), "organization": "ext:cloud"});
        let id = made(&world.person("anna"), asked).await;
        made(&world.person("olga"), body("ext:cloud")).await;
        let plan = format!("{CLOUD}/members/ext:anna/leaving-plan");
        let shown = world.person("olga").get(&plan).await.is(200);
        assert_eq!(shown["webhooks"], json!([world.operator().get(&format!("{ALL}/{id}")).await.is(200)]));
        let viewed = world.service.bearer(&world.viewer_key).get(&plan).await.is(200);
        assert_eq!(viewed["webhooks"], json!([]), "a viewer manages none");
        world.person("olga").delete(&format!("{CLOUD}/members/ext:anna")).await.is(200);
        send_all(&world.service.roster).await;
        let kinds = receiver.kinds();
        assert!(kinds.contains(&"member.removed".to_owned()), "{kinds:?}");
        world.person("anna").get(&format!("{ALL}/{id}")).await.refused(404, "not_found");
    }
}

/// O7: what a closed organization has is over.
#[tokio::test]
async fn o7_a_closed_organizations_webhook_sends_nothing() {
    for store in selected() {
        let (world, receiver) = (World::with_webhooks(store).await, Receiver::start().await);
        let olga = world.person("olga");
        let id = made(&olga, json!({"url": receiver.url(), "organization": "ext:cloud"})).await;
        olga.call(http::Method::DELETE, CLOUD, Some(json!({"confirm": true}))).await.is(204);
        send_all(&world.service.roster).await;
        assert_eq!(receiver.kinds(), [] as [String; 0]);
        olga.get(&format!("{ALL}/{id}")).await.refused(404, "not_found");
        let patched = world.operator().patch(&format!("{ALL}/{id}"), json!({"types": []})).await;
        patched.refused(409, "organization_closed");
        let asked = world.operator().post(ALL, body("ext:cloud")).await;
        asked.refused(409, "organization_closed");
    }
}

/// Two at once: the most that there may be is kept.
#[tokio::test]
async fn x2_the_cap_holds_against_many_at_once() {
    for store in selected() {
        let world = Arc::new(World::on(store).await);
        let asked = (0..24).map(|_| {
            let world = Arc::clone(&world);
            async move { world.person("anna").post(ALL, body("ext:cloud")).await.status.as_u16() }
        });
        let answers = futures::future::join_all(asked).await;
        let made = answers.iter().filter(|status| **status == 201).count();
        assert!(answers.iter().all(|status| [201, 409, 422].contains(status)), "{answers:?}");
        assert_eq!(ids(&world.person("anna"), "?limit=200").await.len(), made);
        assert!(made <= 20);
    }
}
