//! The world that most HTTP tests begin with: two organizations, each with accounts, people and keys.

use std::sync::Arc;

use roster_core::log::digest;
use roster_core::op::Roster;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::held::Held;
use crate::http::{Caller, Service, text};
use crate::mailbox::Mailbox;
use crate::receiver::sending;
use crate::stores::TestStore;

/// `ext:cloud` with the accounts `ext:north` and `ext:south` and one person for each kind of access; `ext:other`
/// with the account `ext:west`, its owner `ext:otto` and the member `ext:mia`. `ext:fred` was an admin of `ext:cloud`.
#[derive(Debug)]
pub struct World {
    /// The service.
    pub service: Service,
    /// A key of `ext:cloud` with the role admin on the whole.
    pub admin_key: String,
    /// A key of `ext:cloud` with the role viewer on the whole.
    pub viewer_key: String,
    /// A key of `ext:other` with the role admin on the whole.
    pub other_key: String,
}

/// A person, their role on the whole organization, their roles on accounts.
pub type Person = (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)]);

/// People of `ext:cloud` beside the owner `ext:olga`, with their access.
pub const PEOPLE: [Person; 7] = [
    ("anna", Some("admin"), &[]),
    ("max", Some("member"), &[]),
    ("vera", Some("viewer"), &[]),
    ("nora", None, &[("north", "admin")]),
    ("nils", None, &[("north", "member"), ("south", "viewer")]),
    ("sven", None, &[("south", "admin")]),
    ("empty", None, &[]),
];

impl World {
    /// A new world on a store of its own.
    pub async fn on(store: &str) -> Self {
        Self::held(store, |roster| ((), roster)).await.0
    }

    /// The same with mail, which comes into a mailbox.
    pub async fn with_mail(store: &str) -> (Self, Arc<Mailbox>) {
        Self::held(store, Mailbox::of).await
    }

    /// The same that sends events, also to this machine.
    pub async fn with_webhooks(store: &str) -> Self {
        Self::held(store, |roster| ((), sending(roster, true))).await.0
    }

    /// A copy of the one that is made in memory, of a roster that is given something.
    async fn held<T>(store: &str, with: impl FnOnce(Roster) -> (T, Roster)) -> (Self, T) {
        static MADE: OnceCell<(World, Held, u64)> = OnceCell::const_new();
        let make = async || {
            let world = Self::of(Service::on("memory").await).await;
            let held = Held::of(world.test()).await;
            let next = world.service.roster.entropy.bytes();
            let drawn = (0..1_u64 << 20).find(|n| digest(&n.to_be_bytes()) == next).expect("a number");
            (world, held, drawn)
        };
        let (world, held, drawn) = MADE.get_or_init(make).await;
        // It goes on to draw where the one that was made does; replicas and copies begin at 2^32.
        let (service, given) = Service::like(held.on(store).await, &world.service.operator, *drawn, with);
        (world.with(service), given)
    }

    /// The same on a service that is there.
    pub async fn of(service: Service) -> Self {
        let operator = service.operator();
        make(&operator, "cloud", "olga", &["north", "south"]).await;
        make(&operator, "other", "otto", &["west"]).await;
        for (person, role, accounts) in PEOPLE {
            let access = match role {
                Some(role) => json!({"type": "organization", "role": role}),
                None => on_accounts(accounts),
            };
            join(&operator, "cloud", person, access).await;
        }
        join(&operator, "cloud", "fred", json!({"type": "organization", "role": "admin"})).await;
        operator.delete("/v1/organizations/ext:cloud/members/ext:fred").await.is(200);
        join(&operator, "other", "mia", on_accounts(&[("west", "member")])).await;
        let admin_key = key(&operator, "cloud", "admin").await;
        let viewer_key = key(&operator, "cloud", "viewer").await;
        let other_key = key(&operator, "other", "admin").await;
        Self { service, admin_key, viewer_key, other_key }
    }

    /// The same world on a copy of its store.
    pub async fn copied(&self) -> Self {
        self.with(self.service.copied().await)
    }

    /// The same world on a service that holds it.
    fn with(&self, service: Service) -> Self {
        let (admin_key, viewer_key) = (self.admin_key.clone(), self.viewer_key.clone());
        Self { service, admin_key, viewer_key, other_key: self.other_key.clone() }
    }

    /// The store under it, with its clock.
    pub const fn test(&self) -> &TestStore {
        &self.service.test
    }

    /// The operator.
    pub fn operator(&self) -> Caller<'_> {
        self.service.operator()
    }

    /// A person by name.
    pub fn person(&self, name: &str) -> Caller<'_> {
        self.service.user(&format!("ext:{name}"))
    }
}

async fn make(operator: &Caller<'_>, name: &str, owner: &str, accounts: &[&str]) {
    let accounts: Vec<Value> = accounts.iter().map(|id| json!({"name": id, "external_id": id})).collect();
    let owner = json!({"email": format!("{owner}@example.com"), "external_id": owner, "name": owner});
    let body = json!({"name": name, "external_id": name, "owner": owner, "accounts": accounts});
    operator.post("/v1/organizations", body).await.is(201);
}

/// Adds a person by external id and address.
pub async fn join(operator: &Caller<'_>, organization: &str, person: &str, access: Value) -> Value {
    let body = json!({
        "email": format!("{person}@example.com"), "external_id": person, "name": person, "access": access,
    });
    operator.post(&format!("/v1/organizations/ext:{organization}/members"), body).await.is(201)
}

/// Access to accounts, by their external ids.
pub fn on_accounts(roles: &[(&str, &str)]) -> Value {
    let accounts: Vec<Value> = roles
        .iter()
        .map(|(account, role)| json!({"account": format!("ext:{account}"), "role": role}))
        .collect();
    json!({"type": "accounts", "accounts": accounts})
}

async fn key(operator: &Caller<'_>, organization: &str, role: &str) -> String {
    let body = json!({"name": role, "access": {"type": "organization", "role": role}});
    let made = operator.post(&format!("/v1/organizations/ext:{organization}/api-keys"), body).await.is(201);
    text(&made, "/secret")
}
