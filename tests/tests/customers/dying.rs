//! The worker dying at every commit: what was acknowledged is neither lost nor doubled (rule G5).

use std::sync::Arc;

use roster_core::op::Roster;
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::gate::Between;
use roster_tests::http::text;
use serde_json::{Value, json};

use crate::{Customers, drain, selected};

/// Everything that there is to apply, in two requests.
async fn told(at: &Customers) {
    let first = json!([
        {"type": "identify", "userId": "zoe", "messageId": "1", "traits": {"email": "zoe@example.com", "plan": "pro"}},
        {"type": "group", "userId": "zoe", "groupId": "delta", "messageId": "2", "traits": {"mrr": 1}},
        {"type": "track", "userId": "zoe", "event": "Opened", "messageId": "3"},
        {"type": "track", "userId": "zoe", "event": "Opened", "messageId": "4"},
        {"type": "alias", "userId": "anna", "previousId": "max", "messageId": "5"},
    ]);
    at.sender().post("/v1/batch", json!({ "batch": first })).await.is(200);
    let unlink = json!({"userId": "nils", "accountId": "south", "messageId": "6"});
    at.sender().post("/analytics/v1/unlink", unlink).await.is(200);
}

/// What can be compared between two runs.
async fn found(at: &Customers) -> Value {
    let zoe = at.user("zoe").await.is(200);
    let page = at.world.operator().get("/v1/organizations/ext:cloud/audit?limit=200").await.is(200);
    let mut actions: Vec<String> =
        page["data"].as_array().unwrap().iter().map(|row| text(row, "/action")).collect();
    actions.sort();
    let users =
        at.world.operator().get("/v1/users?limit=200").await.is(200)["data"].as_array().unwrap().len();
    json!({
        "traits": zoe["traits"], "delta": at.account("delta").await["traits"], "role": at.role("zoe", "delta").await,
        "nils": at.role("nils", "south").await, "dead": at.dead().await, "actions": actions, "users": users,
    })
}

async fn one_life(store: &str, crash: &Arc<Crash>) -> Customers {
    let at = Customers::on(store).await;
    told(&at).await;
    let below = Between::new(Arc::clone(&at.service().roster.store), Arc::<Crash>::clone(crash));
    let dying = Roster { store: below, ..at.service().roster.clone() };
    let _dead = drain(&dying).work_off().await;
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_whenever_the_worker_dies_nothing_is_lost_or_doubled() {
    for store in selected() {
        let whole = Crash::never();
        let at = one_life(store, &whole).await;
        let expected = found(&at).await;
        assert_eq!(expected["dead"], json!(["alias_of_two_users"]));
        assert_eq!(expected["role"], json!("member"));
        assert!(whole.commits() > 10);
        // What a store does at a commit is the same at each of them; in memory all are tried.
        let step = if store == "memory" { 1 } else { 9 };
        for n in (0..whole.commits()).step_by(step) {
            for loss in [Loss::Commit, Loss::Answer] {
                let crash = Crash::at(n, loss, Afterwards::Down);
                let at = one_life(store, &crash).await;
                at.world.test().clock.advance_seconds(4);
                at.applied().await;
                assert_eq!(found(&at).await, expected, "{store}, cut off at commit {n} ({loss:?})");
                at.is_clean().await;
            }
        }
    }
}
