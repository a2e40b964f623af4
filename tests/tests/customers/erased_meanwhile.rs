//! Somebody is erased between any two commits of an act about them (rules L5, O2): nothing is left that names them, or they
//! own an organization and keep their names.

use std::fmt::Write as _;
use std::sync::Arc;

use http::Method;
use roster_core::home::Record;
use roster_core::jobs::Worker;
use roster_core::log::LogFilter;
use roster_tests::gate::{Park, within};
use roster_tests::http::{Service, text};
use serde_json::{Value, json};

use crate::{Customers, basic, drain, selected};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const MAIL: &str = "zoe.quill@example.com";
/// By what zoe is named: her address, her external id, her name, her traits.
const NAMES: [&str; 4] = [MAIL, "zoe-quillfeather", "zoe quillmaker", "mauve-quill"];

/// What somebody else does about zoe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Add,
    SetRole,
    ReplaceAccess,
    Invite,
    InviteMany,
    Accept,
    Message,
    DeadLetter,
    KeyRole,
    OwnerByTrait,
    OutsiderByTrait,
    OwnerByHand,
    PutRecord,
    Reassign,
    Rename,
    Plan,
    Import,
    Bulk,
    PersonalKey,
    Everywhere,
    Erase,
    NewOrganization,
    Transfer,
    OutsiderByMessage,
}

const ALL: [Act; 24] = [
    Act::Add,
    Act::SetRole,
    Act::ReplaceAccess,
    Act::Invite,
    Act::InviteMany,
    Act::Accept,
    Act::Message,
    Act::DeadLetter,
    Act::KeyRole,
    Act::OwnerByTrait,
    Act::OutsiderByTrait,
    Act::OwnerByHand,
    Act::PutRecord,
    Act::Reassign,
    Act::Rename,
    Act::Plan,
    Act::Import,
    Act::Bulk,
    Act::PersonalKey,
    Act::Everywhere,
    Act::Erase,
    Act::NewOrganization,
    Act::Transfer,
    Act::OutsiderByMessage,
];

/// A world with zoe in it, and what an act needs.
struct Scene {
    at: Customers,
    zoe: String,
    /// Of her invitation, or the revision of her plan.
    word: String,
}

impl Act {
    /// Whether zoe is a member of `ext:cloud` before.
    const fn needs_a_member(self) -> bool {
        !matches!(
            self,
            Self::Add
                | Self::SetRole
                | Self::Invite
                | Self::InviteMany
                | Self::Accept
                | Self::Message
                | Self::DeadLetter
                | Self::KeyRole
                | Self::OutsiderByTrait
                | Self::NewOrganization
                | Self::OutsiderByMessage
        )
    }

    /// An address that is invited after somebody was erased is a subject of its own.
    const fn invites(self) -> bool {
        matches!(self, Self::Invite | Self::InviteMany)
    }

    async fn scene(self, store: &str) -> Scene {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let zoe = json!({
            "email": MAIL, "external_id": NAMES[1], "name": "Zoe Quillmaker", "traits": {"colour": NAMES[3]},
        });
        let zoe = text(&operator.post("/v1/users", zoe).await.is(201), "/id");
        let wide = json!({"type": "organization", "role": "admin"});
        if self.needs_a_member() {
            operator.post(&format!("{CLOUD}/members"), json!({"user": zoe, "access": wide})).await.is(201);
        }
        let mut word = String::new();
        match self {
            Self::Accept => {
                let ask = json!({"email": MAIL, "access": wide});
                let made = operator.post(&format!("{CLOUD}/invitations"), ask).await.is(201);
                let link = format!("{CLOUD}/invitations/{}/link", text(&made, "/id"));
                let url = text(&operator.get(&link).await.is(200), "/url");
                url.rsplit('/').next().unwrap().clone_into(&mut word);
            }
            Self::Message | Self::DeadLetter => self.sends(&at).await,
            Self::OwnerByTrait | Self::OutsiderByTrait | Self::OutsiderByMessage => {
                let mapping = json!({"account_owner_trait": "ownerId", "organization_owner_trait": null});
                operator.put("/v1/trait-mappings", mapping).await.is(202);
                at.works_off().await;
                if self == Self::OutsiderByMessage {
                    self.sends(&at).await;
                }
            }
            Self::Reassign | Self::Plan => {
                operator.put(&format!("{CLOUD}/records/deal/1"), json!({"owner": zoe})).await.is(201);
                let path = format!("{CLOUD}/members/{zoe}/leaving-plan?mode=remove");
                word = text(&operator.get(&path).await.is(200), "/revision");
            }
            Self::Import => {
                let file = format!(
                    "user_external_id,email,name,account_external_id,role\n\
                     u-1,,,north,viewer\n{},{MAIL},Zoe Quillmaker,north,viewer\nu-2,,,north,viewer\n",
                    NAMES[1]
                );
                let path = format!("{CLOUD}/imports?kind=members&dry_run=false");
                let caller = operator.with("content-type", "text/csv");
                caller.send(Method::POST, &path, file.into()).await.is(202);
            }
            Self::Bulk => {
                let users = json!(["ext:anna", format!("ext:{}", NAMES[1]), "ext:max"]);
                let body = json!({"action": "deactivate", "users": users});
                operator.post(&format!("{CLOUD}/members/bulk"), body).await.is(202);
            }
            _ => {}
        }
        Scene { at, zoe, word }
    }

