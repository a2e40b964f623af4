//! Jobs on every store: what they do, that each step is done once however workers die, and that they end (rule X3).
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod bulk;
mod cards;
mod cut_short;
mod due;
mod dying;
mod everywhere;
mod import;
mod meanwhile;
mod queue;
mod records;
mod unswept;

use std::sync::Arc;

use http::Method;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::find_job;
use roster_core::jobs::Worker;
use roster_core::op::Roster;
use roster_core::verify::verify_all;
use roster_tests::http::{Reply, Service, text};
use serde_json::{Value, json};

/// A worker on a service's store.
fn worker(roster: &Roster) -> Worker {
    Worker::new(roster.clone(), Arc::default())
}

/// Does what there is to do, and shows the job.
async fn done(service: &Service, accepted: &Value) -> Value {
    worker(&service.roster).work_off().await.unwrap();
    let id = text(accepted, "/job/id");
    let asked = Request::new(Actor::CLI, service.roster.entropy.as_ref());
    let job = find_job(&service.roster, &asked, id.parse().unwrap()).await.unwrap();
    assert!(job.status.is_finished(), "{:?}", job.failure);
    service.operator().get(&format!("/v1/jobs/{id}")).await.is(200)
}

/// Everything that came of a job's items.
async fn results(service: &Service, job: &Value) -> Vec<Value> {
    let id = text(job, "/id");
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.operator().get(&format!("/v1/jobs/{id}/results?limit=70{cursor}")).await.is(200);
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// No invariant is broken.
async fn is_clean(service: &Service) {
    let verdict = verify_all(&service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// An organization `ext:NAME` with an owner of its own and the account `ext:north`.
async fn organization(service: &Service, name: &str, purchased: Option<u32>) -> String {
    let body = json!({
        "name": name, "external_id": name, "owner": {"email": format!("owner@{name}.test")},
        "seats": {"purchased": purchased}, "accounts": [{"name": "North", "external_id": "north"}],
    });
    text(&service.operator().post("/v1/organizations", body).await.is(201), "/id")
}

async fn add(service: &Service, organization: &str, email: &str, role: &str) -> Reply {
    let access = json!({"type": "organization", "role": role});
    let path = format!("/v1/organizations/{organization}/members");
    service.operator().post(&path, json!({"email": email, "access": access})).await
}

/// Whether a check is granted, and why or why not.
async fn check(service: &Service, organization: &str, user: &str) -> String {
    let ask = json!({"user": user, "permission": "members:read", "organization": organization});
    text(&service.operator().post("/v1/check", ask).await.is(200), "/reason")
}

async fn upload(service: &Service, path: &str, file: &str) -> Reply {
    service.operator().with("content-type", "text/csv").send(Method::POST, path, file.into()).await
}

/// A test on every store that is tested.
macro_rules! on_every_store {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for store in roster_tests::stores::selected() {
                println!("on {store}");
                cases::$name(store).await;
            }
        }
    )*};
}
use on_every_store;
