//! What the process counts: names and labels after real requests, and nothing that a client sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use roster_core::home::{Home, Key, Record};
use roster_core::jobs::Worker;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, Write};
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::gate::{Between, Hook};
use roster_tests::http::Service;
use roster_tests::stores::{CountingEntropy, fresh, selected};
use roster_tests::world::World;
use serde_json::json;

const CLOUD: &str = "/v1/organizations/ext:cloud";

/// Names of series, each with the names of its labels.
const SERIES: [(&str, &[&str]); 27] = [
    ("process_start_time_seconds", &[]),
    ("roster_build_info", &["version"]),
    ("roster_conflicts_total", &["operation"]),
    ("roster_denials_total", &["code", "operation"]),
    ("roster_http_request_duration_seconds_bucket", &["le", "method", "route", "status"]),
    ("roster_http_request_duration_seconds_count", &["method", "route", "status"]),
    ("roster_http_request_duration_seconds_sum", &["method", "route", "status"]),
    ("roster_http_requests_total", &["method", "route", "status"]),
    ("roster_job_attempts_total", &["kind"]),
    ("roster_job_retries_total", &["kind"]),
    ("roster_jobs_finished_total", &["kind", "outcome"]),
    ("roster_jobs_oldest_waiting_seconds", &["kind"]),
    ("roster_jobs_running", &["kind"]),
    ("roster_jobs_waiting", &["kind"]),
    ("roster_mail_oldest_waiting_seconds", &[]),
    ("roster_mail_waiting", &[]),
    ("roster_refusals_total", &["code"]),
    ("roster_retries_total", &["operation"]),
    ("roster_seats_refused_total", &["operation"]),
    ("roster_sources_oldest_waiting_seconds", &[]),
    ("roster_sources_waiting", &[]),
    ("roster_store_call_duration_seconds_bucket", &["call", "le", "outcome"]),
    ("roster_store_call_duration_seconds_count", &["call", "outcome"]),
    ("roster_store_call_duration_seconds_sum", &["call", "outcome"]),
    ("roster_store_calls_total", &["call", "outcome"]),
    ("roster_webhook_deliveries_pending", &[]),
    ("roster_webhook_oldest_pending_seconds", &[]),
];

/// A series, its labels, its value as it stands.
type Line = (String, BTreeMap<String, String>, String);

/// Everything scraped.
async fn scrape(service: &Service) -> Vec<Line> {
    let reply = service.nobody().get("/metrics").await;
    assert_eq!(reply.status.as_u16(), 200);
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(reply.text.ends_with("# EOF\n"));
    let lines = reply.text.lines().filter(|line| !line.starts_with('#'));
    lines.map(parse).collect()
}

fn parse(line: &str) -> Line {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap().trim_end_matches(',');
    let label = |pair: &str| {
        let (name, value) = pair.split_once("=\"").unwrap();
        (name.to_owned(), value.strip_suffix('"').unwrap().to_owned())
    };
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(label).collect();
    (name.to_owned(), labels, value.to_owned())
}

/// The sum of a counter over all lines with some labels.
fn value(scraped: &[Line], name: &str, labels: &[(&str, &str)]) -> u64 {
    let fits = |found: &BTreeMap<String, String>| {
        labels.iter().all(|(name, value)| found.get(*name).is_some_and(|found| found == value))
    };
    scraped
        .iter()
        .filter(|(known, found, _)| known == name && fits(found))
        .map(|(.., value)| value.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn requests_store_calls_and_refusals_are_counted() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator.get("/v1/users/ext:nora").await.is(200);
        operator.get("/v1/users/ext:nora").await.is(200);
        operator.get("/v1/users/ext:private-name").await.refused(404, "not_found");
        operator.get("/v1/secret/path?token=private").await.refused(404, "not_found");
        let seats = operator.get(&format!("{CLOUD}/seats")).await.is(200);
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats["used"]})).await.is(200);
        let body =
            json!({"email": "private@example.com", "access": {"type": "organization", "role": "viewer"}});
        operator.post(&format!("{CLOUD}/members"), body).await.refused(409, "no_seat");
        operator.delete(&format!("{CLOUD}/members/ext:olga")).await.refused(409, "owner_must_transfer");
        let scraped = scrape(&world.service).await;
        let user = [("method", "GET"), ("route", "/v1/users/{user}"), ("status", "200")];
        assert_eq!(value(&scraped, "roster_http_requests_total", &user), 2);
        assert_eq!(value(&scraped, "roster_http_request_duration_seconds_count", &user), 2);
        let unmatched = [("route", "unmatched"), ("status", "404")];
        assert_eq!(value(&scraped, "roster_http_requests_total", &unmatched), 1);
        assert_eq!(value(&scraped, "roster_refusals_total", &[("code", "no_seat")]), 1);
        assert_eq!(value(&scraped, "roster_seats_refused_total", &[]), 1);
        let owner = [("operation", "RemoveMember"), ("code", "owner_must_transfer")];
        assert_eq!(value(&scraped, "roster_denials_total", &owner), 1);
        for call in ["read", "commit", "list"] {
            assert!(value(&scraped, "roster_store_calls_total", &[("call", call), ("outcome", "ok")]) > 0);
        }
        let began = scraped.iter().find(|(name, ..)| name == "process_start_time_seconds").unwrap();
        assert_eq!(began.2, "1798761600.0");
        assert_eq!(value(&scraped, "roster_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1);
        check_labels(&scraped);
    }
}

