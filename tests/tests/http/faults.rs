//! A store that fails: nobody is let in, and nothing internal is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind};
use roster_tests::gate::{Between, Hook};
use roster_tests::http::{Service, text};
use roster_tests::stores::{CountingEntropy, fresh};
use serde_json::json;

#[derive(Debug, Default)]
struct Switch {
    reads_fail: AtomicBool,
    commits_fail: AtomicBool,
}

fn failure(kind: StoreErrorKind) -> StoreError {
    StoreError { kind, operation: "read", detail: "connection to 10.0.0.7 refused: secret".into() }
}

#[async_trait]
impl Hook for Switch {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        if self.commits_fail.load(Ordering::SeqCst) {
            return Err(failure(StoreErrorKind::OutcomeUnknown).into());
        }
        store.commit(changes).await
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        if self.reads_fail.load(Ordering::SeqCst) {
            Err(failure(StoreErrorKind::Unavailable))
        } else {
            Ok(())
        }
    }
}

async fn service(switch: &Arc<Switch>) -> Service {
    let test = fresh("memory").await;
    let store = Between::new(Arc::clone(&test.store), Arc::clone(switch) as Arc<dyn Hook>);
    let roster = Roster::new(store, Arc::new(CountingEntropy::new(Arc::clone(&test.clock))));
    Service::over(test, roster).await
}

#[tokio::test]
async fn a_store_that_does_not_answer_lets_nobody_in() {
    let switch = Arc::new(Switch::default());
    let service = service(&switch).await;
    let operator = service.operator();
    let body = json!({"name": "Cloud", "external_id": "cloud", "owner": {"email": "olga@example.com", "external_id": "olga"}});
    operator.post("/v1/organizations", body).await.is(201);
    operator.get("/readyz").await.is(200);
    switch.reads_fail.store(true, Ordering::SeqCst);
    let check = json!({"user": "ext:olga", "permission": "members:read", "organization": "ext:cloud"});
    for reply in [
        operator.post("/v1/check", check.clone()).await,
        operator.get("/v1/organizations/ext:cloud").await,
        operator.delete("/v1/organizations/ext:cloud/members/ext:olga").await,
        service.user("ext:olga").get("/v1/me").await,
    ] {
        assert_eq!(reply.header("retry-after"), Some("1"));
        let problem = reply.refused(503, "store_unavailable");
        assert!(
            !problem.to_string().contains("10.0.0.7") && !problem.to_string().contains("secret"),
            "{problem}"
        );
    }
    assert_eq!(operator.get("/readyz").await.status, 503);
    service.nobody().get("/healthz").await.is(200);
    service.nobody().get("/v1/me").await.refused(401, "unauthenticated");
    switch.reads_fail.store(false, Ordering::SeqCst);
    assert_eq!(operator.post("/v1/check", check).await.is(200)["allowed"], true);
}

#[tokio::test]
async fn a_lost_answer_is_said_to_be_lost() {
    let switch = Arc::new(Switch::default());
    let service = service(&switch).await;
    let operator = service.operator();
    let body = json!({"name": "Cloud", "external_id": "cloud", "owner": {"email": "olga@example.com"}});
    operator.post("/v1/organizations", body).await.is(201);
    switch.commits_fail.store(true, Ordering::SeqCst);
    let create = json!({"name": "West", "external_id": "west"});
    let caller = operator.clone().with("idempotency-key", "k");
    let path = "/v1/organizations/ext:cloud/accounts";
    caller.post(path, create.clone()).await.refused(503, "outcome_unknown");
    switch.commits_fail.store(false, Ordering::SeqCst);
    let made = caller.post(path, create.clone()).await.is(201);
    assert_eq!(text(&caller.post(path, create).await.is(201), "/id"), text(&made, "/id"));
}
