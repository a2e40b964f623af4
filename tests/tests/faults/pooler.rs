//! Postgres behind pgbouncer in session mode: the core of a store's contract, and a day's work over HTTP.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::op::Roster;
use roster_core::store::StoreClock;
use roster_core::verify::verify_all;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::conformance;
use roster_tests::http::Service;
use roster_tests::private_server::pgbouncer::Pgbouncer;
use roster_tests::replicas::server_of;
use roster_tests::stores::{CountingEntropy, FINGERPRINT, TestStore, fresh, selected};
use serde_json::json;

async fn pooler() -> Option<Pgbouncer> {
    if !selected().contains(&"postgres") {
        return None;
    }
    let test = fresh("postgres").await;
    let url: reqwest::Url = test.database.as_ref().unwrap().url().parse().unwrap();
    let (server, user) = (server_of(&test).await, url.username());
    // Where the server asks for none, it does not mind one.
    let password = url.password().unwrap_or("none");
    let (host, port) = (server.ip(), server.port());
    let words = format!("host={host} port={port} user={user} password={password}");
    Some(Pgbouncer::before(&words))
}

/// A fresh store that is reached through the pooler alone.
async fn behind(pooler: &Pgbouncer) -> TestStore {
    let mut test = fresh("postgres").await;
    let url = pooler.url(test.database.as_ref().unwrap().name());
    let config = PostgresConfig {
        connections: 4,
        acquire_timeout: Duration::from_secs(30),
        ..PostgresConfig::new(url, FINGERPRINT)
    };
    let store = PostgresStore::open(config, StoreClock::Given(test.clock.clone())).await;
    test.store = Arc::new(store.unwrap());
    test
}

macro_rules! in_turn {
    ($pooler:expr, $($module:ident: $($case:ident)+;)+) => {
        $($(
            println!(concat!(stringify!($module), "::", stringify!($case)));
            let test = behind($pooler).await;
            Box::pin(conformance::$module::$case(&test)).await;
        )+)+
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_core_of_the_contract_holds_through_a_pooler_in_session_mode() {
    let Some(pooler) = pooler().await else {
        return;
    };
    in_turn! {
        &pooler,
        commits:
            a_change_set_applies_wholly_or_not_at_all
            the_same_id_is_applied_once
            refusals_come_in_the_order_of_the_contract
            guards_hold_present_keys_to_their_version
            tallies_stay_within_their_ranges
            writes_apply_in_order;
        batches:
            commit_all_answers_each_set_by_itself
            commit_all_takes_more_than_one_transaction_carries;
        logs:
            the_log_is_dense_and_chained;
        reads:
            every_kind_of_record_comes_back_as_it_was
            a_dump_holds_everything_but_the_log;
        access:
            access_answers_what_is_asked_and_nothing_else;
        listings:
            members_are_listed_as_in_memory;
        races:
            one_of_many_with_the_same_guard_wins
            one_of_many_takes_the_last_place
            a_read_is_of_one_instant
            a_commit_goes_on_without_its_caller;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_works_through_a_pooler_in_session_mode() {
    let Some(pooler) = pooler().await else {
        return;
    };
    let test = behind(&pooler).await;
    let entropy = Arc::new(CountingEntropy::new(test.clock.clone()));
    let roster = Roster::new(Arc::clone(&test.store), entropy);
    let service = Service::over(test, roster).await;
    let operator = service.operator();
    let owner = json!({"email": "olga@example.com", "external_id": "olga"});
    let body = json!({"name": "Cloud", "external_id": "cloud", "owner": owner});
    operator.post("/v1/organizations", body).await.is(201);
    let members = "/v1/organizations/ext:cloud/members";
    let adds = (0..20).map(|n| {
        let access = json!({"type": "organization", "role": "viewer"});
        let body =
            json!({"email": format!("p{n}@example.com"), "external_id": format!("p{n}"), "access": access});
        operator.post(members, body)
    });
    for added in join_all(adds).await {
        added.is(201);
    }
    let check = json!({"user": "ext:p7", "permission": "members:read", "organization": "ext:cloud"});
    assert_eq!(operator.post("/v1/check", check.clone()).await.is(200)["allowed"], true);
    operator.delete(&format!("{members}/ext:p7")).await.is(200);
    assert_eq!(operator.post("/v1/check", check).await.is(200)["allowed"], false);
    let list = operator.get(&format!("{members}?limit=100")).await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 20);
    let verdict = verify_all(&service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}
