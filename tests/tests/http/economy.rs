//! How often one request asks the store; and that the short way to an answer leads to the same answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError};
use roster_tests::gate::{Between, Hook};
use roster_tests::http::{Service, text};
use roster_tests::stores::{CountingEntropy, fresh, selected};
use roster_tests::world::World;
use serde_json::{Value, json};

/// Counts what goes by.
#[derive(Debug, Default)]
pub(super) struct Counter {
    reads: AtomicUsize,
    commits: AtomicUsize,
}

impl Counter {
    /// Since it was asked last.
    pub(super) fn take(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.commits.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Hook for Counter {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        store.commit(changes).await
    }

    async fn before_read(&self) -> Result<(), StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn counted(counter: &Arc<Counter>) -> Service {
    let test = fresh("memory").await;
    let roster = Roster::new(
        Between::new(Arc::clone(&test.store), Arc::clone(counter) as Arc<dyn Hook>),
        Arc::new(CountingEntropy::new(Arc::clone(&test.clock))),
    );
    Service::over(test, roster).await
}

#[tokio::test]
async fn a_request_by_a_key_asks_the_store_as_seldom_as_it_can() {
    let counter = Arc::new(Counter::default());
    let service = counted(&counter).await;
    let operator = service.operator();
    let owner = json!({"email": "olga@example.com", "external_id": "olga"});
    let cloud = operator.post("/v1/organizations", json!({"name": "Cloud", "owner": owner})).await.is(201);
    let cloud = format!("/v1/organizations/{}", text(&cloud, "/id"));
    let north = operator.post(&format!("{cloud}/accounts"), json!({"name": "North"})).await.is(201);
    let north = text(&north, "/id");
    let access = json!({"type": "accounts", "accounts": [{"account": north, "role": "viewer"}]});
    let body = json!({"email": "bob@example.com", "access": access});
    let bob = text(&operator.post(&format!("{cloud}/members"), body).await.is(201), "/user_id");
    let body = json!({"name": "Backend", "access": {"type": "organization", "role": "admin"}});
    let key = operator.post(&format!("{cloud}/api-keys"), body).await.is(201);
    let key = service.bearer(&text(&key, "/secret"));
    counter.take();
    let ask = json!({"user": bob, "permission": "members:read", "account": north});
    assert_eq!(key.post("/v1/check", ask).await.is(200)["allowed"], true);
    assert_eq!(counter.take(), (1, 0), "check");
    key.get(&format!("{cloud}/members/{bob}")).await.is(200);
    assert_eq!(
        counter.take(),
        (2, 0),
        "get a member, and at the same time whether they were removed from everything"
    );
    key.get(&format!("{cloud}/members")).await.is(200);
    assert_eq!(counter.take(), (2, 0), "list members");
    key.put(&format!("{cloud}/accounts/{north}/members/{bob}"), json!({"role": "member"})).await.is(200);
    assert_eq!(counter.take(), (2, 1), "change a role");
    key.delete(&format!("{cloud}/members/{bob}")).await.is(200);
    assert_eq!(counter.take(), (2, 1), "remove a member, and whether they were removed from everything");
}

/// P5: what a person sees of organizations costs what they are in, whatever else there is.
#[tokio::test]
async fn p5_organizations_of_others_cost_nothing_in_a_persons_list() {
    let counter = Arc::new(Counter::default());
    let service = counted(&counter).await;
    let operator = service.operator();
    let make = async |name: &str, owner: &str| {
        let owner = json!({"email": format!("{owner}@example.com"), "external_id": owner});
        let body = json!({"name": name, "external_id": name.to_lowercase(), "owner": owner});
        operator.post("/v1/organizations", body).await.is(201);
    };
    make("Cloud", "olga").await;
    // Ids count by the clock, and rows come by their ids.
    service.test.clock.advance_seconds(1);
    make("Sky", "olga").await;
    let olga = service.operator().with("roster-on-behalf-of", "ext:olga");
    let names = async |query: &str| {
        let page = olga.get(&format!("/v1/organizations{query}")).await.is(200);
        let rows = page["data"].as_array().unwrap().iter();
        let names: Vec<String> = rows.map(|row| text(row, "/name")).collect();
        (names.join(" "), page["next_cursor"].as_str().map(str::to_owned))
    };
    counter.take();
    assert_eq!(names("").await, ("Cloud Sky".to_owned(), None));
    let (reads, _) = counter.take();
    for n in 0..4 {
        make(&format!("Other{n}"), "oscar").await;
    }
    counter.take();
    assert_eq!(names("").await, ("Cloud Sky".to_owned(), None));
    assert_eq!(counter.take(), (reads, 0));
    let (first, next) = names("?limit=1").await;
    let second = names(&format!("?limit=1&cursor={}", next.unwrap())).await;
    assert_eq!((first.as_str(), second), ("Cloud", ("Sky".to_owned(), None)));
    assert_eq!(names("?q=sk").await.0, "Sky");
    assert_eq!(names("?q=cloud&status=active").await.0, "Cloud");
    assert_eq!(names("?q=other0").await.0 + &names("?status=closed").await.0, "");
}

/// P4, P5: a key that names everything by id is answered from one read, and as by the longer way.
#[tokio::test]
async fn the_short_way_to_a_check_answers_as_the_long_one() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let cloud = text(&operator.get("/v1/organizations/ext:cloud").await.is(200), "/id");
        let path = format!("/v1/organizations/{cloud}/api-keys");
        let make = async |role: &str| {
            let access = json!({"type": "organization", "role": role});
            let key = operator.post(&path, json!({"name": role, "access": access})).await.is(201);
            (world.service.bearer(&text(&key, "/secret")), format!("{path}/{}", text(&key, "/id")))
        };
        let (admin, place) = make("admin").await;
        let (viewer, _) = make("viewer").await;
        let account = format!("/v1/organizations/{cloud}/accounts/ext:north");
        let north = text(&operator.get(&account).await.is(200), "/id");
        for user in ["olga", "anna", "max", "vera", "nora", "nils", "empty", "fred", "otto"] {
            let id = text(&operator.get(&format!("/v1/users/ext:{user}")).await.is(200), "/id");
            for (short, long) in [(None, None), (Some(north.as_str()), Some("ext:north"))] {
                let ask = |user: &str, account: Option<&str>| -> Value {
                    json!({"user": user, "permission": "members:remove", "account": account})
                };
                let one = admin.post("/v1/check", ask(&id, short)).await.is(200);
                let other = admin.post("/v1/check", ask(&format!("ext:{user}"), long)).await.is(200);
                assert_eq!(one, other, "{store}: {user} on {long:?}");
                let refused = viewer.post("/v1/check", ask(&id, short)).await.status;
                assert_eq!(refused, viewer.post("/v1/check", ask("ext:olga", long)).await.status);
            }
        }
        operator.delete(&place).await.is(204);
        let ask = json!({"user": "usr_01h00000000000000000000000", "permission": "members:read"});
        admin.post("/v1/check", ask).await.refused(401, "unauthenticated");
    }
}