/// Each row of an import that is refused counts once, whatever it is refused for; a dry run refuses nobody.
#[tokio::test]
async fn refused_rows_of_imports_are_counted_once() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let worker = Worker::new(world.service.api.roster.clone(), Arc::default());
        let rows = |rows: &str| format!("email,account_external_id,role\n{rows}").into_bytes();
        let import = async |dry_run: bool, file: Vec<u8>| {
            let path = format!("{CLOUD}/imports?dry_run={dry_run}");
            let csv = operator.clone().with("content-type", "text/csv");
            csv.send(http::Method::POST, &path, file).await.is(202);
            worker.work_off().await.unwrap();
        };
        let mixed =
            rows("a@example.com,nowhere,member\nb@example.com,north,owner\nc@example.com,north,wizard\n");
        import(true, mixed.clone()).await;
        let denied = |scraped: &[Line], code: &str| {
            value(scraped, "roster_denials_total", &[("operation", "SetRole"), ("code", code)])
        };
        assert_eq!(value(&scrape(&world.service).await, "roster_denials_total", &[]), 0);
        import(false, mixed).await;
        let scraped = scrape(&world.service).await;
        let counted = ["not_found", "owner_by_transfer_only", "invalid"].map(|code| denied(&scraped, code));
        assert_eq!(counted, [1, 1, 1], "on {store}");
        let seats = operator.get(&format!("{CLOUD}/seats")).await.is(200);
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats["used"]})).await.is(200);
        import(false, rows("d@example.com,north,member\ne@example.com,north,member\n")).await;
        let scraped = scrape(&world.service).await;
        assert_eq!((denied(&scraped, "no_seat"), value(&scraped, "roster_seats_refused_total", &[])), (2, 2));
        check_labels(&scraped);
    }
}

/// Each series has the labels that are documented, and no label tells of what a client sent.
fn check_labels(scraped: &[Line]) {
    let document = roster_api::openapi::document();
    let mut routes: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    routes.extend(["unmatched", "/docs", "/docs/", "/docs/{*rest}"]);
    for (name, _) in SERIES.iter().filter(|(_, labels)| labels.is_empty()) {
        assert!(scraped.iter().any(|(known, ..)| known == name), "{name} is not told");
    }
    for (name, labels, _) in scraped {
        let names: Vec<&str> = labels.keys().map(String::as_str).collect();
        let known = SERIES.iter().find(|(known, _)| known == name);
        assert_eq!(known.map(|(_, labels)| *labels), Some(names.as_slice()), "{name}");
        for (label, value) in labels {
            assert!(
                !value.contains("private") && !value.contains('@') && !value.contains("_0"),
                "{label}={value}"
            );
            if label == "route" {
                assert!(routes.contains(value.as_str()), "{value} is no template");
            }
        }
    }
}

/// Loses the race for some commits to the home of a user, and for some of a job's outcomes.
#[derive(Debug)]
struct Losing(AtomicU32, AtomicU32);