    /// Has a source speak of zoe.
    async fn sends(self, at: &Customers) {
        let about = match self {
            Self::Message => json!([
                {"type": "identify", "userId": NAMES[1], "traits": {"email": MAIL, "shade": NAMES[3]}},
                {"type": "group", "userId": NAMES[1], "groupId": "north"},
                {"type": "track", "userId": NAMES[1], "event": "Opened"},
            ]),
            Self::OutsiderByMessage => {
                json!([{"type": "group", "userId": "max", "groupId": "north", "traits": {"ownerId": NAMES[1]}}])
            }
            _ => {
                let south = format!("{CLOUD}/accounts/ext:south");
                at.world.operator().delete(&south).await.is(200);
                json!([{"type": "group", "userId": NAMES[1], "groupId": "south"}])
            }
        };
        at.world.test().clock.advance_seconds(1);
        let sender = at.service().nobody().with("authorization", &basic(&at.key));
        sender.post("/v1/batch", json!({ "batch": about })).await.is(200);
    }

    /// Does it.
    async fn run(self, service: Service, zoe: String, word: String) {
        let operator = service.operator();
        let wide = json!({"type": "organization", "role": "admin"});
        let ask = json!({"email": MAIL, "access": wide, "name": "Somebody"});
        let north = format!("{CLOUD}/accounts/ext:north");
        let members = format!("{CLOUD}/members");
        match self {
            Self::Add => drop(operator.post(&members, json!({"user": zoe, "access": wide})).await),
            Self::SetRole => {
                operator.put(&format!("{north}/members/{zoe}"), json!({"role": "viewer"})).await;
            }
            Self::ReplaceAccess => {
                let roles = json!({"roles": [{"role": "viewer", "accounts": ["ext:north"]}]});
                operator.put(&format!("{members}/{zoe}/access"), roles).await;
            }
            Self::Invite => drop(operator.post(&format!("{CLOUD}/invitations"), ask).await),
            Self::InviteMany => {
                operator.post(&format!("{CLOUD}/invitations"), json!({"invitations": [ask]})).await;
            }
            Self::Accept => {
                service.user(&zoe).post(&format!("/v1/invitations/{word}/accept"), json!({})).await;
            }
            Self::Message | Self::DeadLetter | Self::OutsiderByMessage => {
                drop(drain(&service.roster).work_off().await);
            }
            Self::KeyRole => {
                drop(operator.put(&format!("{north}/key-roles/csm"), json!({"user": zoe})).await);
            }
            Self::OwnerByTrait | Self::OutsiderByTrait => {
                operator.patch(&north, json!({"traits": {"ownerId": NAMES[1]}})).await;
            }
            Self::OwnerByHand => {
                operator.put(&format!("{north}/account-owner"), json!({"user": zoe})).await;
            }
            Self::PutRecord => {
                let deal = json!({"owner": zoe, "title": "Deal of zoe quillmaker"});
                operator.put(&format!("{CLOUD}/records/deal/2"), deal).await;
            }
            Self::Reassign => {
                let hand_over = json!({"from": zoe, "to": "ext:anna"});
                operator.post(&format!("{CLOUD}/records/reassign"), hand_over).await;
            }
            Self::Rename => {
                let body = json!({"name": "Zoe Quillmaker-Two", "email": "zoe.quillmaker@example.com"});
                operator.patch(&format!("/v1/users/{zoe}"), body).await;
            }
            Self::Plan => {
                let plan = json!({
                    "mode": "remove", "revision": word, "records_to": "ext:anna", "reason": "zoe quillmaker leaves",
                });
                operator.post(&format!("{members}/{zoe}/leaving-plan"), plan).await;
            }
            Self::Import | Self::Bulk => {
                let _outdone = Worker::new(service.roster.clone(), Arc::default()).work_off().await;
            }
            Self::PersonalKey => {
                let key = json!({"name": "Zoe Quillmaker's", "kind": "personal"});
                service.user(&zoe).post(&format!("{CLOUD}/api-keys"), key).await;
            }
            Self::Everywhere => drop(operator.delete(&format!("/v1/users/{zoe}/accounts")).await),
            Self::Erase => {
                operator.post(&format!("/v1/users/{zoe}/erase"), json!({"confirm": true})).await;
                let _outdone = Worker::new(service.roster.clone(), Arc::default()).work_off().await;
            }
            Self::NewOrganization => {
                let own = json!({"name": "Own", "owner": {"external_id": NAMES[1]}});
                operator.post("/v1/organizations", own).await;
            }
            Self::Transfer => {
                operator.post(&format!("{CLOUD}/ownership-transfers"), json!({"to": zoe})).await;
            }
        }
    }
}

