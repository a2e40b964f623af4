//! Customers on every store: what sources send, what becomes of it, and what is asked about it (rules G1 to G7, T1 to T7).
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod activity;
mod alerts;
mod at_once;
mod bounds;
mod dying;
mod early;
mod erased;
mod erased_meanwhile;
mod erasing;
mod exporting;
mod input;
mod links;
mod names;
mod order;
mod owners;
mod reach;
mod reports;
mod rules;
mod sources;
mod takeovers;
mod tenants;
mod turns;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roster_core::ingest::Drain;
use roster_core::op::Roster;
use roster_core::verify::verify_all;
use roster_tests::http::{Caller, Reply, Service, text};
use roster_tests::mailbox::Mailbox;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

/// A world with a source whose groups are accounts of `ext:cloud`.
struct Customers {
    world: World,
    source: String,
    key: String,
}

impl Customers {
    async fn on(store: &str) -> Self {
        Self::with(store, json!({"to": "one", "organization": "ext:cloud"})).await
    }

    async fn with(store: &str, groups: Value) -> Self {
        Self::of(World::on(store).await, groups).await
    }

    /// The same as [`Self::on`], with mail.
    async fn with_mail(store: &str) -> (Self, Arc<Mailbox>) {
        let (world, mailbox) = World::with_mail(store).await;
        (Self::of(world, json!({"to": "one", "organization": "ext:cloud"})).await, mailbox)
    }

    async fn of(world: World, groups: Value) -> Self {
        let made =
            world.operator().post("/v1/sources", json!({"name": "Product", "groups": groups})).await.is(201);
        let (source, key) = (text(&made, "/id"), text(&made, "/write_key"));
        Self { world, source, key }
    }

    fn service(&self) -> &Service {
        &self.world.service
    }

    /// The source, by its write key.
    fn sender(&self) -> Caller<'_> {
        self.service().nobody().with("authorization", &basic(&self.key))
    }

    /// Sends a message, and has it applied.
    async fn says(&self, path: &str, body: Value) {
        self.world.test().clock.advance_seconds(1);
        let answer = self.sender().post(path, body).await.is(200);
        assert!(answer["success"] == json!(true) || answer["message"] == json!("Success."), "{answer}");
        self.applied().await;
    }

    async fn applied(&self) {
        drain(&self.service().roster).work_off().await.unwrap();
    }

    /// The role of a person on an account of `ext:cloud`; nothing if they have none.
    async fn role(&self, user: &str, account: &str) -> Value {
        let path = format!("/v1/organizations/ext:cloud/accounts/ext:{account}/members");
        let page = self.world.operator().get(&path).await.is(200);
        let rows = page["data"].as_array().unwrap();
        rows.iter()
            .find(|row| row["external_id"] == json!(user))
            .map_or(Value::Null, |row| row["role"].clone())
    }

    /// The reasons of dead letters, sorted.
    async fn dead(&self) -> Vec<String> {
        let path = format!("/v1/sources/{}/dead-letters", self.source);
        let page = self.world.operator().get(&path).await.is(200);
        let mut reasons: Vec<String> =
            page["data"].as_array().unwrap().iter().map(|row| text(row, "/reason")).collect();
        reasons.sort();
        reasons
    }

    async fn replayed(&self) -> Value {
        let path = format!("/v1/sources/{}/dead-letters/replay", self.source);
        let asked = self.world.operator().post(&path, json!({"all": true})).await.is(202);
        self.works_off().await;
        let job = self.world.operator().get(&format!("/v1/jobs/{}", text(&asked, "/job/id"))).await.is(200);
        assert_eq!(job["status"], json!("completed"), "{job}");
        self.applied().await;
        job["summary"].get("changed").cloned().unwrap_or_else(|| json!(0))
    }

    /// Without a job.
    async fn replayed_at_once(&self) -> Value {
        let path = format!("/v1/sources/{}/dead-letters/replay", self.source);
        let replayed = self.world.operator().post(&path, json!({})).await.is(200)["replayed"].clone();
        self.applied().await;
        replayed
    }

    async fn user(&self, external: &str) -> Reply {
        self.world.operator().get(&format!("/v1/users/ext:{external}")).await
    }

    async fn account(&self, external: &str) -> Value {
        let path = format!("/v1/organizations/ext:cloud/accounts/ext:{external}");
        self.world.operator().get(&path).await.is(200)
    }

    async fn is_clean(&self) {
        let verdict = verify_all(&self.service().roster, &mut |_| {}).await.unwrap();
        assert_eq!(verdict.findings, []);
    }
}

fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

fn drain(roster: &Roster) -> Drain {
    Drain::new(roster.clone(), Arc::default())
}