#[async_trait]
impl Hook for Losing {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let outcome = |write: &Write| matches!(write, Write::Put(Record::Job(job)) if job.done > 0);
        let left = match changes.home {
            Home::User(_) => &self.0,
            Home::Organization(_) if changes.writes.iter().any(outcome) => &self.1,
            _ => return store.commit(changes).await,
        };
        let lose = |left: u32| left.checked_sub(1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose) {
            Ok(_) => Err(CommitError::Conflict(Key::User)),
            Err(_) => store.commit(changes).await,
        }
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn conflicts_and_retries_are_counted_by_operation() {
    let test = fresh("memory").await;
    let losing = Arc::new(Losing(AtomicU32::new(0), AtomicU32::new(0)));
    let store = Between::new(Arc::clone(&test.store), Arc::clone(&losing) as Arc<dyn Hook>);
    let roster = Roster::new(store, Arc::new(CountingEntropy::new(Arc::clone(&test.clock))));
    let service = Service::over(test, roster).await;
    let operator = service.operator();
    operator.post("/v1/users", json!({"email": "ada@example.com", "external_id": "ada"})).await.is(201);
    losing.0.store(2, Ordering::SeqCst);
    operator.patch("/v1/users/ext:ada", json!({"name": "Ada"})).await.is(200);
    losing.0.store(5, Ordering::SeqCst);
    operator.patch("/v1/users/ext:ada", json!({"name": "Ada L"})).await.refused(409, "conflict");
    let scraped = scrape(&service).await;
    let update = [("operation", "UpdateUser")];
    assert_eq!(value(&scraped, "roster_conflicts_total", &update), 7);
    assert_eq!(value(&scraped, "roster_retries_total", &update), 6);
    assert_eq!(
        value(&scraped, "roster_store_calls_total", &[("call", "commit"), ("outcome", "conflict")]),
        7
    );
    let denied = [("operation", "UpdateUser"), ("code", "conflict")];
    assert_eq!(value(&scraped, "roster_denials_total", &denied), 1);
    // What a job does on an item goes by the name of the act.
    operator
        .post(
            "/v1/organizations",
            json!({"name": "One", "external_id": "one", "owner": {"external_id": "ada"}}),
        )
        .await
        .is(201);
    let bulk = json!({"action": "deactivate", "users": ["ext:ada"]});
    operator.post("/v1/organizations/ext:one/members/bulk", bulk).await.is(202);
    losing.1.store(2, Ordering::SeqCst);
    Worker::new(service.api.roster.clone(), Arc::default()).work_off().await.unwrap();
    let scraped = scrape(&service).await;
    let act = [("operation", "DeactivateMember")];
    assert_eq!(value(&scraped, "roster_conflicts_total", &act), 2);
    assert_eq!(value(&scraped, "roster_retries_total", &act), 2);
    check_labels(&scraped);
}

/// Jobs that are asked for, taken, left for another attempt, stopped and done: how many of a kind wait and for how long, and
/// how they ended.
#[tokio::test]
async fn x3_jobs_are_counted_by_kind_and_by_how_they_ended() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, api) = (world.operator(), &world.service.api);
        let body = json!({"action": "deactivate", "users": ["ext:max", "ext:olga"]});
        let path = format!("{CLOUD}/members/bulk");
        operator.post(&path, body.clone()).await.is(202);
        world.test().clock.advance_seconds(7);
        // It is taken, then the store fails.
        let crash = Crash::at(1, Loss::Commit, Afterwards::Up);
        let failing = Between::new(Arc::clone(&api.roster.store), crash);
        let worker = Worker::new(Roster { store: failing, ..api.roster.clone() }, Arc::default());
        worker.work_off().await.unwrap();
        let bulk = [("kind", "bulk")];
        let count = async |name: &str| value(&scrape(&world.service).await, name, &bulk);
        let oldest = async || {
            let scraped = scrape(&world.service).await;
            let of_bulk =
                |labels: &BTreeMap<String, String>| labels.get("kind").is_some_and(|it| it == "bulk");
            let found = scraped
                .iter()
                .find(|(name, labels, _)| name == "roster_jobs_oldest_waiting_seconds" && of_bulk(labels));
            found.unwrap().2.parse::<f64>().unwrap()
        };
        assert_eq!(count("roster_jobs_waiting").await, 1, "{store}");
        assert!((7.0..8.0).contains(&oldest().await), "{store}: {}", oldest().await);
        assert_eq!(count("roster_job_attempts_total").await, 1);
        assert_eq!(count("roster_job_retries_total").await, 0);
        assert_eq!(count("roster_jobs_running").await, 0);
        assert_eq!(value(&scrape(&world.service).await, "roster_jobs_finished_total", &[]), 0);

        world.test().clock.advance_seconds(3);
        worker.work_off().await.unwrap();
        assert_eq!(count("roster_jobs_waiting").await, 0);
        assert!(oldest().await < 0.001);
        assert_eq!(count("roster_job_attempts_total").await, 2);
        assert_eq!(count("roster_job_retries_total").await, 1);
        let stopped = operator.post(&path, body).await.is(202);
        let stop = format!("/v1/jobs/{}/cancel", stopped["job"]["id"].as_str().unwrap());
        operator.post(&stop, json!({})).await.is(200);
        worker.work_off().await.unwrap();
        let ended = async |outcome: &str| {
            let labels = [("kind", "bulk"), ("outcome", outcome)];
            value(&scrape(&world.service).await, "roster_jobs_finished_total", &labels)
        };
        assert_eq!((ended("completed_with_conflicts").await, ended("cancelled").await), (1, 1));
        // What an act on an item is refused is counted under its own name.
        let owner = [("operation", "DeactivateMember"), ("code", "owner_must_transfer")];
        assert_eq!(value(&scrape(&world.service).await, "roster_denials_total", &owner), 1);
        assert_eq!(value(&scrape(&world.service).await, "roster_jobs_finished_total", &[]), 2);
        check_labels(&scrape(&world.service).await);
    }
}
