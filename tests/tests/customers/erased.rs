//! What sources say of erased people: nothing comes of it, and nobody else waits for it (rules L5, G5, X4).

use std::sync::Arc;

use async_trait::async_trait;
use roster_core::home::Home;
use roster_core::jobs::Worker;
use roster_core::op::Roster;
use roster_core::store::{ChangeSet, CommitError, Committed, Store};
use roster_tests::gate::{Between, Hook};
use serde_json::{Value, json};

use crate::{Customers, drain, selected, text};

impl Customers {
    /// Erases a user, and has the job done.
    pub(crate) async fn erases(&self, external: &str) {
        let path = format!("/v1/users/ext:{external}/erase");
        self.world.operator().post(&path, json!({"confirm": true})).await.is(202);
        self.works_off().await;
    }

    pub(crate) async fn works_off(&self) {
        Worker::new(self.service().roster.clone(), Arc::default()).work_off().await.unwrap();
    }

    /// The dead letters of the source.
    pub(crate) async fn letters(&self) -> Vec<Value> {
        let path = format!("/v1/sources/{}/dead-letters", self.source);
        self.world.operator().get(&path).await.is(200)["data"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn l5_a_source_that_speaks_of_an_erased_person_goes_on() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "zoe@example.com"}})).await;
        at.erases("zoe").await;
        let said = json!([
            {"type": "identify", "userId": "zoe", "traits": {"email": "zoe@example.com", "city": "Rome"}},
            {"type": "group", "userId": "zoe", "groupId": "north"},
            {"type": "track", "userId": "zoe", "event": "Opened"},
            {"type": "alias", "userId": "anna", "previousId": "zoe"},
            {"type": "identify", "userId": "yan", "traits": {"city": "Bern"}},
        ]);
        at.says("/v1/batch", json!({ "batch": said })).await;
        assert_eq!(at.user("yan").await.is(200)["traits"]["city"], json!("Bern"), "{store}");
        assert_eq!(at.dead().await, ["erased"; 4], "{store}");
        at.user("zoe").await.refused(404, "not_found");
        for letter in at.letters().await {
            assert_eq!(letter["payload"], json!({}), "nothing of what was said is kept");
        }
        assert_eq!(at.replayed_at_once().await, json!(0), "there is nothing to say again");
        assert_eq!(at.dead().await, ["erased"; 4]);
        let again = json!({
            "external_id": "zoe", "email": "new@example.com",
            "access": {"type": "organization", "role": "viewer"},
        });
        let members = "/v1/organizations/ext:cloud/members";
        at.world.operator().post(members, again).await.refused(409, "external_id_exists");
        at.is_clean().await;
    }
}

/// L5: what was said about somebody else stays, without the erased person's address.
#[tokio::test]
async fn l5_a_letter_about_somebody_else_stays_without_the_erased_persons_address() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "zoe@example.com"}})).await;
        let properties = json!({"contact": "Zoe@example.com", "kept": "this", "all": ["zoe@example.com", 7]});
        let alias = json!({"userId": "anna", "previousId": "max", "properties": properties});
        at.says("/v1/alias", alias).await;
        at.erases("zoe").await;
        let letters = at.letters().await;
        assert_eq!(letters.len(), 1, "{store}");
        let left = json!({"contact": null, "kept": "this", "all": [null, 7]});
        assert_eq!(
            (&letters[0]["reason"], &letters[0]["payload"]["properties"]),
            (&json!("alias_of_two_users"), &left)
        );
        at.is_clean().await;
    }
}

/// L5: nor does a saved view, or what the log says of it.
#[tokio::test]
async fn l5_views_that_ask_for_an_erased_person_ask_for_nobody() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"email": "zoe@example.com"}})).await;
        let test = |value: &str| json!({"field": "owner.email", "op": "eq", "value": value});
        let filter = |one: &str| json!({"or": [test(one), test("max@example.com")]});
        let body = json!({"name": "Hers", "kind": "accounts", "filter": filter("Zoe@example.com")});
        let made = operator.post("/v1/views", body).await.is(201);
        let path = format!("/v1/views/{}", text(&made, "/id"));
        operator
            .patch(&path, json!({"filter": filter("zoe@example.com"), "columns": ["name"]}))
            .await
            .is(200);
        at.erases("zoe").await;
        let view = operator.get(&path).await.is(200);
        assert_eq!(view["filter"], filter(""), "{store}");
        let audit = operator.get("/v1/audit?limit=200").await.is(200);
        assert!(!audit.to_string().to_lowercase().contains("zoe@example.com"), "{store}");
        let changed = operator.get("/v1/audit?action=view.updated").await.is(200)["data"][0].clone();
        assert_eq!(
            (&changed["before"]["columns"], &changed["after"]["columns"]),
            (&made["columns"], &json!(["name"]))
        );
        assert_eq!(changed["after"]["filter_changed"], json!(true), "{store}: X1");
        at.is_clean().await;
    }
}

/// Loses every commit to a home of one user.
#[derive(Debug)]
struct Contended(Home);

#[async_trait]
impl Hook for Contended {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        match changes.guards.keys().next() {
            Some(key) if changes.home == self.0 => Err(CommitError::Conflict(key.clone())),
            _ => store.commit(changes).await,
        }
    }
}

#[tokio::test]
async fn g5_a_message_that_always_loses_against_others_keeps_nobody_waiting_for_ever() {
    for store in selected() {
        let at = Customers::on(store).await;
        let anna = text(&at.user("anna").await.is(200), "/id");
        let said = json!([
            {"type": "identify", "userId": "anna", "traits": {"city": "Rome"}},
            {"type": "identify", "userId": "yan", "traits": {"city": "Bern"}},
        ]);
        at.sender().post("/v1/batch", json!({ "batch": said })).await.is(200);
        let home = Home::User(anna.parse().unwrap());
        let below = Between::new(Arc::clone(&at.service().roster.store), Arc::new(Contended(home)));
        let drain = drain(&Roster { store: below, ..at.service().roster.clone() });
        for _ in 0..25 {
            drain.work_off().await.unwrap();
        }
        assert_eq!(at.dead().await, ["conflict"], "{store}");
        assert_eq!(at.user("yan").await.is(200)["traits"]["city"], json!("Bern"), "{store}");
    }
}

/// Rule G4: what is said again counts as of when it was said.
#[tokio::test]
async fn g4_a_dead_letter_that_is_replayed_counts_as_of_when_it_came() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator.delete("/v1/organizations/ext:cloud/accounts/ext:south").await.is(200);
        let company = json!({"id": "south", "plan": "free"});
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"city": "Rome", "company": company}}))
            .await;
        assert_eq!(at.dead().await, ["account_gone"]);
        let came = at.letters().await[0]["received_at"].clone();
        at.world.test().clock.advance_seconds(3_600);
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"city": "Bern"}})).await;
        at.world.test().clock.advance_seconds(3_600);
        at.replayed().await;
        assert_eq!(at.user("zoe").await.is(200)["traits"]["city"], json!("Bern"), "{store}");
        assert_eq!(at.letters().await[0]["received_at"], came, "{store}");
    }
}