impl Scene {
    async fn works_off(&self) {
        drain(&self.at.service().roster).work_off().await.unwrap();
        self.at.works_off().await;
    }

    /// Asks for the erasure and does what there is to do; the job, if they are no owner.
    async fn erases(&self) -> Option<String> {
        let path = format!("/v1/users/{}/erase", self.zoe);
        let reply = self.at.world.operator().post(&path, json!({"confirm": true})).await;
        let job = reply.body["job"]["id"].as_str().map(str::to_owned);
        self.at.works_off().await;
        job
    }

    /// What names zoe, but for the traits of accounts, and addresses that were invited anew.
    async fn named(&self, act: Act) -> Vec<String> {
        let store = &self.at.service().roster.store;
        let mut found = Vec::new();
        for home in store.homes(None, 10_000).await.unwrap() {
            let mut all = vec![format!("{home}")];
            for stored in store.dump(&home).await.unwrap().records {
                all.push(match stored.record {
                    Record::Account(it) => format!("{:?}", it.posts),
                    // What a thing is called is not who its owner is.
                    Record::Holding(it) => format!("{:?}", it.owner),
                    other => format!("{other:?}"),
                });
            }
            if home.has_log() {
                for logged in store.log(&home, 0, 10_000, &LogFilter::ALL).await.unwrap() {
                    let mut line = String::from_utf8_lossy(&logged.body).into_owned();
                    write!(line, "{:?}", logged.personal).unwrap();
                    // What traits of accounts say is the account's.
                    all.extend(Some(line).filter(|line| !line.contains("account.updated")));
                }
            }
            let names = |line: &String| {
                let line = line.to_lowercase();
                NAMES.iter().any(|name| line.contains(name) && !(act.invites() && *name == MAIL))
            };
            found.extend(all.into_iter().filter(names).map(|line| format!("{home}: {line}")));
        }
        found
    }
}

