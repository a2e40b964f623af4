//! Calls of the operations in the document, with what they need to succeed.

use std::ops::Deref;
use std::sync::Arc;

use http::Method;
use roster_core::op::Roster;
use roster_core::webhooks::Webhooks;
use roster_tests::http::{Caller, Reply, text};
use roster_tests::receiver::{Nowhere, send_all};
use roster_tests::world::World;
use serde_json::{Value, json};

/// An operation of the document.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
    /// Whether anybody may ask.
    pub open: bool,
}

/// A world with something behind every id that a path can name.
pub struct Prepared {
    world: World,
    pub ids: Ids,
}

/// Ids that paths name.
#[derive(Clone)]
pub struct Ids {
    pub key: String,
    pub transfer: String,
    pub offer: String,
    pub revision: String,
    pub role: String,
    pub other_role: String,
    pub invitation: String,
    pub token: String,
    pub job: String,
    pub source: String,
    pub view: String,
    pub indicator: String,
    pub webhook: String,
    pub delivery: String,
    pub other_webhook: String,
    pub other_account: String,
    pub other_user: String,
    pub other_key: String,
    pub other_transfer: String,
    pub other_invitation: String,
}

impl Deref for Prepared {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Prepared {
    /// Another such, with a store of its own.
    pub async fn another(&self) -> Self {
        Self { world: self.world.copied().await, ids: self.ids.clone() }
    }
}

/// A world in which ownership was handed over and back in both organizations.
pub async fn prepared(store: &str) -> Prepared {
    let world = World::on(store).await;
    let transfer = there_and_back(&world, "cloud", "olga", "max", "member").await;
    let offered = json!({"to": "ext:anna", "require_acceptance": true});
    let path = "/v1/organizations/ext:cloud/ownership-transfers";
    let offer = text(&world.operator().post(path, offered).await.is(201), "/id");
    let record = json!({"owner": "ext:nils", "account": "ext:north"});
    world.operator().put("/v1/organizations/ext:cloud/records/deal/one", record).await.is(201);
    let wide = json!({"type": "organization", "role": "member"});
    roster_tests::world::join(&world.operator(), "other", "omar", wide).await;
    let other_transfer = there_and_back(&world, "other", "otto", "omar", "member").await;
    let (invitation, token) = asked(&world, "cloud", "north").await;
    let (other_invitation, _) = asked(&world, "other", "west").await;
    let job = ended_job(&world).await;
    let view = json!({"name": "All", "kind": "accounts"});
    let view = text(&world.operator().post("/v1/views", view).await.is(201), "/id");
    let indicator = json!({"name": "All", "view_id": view});
    let indicator = text(&world.operator().post("/v1/indicators", indicator).await.is(201), "/id");
    let source = json!({"name": "Product", "groups": {"to": "each"}});
    let source = text(&world.operator().post("/v1/sources", source).await.is(201), "/id");
    let (webhook, delivery) = sent(&world).await;
    let other_webhook = hooked(&world, "other").await;
    let first = async |path: &str, pointer: &str| text(&world.operator().get(path).await.is(200), pointer);
    let role = json!({"name": "Support", "permissions": ["members:read"]});
    let made = async |organization: &str| {
        let path = format!("/v1/organizations/ext:{organization}/roles");
        text(&world.operator().post(&path, role.clone()).await.is(201), "/id")
    };
    let ids = Ids {
        role: made("cloud").await,
        other_role: made("other").await,
        key: first("/v1/organizations/ext:cloud/api-keys", "/data/0/id").await,
        transfer,
        offer,
        revision: first("/v1/organizations/ext:cloud/members/ext:nils/leaving-plan", "/revision").await,
        invitation,
        token,
        job,
        source,
        indicator,
        view: view.clone(),
        webhook,
        delivery,
        other_webhook,
        other_account: first("/v1/organizations/ext:other/accounts/ext:west", "/id").await,
        other_user: first("/v1/users/ext:mia", "/id").await,
        other_key: first("/v1/organizations/ext:other/api-keys", "/data/0/id").await,
        other_transfer,
        other_invitation,
    };
    Prepared { world, ids }
}

/// Somebody who is asked in, and the token of their link.
async fn asked(world: &World, organization: &str, account: &str) -> (String, String) {
    let path = format!("/v1/organizations/ext:{organization}/invitations");
    let access = roster_tests::world::on_accounts(&[(account, "viewer")]);
    let body = json!({"email": "asked@example.com", "access": access});
    let id = text(&world.operator().post(&path, body).await.is(201), "/id");
    let url = text(&world.operator().get(&format!("{path}/{id}/link")).await.is(200), "/url");
    (id, url.rsplit('/').next().unwrap().to_owned())
}

async fn hooked(world: &World, organization: &str) -> String {
    let body = json!({"url": "https://example.com/", "organization": format!("ext:{organization}")});
    text(&world.operator().post("/v1/webhooks", body).await.is(201), "/id")
}

/// A webhook, and something that it has sent.
async fn sent(world: &World) -> (String, String) {
    let webhook = hooked(world, "cloud").await;
    let record = json!({"owner": "ext:nils", "title": "One"});
    world.operator().put("/v1/organizations/ext:cloud/records/deal/two", record).await.is(201);
    let webhooks = Webhooks::by(Arc::new(Nowhere), true);
    send_all(&Roster { webhooks, ..world.service.roster.clone() }).await;
    let sent = world.operator().get(&format!("/v1/webhooks/{webhook}/deliveries")).await.is(200);
    let delivery = text(&sent, "/data/0/id");
    (webhook, delivery)
}

/// A job that was stopped before it began.
async fn ended_job(world: &World) -> String {
    let body = json!({"action": "remove", "users": ["ext:nobody"]});
    let path = "/v1/organizations/ext:cloud/members/bulk";
    let id = text(&world.operator().post(path, body).await.is(202), "/job/id");
    world.operator().post(&format!("/v1/jobs/{id}/cancel"), json!({})).await.is(200);
    id
}

async fn there_and_back(world: &World, organization: &str, owner: &str, to: &str, role: &str) -> String {
    let path = format!("/v1/organizations/ext:{organization}/ownership-transfers");
    let body = json!({"to": format!("ext:{to}")});
    let made = world.operator().post(&path, body).await.is(201);
    let back = json!({"to": format!("ext:{owner}"), "previous_owner_role": role});
    world.operator().post(&path, back).await.is(201);
    text(&made, "/id")
}

/// The operations below `/v1`.
pub fn of_document(document: &Value) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|_| path.starts_with("/v1/")) {
            let id = text(operation, "/operationId");
            let body = operation["requestBody"]["content"]["application/json"].get("example").cloned();
            let method = method.to_ascii_uppercase().parse().unwrap();
            let open = operation.get("security").is_some();
            calls.push(Call {
                open,
                body: body.map(|body| fitting(&id, body)),
                id,
                method,
                path: path.clone(),
            });
        }
    }
    calls
}

