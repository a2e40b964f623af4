//! Every kind of job with its worker dying at every commit, and with two workers where one wakes up too late: the next
//! one takes over, every step is done once, and the results are those of a worker that lived.

crate::on_every_store! {
    x3_whenever_the_worker_dies_another_ends_the_job
}

mod cases {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use roster_core::log::LogFilter;
    use roster_core::op::Roster;
    use roster_tests::crash::{Afterwards, Crash, Loss};
    use roster_tests::gate::Between;
    use roster_tests::http::{Service, text};
    use serde_json::{Value, json};

    use crate::{add, is_clean, organization, results, upload, worker};

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Everywhere,
        Bulk,
        Import,
        Erase,
    }

    /// A job that is asked for, with something to refuse.
    async fn asked(service: &Service, kind: Kind) -> Value {
        let one = organization(service, "one", None).await;
        let two = organization(service, "two", None).await;
        let ada = text(&add(service, &one, "ada@example.com", "viewer").await.is(201), "/user_id");
        add(service, &two, "ada@example.com", "viewer").await.is(201);
        let operator = service.operator();
        match kind {
            Kind::Everywhere => {
                let own = json!({"name": "Own", "owner": {"email": "ada@example.com"}});
                operator.post("/v1/organizations", own).await.is(201);
                operator.delete(&format!("/v1/users/{ada}/accounts")).await.is(202)
            }
            Kind::Bulk => {
                let users = json!([ada, "ext:nobody", ada]);
                let body = json!({"action": "remove", "users": users});
                operator.post(&format!("/v1/organizations/{one}/members/bulk"), body).await.is(202)
            }
            Kind::Import => {
                let file = "email,account_external_id,role\nbob@example.com,north,member\n\
                    ada@example.com,north,viewer\ncyd@example.com,nowhere,viewer\n";
                upload(service, &format!("/v1/organizations/{one}/imports"), file).await.is(202)
            }
            Kind::Erase => {
                let path = format!("/v1/users/{ada}/erase");
                operator.post(&path, json!({"confirm": true})).await.is(202)
            }
        }
    }

    /// What can be compared between two runs: nothing but what the job did, by kinds of events.
    async fn told(service: &Service, accepted: &Value) -> (Value, Vec<Value>, Vec<String>) {
        let id = text(accepted, "/job/id");
        let job = service.operator().get(&format!("/v1/jobs/{id}")).await.is(200);
        let outcomes = results(service, &job).await;
        let outcomes = outcomes.iter().map(|row| json!([row["line"], row["status"], row["code"]])).collect();
        let mut actions = Vec::new();
        let organizations = service.operator().get("/v1/organizations").await.is(200);
        for organization in organizations["data"].as_array().unwrap() {
            let path = format!("/v1/organizations/{}/audit?limit=200", text(organization, "/id"));
            let trail = service.operator().get(&path).await.is(200);
            actions.extend(trail["data"].as_array().unwrap().iter().map(|event| text(event, "/action")));
        }
        actions.sort();
        (json!([job["status"], job["summary"], job["progress"]]), outcomes, actions)
    }

    /// Whether an address stands anywhere in the store, in what a home is called too.
    async fn is_named(service: &Service, address: &str) -> bool {
        let store = &service.roster.store;
        for home in store.homes(None, 10_000).await.unwrap() {
            let mut all = format!("{home} {:?}", store.dump(&home).await.unwrap());
            if home.has_log() {
                for logged in store.log(&home, 0, 10_000, &LogFilter::ALL).await.unwrap() {
                    write!(all, "{} {:?}", String::from_utf8_lossy(&logged.body), logged.personal).unwrap();
                }
            }
            if all.contains(address) {
                return true;
            }
        }
        false
    }

    /// A service with the job asked for, and a worker whose store is cut off at the n-th commit; how many it made.
    async fn one_life(store: &str, kind: Kind, crash: &Arc<Crash>) -> (Service, Value) {
        let service = Service::on(store).await;
        let accepted = asked(&service, kind).await;
        let below = Between::new(Arc::clone(&service.roster.store), Arc::<Crash>::clone(crash));
        let dying = Roster { store: below, ..service.roster.clone() };
        let _dead = worker(&dying).work_off().await;
        (service, accepted)
    }

    pub async fn x3_whenever_the_worker_dies_another_ends_the_job(store: &str) {
        for kind in [Kind::Everywhere, Kind::Bulk, Kind::Import, Kind::Erase] {
            let whole = Crash::never();
            let (service, accepted) = one_life(store, kind, &whole).await;
            let expected = told(&service, &accepted).await;
            let ended = if matches!(kind, Kind::Erase) { "completed" } else { "completed_with_conflicts" };
            assert_eq!(expected.0[0], ended, "{expected:?}");
            for n in 0..whole.commits() {
                for loss in [Loss::Commit, Loss::Answer] {
                    let crash = Crash::at(n, loss, Afterwards::Down);
                    let (service, accepted) = one_life(store, kind, &crash).await;
                    // Nobody takes over before the lease has ended.
                    service.test.clock.advance_seconds(31);
                    worker(&service.roster).work_off().await.unwrap();
                    let found = told(&service, &accepted).await;
                    assert_eq!(found, expected, "{kind:?}, cut off at commit {n} ({loss:?})");
                    is_clean(&service).await;
                    let named = matches!(kind, Kind::Erase) && is_named(&service, "ada@example.com").await;
                    assert!(!named, "cut off at commit {n} ({loss:?}): L5");
                }
            }
        }
    }
}