/// What is wrong about an erasure at the n-th commit of an act; nothing where the act has fewer.
async fn at_step(store: &str, act: Act, n: usize) -> Option<Vec<String>> {
    let scene = act.scene(store).await;
    let park = Park::at(n);
    let behind = scene.at.service().behind(park.clone());
    let parked = act.run(behind, scene.zoe.clone(), scene.word.clone());
    let ((), job, was_parked) = Box::pin(within((park, parked), scene.erases())).await;
    if !was_parked {
        return None;
    }
    // Leases and pointers that lead nowhere have ended.
    for _ in 0..2 {
        scene.works_off().await;
        scene.at.world.test().clock.advance_seconds(70);
    }
    scene.works_off().await;
    let operator = scene.at.world.operator();
    let mut wrong = Vec::new();
    let owner: Value = operator.get("/v1/organizations").await.is(200);
    let owns = owner["data"].as_array().unwrap().iter().any(|it| it["owner"]["user_id"] == json!(scene.zoe));
    match &job {
        Some(job) => {
            let job = operator.get(&format!("/v1/jobs/{job}")).await.is(200);
            let expected = if owns { "completed_with_conflicts" } else { "completed" };
            if job["status"] != json!(expected) {
                wrong.push(format!("the job is {}", job["status"]));
            }
            if !owns {
                wrong.extend(scene.named(act).await);
            }
        }
        None if owns => {}
        None => wrong.push("the erasure was refused".to_owned()),
    }
    let verdict = roster_core::verify::verify_all(&scene.at.service().roster, &mut |_| {}).await.unwrap();
    wrong.extend(verdict.findings.iter().map(|finding| format!("verify: {finding}")));
    Some(wrong)
}

/// In memory at every commit; elsewhere, where a store does the same at each, at every `every`-th.
async fn around(store: &str, act: Act, every: usize) {
    let mut n = 0;
    let mut wrong = Vec::new();
    while let Some(found) = Box::pin(at_step(store, act, n)).await {
        wrong.extend(found.into_iter().map(|what| format!("at commit {n}: {what}")));
        n += every;
    }
    println!("{act:?} on {store}: up to commit {n}");
    assert!(n > 0, "{act:?} commits");
    assert!(wrong.is_empty(), "{store}, {} wrong within {act:?}\n{}", wrong.len(), wrong.join("\n"));
}

/// What is tried here is core's: every act in memory and on `SQLite`, every sixth on a server.
fn is_tried(store: &str, act: Act) -> bool {
    let n = ALL.iter().position(|it| *it == act);
    matches!(store, "memory" | "sqlite") || n.is_some_and(|n| n % 6 == 0)
}

macro_rules! acts {
    ($($name:ident: $act:ident;)+) => {
        mod l5 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let act = super::Act::$act;
                    for store in super::selected().into_iter().filter(|store| super::is_tried(store, act)) {
                        super::around(store, act, if store == "memory" { 1 } else { 7 }).await;
                    }
                }
            )+
        }

        #[test]
        fn every_act_has_its_test() {
            assert_eq!(ALL, [$(Act::$act),+]);
        }
    };
}

acts! {
    one_who_is_erased_while_they_are_added: Add;
    one_who_is_erased_while_they_get_a_role: SetRole;
    one_who_is_erased_while_their_access_is_replaced: ReplaceAccess;
    one_who_is_erased_while_they_are_invited: Invite;
    one_who_is_erased_while_they_are_invited_among_many: InviteMany;
    one_who_is_erased_while_they_accept: Accept;
    one_who_is_erased_while_a_source_speaks_of_them: Message;
    one_who_is_erased_while_what_a_source_says_of_them_fails: DeadLetter;
    one_who_is_erased_while_they_get_a_key_role: KeyRole;
    one_who_is_erased_while_a_trait_makes_them_an_owner: OwnerByTrait;
    one_who_is_erased_while_a_trait_names_them_from_outside: OutsiderByTrait;
    one_who_is_erased_while_they_become_an_account_owner: OwnerByHand;
    one_who_is_erased_while_a_record_becomes_theirs: PutRecord;
    one_who_is_erased_while_their_records_are_handed_over: Reassign;
    one_who_is_erased_while_they_get_another_name: Rename;
    one_who_is_erased_while_their_plan_is_executed: Plan;
    one_who_is_erased_while_a_file_names_them: Import;
    one_who_is_erased_while_a_job_acts_on_them: Bulk;
    one_who_is_erased_while_they_make_a_key: PersonalKey;
    one_who_is_erased_while_they_are_removed_from_everything: Everywhere;
    one_who_is_erased_while_they_are_erased: Erase;
    one_who_is_erased_while_they_are_to_own_an_organization: NewOrganization;
    one_who_is_erased_while_they_become_the_owner: Transfer;
    one_who_is_erased_while_a_source_names_them_from_outside: OutsiderByMessage;
}
