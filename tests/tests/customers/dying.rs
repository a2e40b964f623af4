//! The worker dying at every commit: what was acknowledged is neither lost nor doubled (rule G5).

use std::sync::Arc;

use async_trait::async_trait;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::home::Key;
use roster_core::ingest::replay;
use roster_core::model::customer::CustomerKey;
use roster_core::op::Roster;
use roster_core::rounds::make_round;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
use roster_core::verify::{repair_all, verify_all};
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::gate::{Between, Hook};
use roster_tests::http::text;
use serde_json::{Value, json};

use crate::{Customers, drain, selected};

/// Fails to take letters away.
#[derive(Debug)]
struct Keeping;

#[async_trait]
impl Hook for Keeping {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let is_letter =
            |write: &Write| matches!(write, Write::Remove(Key::Customer(CustomerKey::DeadLetter(_))));
        if changes.writes.iter().any(is_letter) {
            let (kind, detail) = (StoreErrorKind::Unavailable, "cut off".to_owned());
            return Err(StoreError { kind, operation: "commit", detail }.into());
        }
        store.commit(changes).await
    }
}

/// G4, T7: a letter that was put back, but not taken away, is put back again, and counts once: also where it was applied
/// between.
#[tokio::test]
async fn g4_a_replay_that_was_cut_off_counts_once() {
    for store in selected() {
        for between in [false, true] {
            let at = Customers::on(store).await;
            let operator = at.world.operator();
            at.says("/v1/track", json!({"userId": "mia", "event": "Opened", "messageId": "m"})).await;
            assert_eq!(at.dead().await, ["user_elsewhere"]);
            let joining = json!({"user": "ext:mia", "access": {"type": "accounts", "accounts": []}});
            operator.post("/v1/organizations/ext:cloud/members", joining).await.is(201);
            let roster = &at.service().roster;
            let cut = Roster {
                store: Between::new(Arc::clone(&roster.store), Arc::new(Keeping)),
                ..roster.clone()
            };
            let request = Request::new(Actor::CLI, roster.entropy.as_ref());
            let named = [text(&at.letters().await[0], "/id").parse().unwrap()];
            replay(&cut, &request, at.source.parse().unwrap(), &named).await.unwrap_err();
            if between {
                at.applied().await;
            }
            assert_eq!(at.replayed().await, json!(1));
            assert_eq!(at.dead().await, [""; 0]);
            let path = "/v1/organizations/ext:cloud/activity?user=ext:mia";
            let page = operator.get(path).await.is(200);
            assert_eq!(page["data"][0]["count"], json!(1), "{store}, {between}: {page}");
        }
    }
}

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

/// T2, T3: whoever dies between an act and the owner who follows leaves what `verify` finds, and repair or the hourly round
/// puts right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_an_owner_whom_a_death_has_left_behind_is_found_and_put_right() {
    const NORTH: &str = "/v1/organizations/ext:cloud/accounts/ext:north";
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, roster) = (at.world.operator(), &at.service().roster);
        crate::owners::maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        let names = |who: &str| json!({"traits": {"ownerId": who}});
        for joins in [true, false] {
            let (mut left_behind, mut n) = (0, 0);
            loop {
                let who = if joins { format!("p-{n}") } else { ["nils", "nora"][n % 2].to_owned() };
                operator.patch(NORTH, names(if joins { &who } else { "nobody" })).await.is(200);
                let crash = Crash::at(n, Loss::Commit, Afterwards::Down);
                let dying = at.service().behind(Arc::<Crash>::clone(&crash));
                let _dead = if joins {
                    let role = json!({"role": "viewer"});
                    operator.post("/v1/users", json!({"external_id": who})).await.is(201);
                    dying.operator().put(&format!("{NORTH}/members/ext:{who}"), role).await
                } else {
                    dying.operator().patch(NORTH, names(&who)).await
                };
                let north = at.account("north").await;
                let done = if joins {
                    at.role(&who, "north").await != Value::Null
                } else {
                    north["traits"]["ownerId"] == json!(who)
                };
                let follows = north["account_owner"]["state"] == "resolved";
                let findings = verify_all(roster, &mut |_| {}).await.unwrap().findings;
                let lags = findings.iter().any(|finding| finding.invariant == "owners");
                assert_eq!(lags, done && !follows, "{store}, {joins}, {n}: {findings:?}");
                left_behind += usize::from(lags);
                if joins {
                    repair_all(roster, &mut |_| {}).await.unwrap();
                } else {
                    assert_eq!(make_round(roster).await.unwrap().owners, usize::from(lags), "{store}, {n}");
                }
                let state = at.account("north").await["account_owner"]["state"].clone();
                assert_eq!(state == "resolved", done, "{store}, {joins}, {n}");
                if crash.commits() <= n {
                    break;
                }
                n += 1;
            }
            assert!(left_behind > 0, "{store}, {joins}");
        }
    }
}

/// G5: what waits since whoever was at it died is told, with its age, until another has applied it.
#[tokio::test]
async fn g5_what_waits_of_sources_is_told_with_its_age() {
    for store in selected() {
        let at = one_life(store, &Crash::at(1, Loss::Commit, Afterwards::Down)).await;
        let (worker, clock) = (drain(&at.service().api.roster), &at.world.test().clock);
        let told = async |sources: u32, seconds: &str| {
            // The first look sees, the second tells.
            for _ in 0..2 {
                worker.work_off().await.unwrap();
            }
            let metrics = at.service().nobody().get("/metrics").await.text;
            for line in [
                format!("roster_sources_waiting {sources}"),
                format!("roster_sources_oldest_waiting_seconds {seconds}"),
            ] {
                assert!(metrics.lines().any(|known| known == line), "{store}: {line}\n{metrics}");
            }
        };
        clock.advance_seconds(1);
        told(1, "1.0").await;
        clock.advance_seconds(4);
        told(0, "0.0").await;
    }
}