/// The document's example, about people and things of the world.
fn fitting(id: &str, example: Value) -> Value {
    match id {
        "create_organization" => json!({"name": "Third", "owner": {"email": "third@example.com"}}),
        "transfer_ownership" => json!({"to": "ext:anna"}),
        "create_account" => json!({"name": "East", "external_id": "east"}),
        "put_record" => json!({"owner": "ext:nils", "account": "ext:north"}),
        "reassign_records" => json!({"from": "ext:nils", "to": "ext:anna"}),
        "execute_leaving_plan" => json!({"mode": "remove", "revision": "REVISION"}),
        "set_account_owner"
        | "set_organization_account_owner"
        | "set_key_role"
        | "set_organization_key_role" => json!({"user": "ext:nils"}),
        "set_account_role" => json!({"role": "viewer"}),
        "remove_many_from_account" => json!({"users": ["ext:nils"]}),
        "add_member" => {
            json!({"email": "new@example.com", "access": {"type": "organization", "role": "viewer"}})
        }
        "act_on_members" => json!({"action": "remove", "users": ["ext:nils"]}),
        "replace_access" => json!({"roles": [{"role": "viewer", "accounts": ["ext:north"]}]}),
        "create_user" => json!({"email": "new@example.com"}),
        "replay_dead_letters" => json!({}),
        "check" | "check_batch" => {
            let text = example.to_string().replace("ext:ada", "ext:nils");
            serde_json::from_str(&text).unwrap()
        }
        _ => example,
    }
}

impl Call {
    /// The transfer that it is about: one that is still to be answered, for an answer.
    fn transfer<'a>(&self, ids: &'a Ids) -> &'a str {
        if self.id.contains("ownership_offer") || self.id.ends_with("_ownership") && self.changes() {
            &ids.offer
        } else {
            &ids.transfer
        }
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.method != Method::GET && !self.id.starts_with("check")
    }

    /// By a caller of the table, on an organization.
    pub async fn by(&self, world: &Prepared, caller: &str, organization: &str) -> Reply {
        let service = &world.service;
        let caller = match caller {
            "operator" => service.operator(),
            "admin_key" => service.bearer(&world.admin_key),
            "viewer_key" => service.bearer(&world.viewer_key),
            "other_key" => service.bearer(&world.other_key),
            "for_nils" => service.bearer(&world.admin_key).on_behalf_of("ext:nils"),
            person => world.person(person),
        };
        self.as_caller(world, &caller, organization).await
    }

    /// By whomever.
    pub async fn as_caller(&self, world: &Prepared, caller: &Caller<'_>, organization: &str) -> Reply {
        let path = self
            .path
            .replace("{organization}", organization)
            .replace("{account}", "ext:north")
            .replace("{user}", "ext:nils")
            .replace("{key}", &world.ids.key)
            .replace("{role}", if self.changes() { &world.ids.role } else { "member" })
            .replace("{name}", "csm")
            .replace("{type}/{external_id}", "deal/one")
            .replace("{transfer}", self.transfer(&world.ids))
            .replace("{invitation}", &world.ids.invitation)
            .replace("{token}", &world.ids.token)
            .replace("{job}", &world.ids.job)
            .replace("{source}", &world.ids.source)
            .replace("{view}", &world.ids.view)
            .replace("{indicator}", &world.ids.indicator)
            .replace("{webhook}", &world.ids.webhook)
            .replace("{delivery}", &world.ids.delivery)
            .replace("{session}", "ses_01kb2y0v4tejq8vt0d7c3w4n5e");
        if self.id == "import_members" {
            let file = "email,account_external_id,role\nnew@example.com,north,viewer\n";
            let caller = caller.clone().with("content-type", "text/csv");
            return caller.send(self.method.clone(), &path, file.into()).await;
        }
        let mut body = self.body.clone().map(|body| {
            let text = body.to_string().replace("REVISION", &world.ids.revision);
            serde_json::from_str::<Value>(&text).unwrap()
        });
        if let Some(body) = body.as_mut().filter(|_| self.id == "create_indicator") {
            body["view_id"] = world.ids.view.clone().into();
        }
        caller.call(self.method.clone(), &path, body).await
    }
}
