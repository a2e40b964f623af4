//! What is left of a person whom sources, traits, files and plans speak of, once they are erased (rules L5, O2, X3).

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use roster_core::actor::Actor;
use roster_core::facts::{Facts, Request};
use roster_core::flows::erase_user;
use roster_core::home::{Home, Key, Record, TheOrganization};
use roster_core::id::{JobId, OrganizationId, UserId};
use roster_core::jobs::Worker;
use roster_core::model::customer::Customer;
use roster_core::model::{JobPart, JobPartId, JobSide, Outcome, OutcomeStatus, PartContent};
use roster_core::op::{Decision, Operation, Roster, View, run};
use roster_core::ops::job::{Advance, AdvanceJob, Ending, TakeJob};
use roster_core::ops::ownership::TransferOwnership;
use roster_core::permission::RoleRef;
use roster_core::refusal::Refusal;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError};
use roster_tests::gate::{Between, Hook};
use roster_tests::http::Reply;
use serde_json::{Value, json};

use crate::{Customers, selected, text};

const CLOUD: &str = "/v1/organizations/ext:cloud";

impl Customers {
    async fn asks_to_erase(&self, user: &str) -> Value {
        let path = format!("/v1/users/{user}/erase");
        self.world.operator().post(&path, json!({"confirm": true})).await.is(202)["job"].clone()
    }

    async fn job(&self, job: &Value) -> Value {
        self.world.operator().get(&format!("/v1/jobs/{}", text(job, "/id"))).await.is(200)
    }

    async fn results(&self, job: &Value) -> Vec<Value> {
        let path = format!("/v1/jobs/{}/results?limit=200", text(job, "/id"));
        self.world.operator().get(&path).await.is(200)["data"].as_array().unwrap().clone()
    }

    async fn uploads(&self, file: &str) -> Reply {
        let path = format!("{CLOUD}/imports?kind=members&dry_run=false");
        let operator = self.world.operator().with("content-type", "text/csv");
        operator.send(http::Method::POST, &path, file.into()).await
    }

    /// Everything that is kept outside of logs, but the traits of accounts and organizations.
    async fn kept(&self) -> String {
        let store = &self.service().roster.store;
        let mut all = String::new();
        for home in store.homes(None, 10_000).await.unwrap() {
            writeln!(all, "{home}").unwrap();
            for stored in store.dump(&home).await.unwrap().records {
                let record = match stored.record {
                    Record::Account(it) => format!("{:?}", it.posts),
                    Record::Organization(it) => format!("{:?}", it.posts),
                    other => format!("{other:?}"),
                };
                writeln!(all, "{record}").unwrap();
            }
        }
        all.to_lowercase()
    }
}

/// The items of others whose names are longer stay as they are, and a file that is under way goes on.
#[tokio::test]
async fn l5_nothing_is_taken_from_people_whose_names_only_begin_alike() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        for (id, email) in [("u-1", "al@example.com"), ("u-10", "val@example.com")] {
            let access = json!({"type": "organization", "role": "viewer"});
            let add = json!({"external_id": id, "email": email, "name": "Al", "access": access});
            operator.post(&format!("{CLOUD}/members"), add).await.is(201);
        }
        let users = json!(["ext:u-1", "ext:u-10", "ext:u-1"]);
        let bulk = json!({"action": "deactivate", "users": users});
        let before = operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202)["job"].clone();
        at.works_off().await;
        let file = "user_external_id,email,name,account_external_id,role\n\
                    u-11,al@example.org,Al,north,viewer\nu-1,,,north,viewer\nu-12,val2@example.com,Al,north,viewer\n";
        let import = at.uploads(file).await.is(202)["job"].clone();
        let bulk = json!({"action": "reactivate", "users": ["ext:u-1", "ext:u-10"]});
        let waiting = operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202)["job"].clone();
        let job = at.asks_to_erase("ext:u-1").await;
        at.works_off().await;
        assert_eq!(at.job(&job).await["status"], json!("completed"), "{store}");
        let items = |rows: &[Value]| rows.iter().map(|row| text(row, "/item")).collect::<Vec<_>>();
        assert_eq!(items(&at.results(&before).await), ["(erased)", "ext:u-10", "(erased)"], "{store}");
        let rows = at.results(&import).await;
        let came: Vec<_> = rows.iter().map(|row| (text(row, "/status"), row["line"].clone())).collect();
        let row = |status: &str, line: u64| (status.to_owned(), json!(line));
        assert_eq!(came, [row("added", 2), row("refused", 3), row("added", 4)], "{store}");
        assert_eq!(at.role("u-11", "north").await, json!("viewer"));
        let rows = at.results(&waiting).await;
        assert_eq!(rows[1]["status"], json!("changed"), "{store}: {rows:?}");
        at.is_clean().await;
    }
}

/// Rules L5, T3: no post waits for an erased person, whatever traits say.
#[tokio::test]
async fn l5_posts_that_wait_for_an_erased_person_are_empty_and_the_log_never_knew_their_id() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let mapping = json!({"account_owner_trait": "ownerId", "organization_owner_trait": "ownerId"});
        operator.put("/v1/trait-mappings", mapping.clone()).await.is(202);
        at.works_off().await;
        let zoe = json!({"external_id": "zoe-quite-alone", "email": "zoe@example.com"});
        let zoe = text(&operator.post("/v1/users", zoe).await.is(201), "/id");
        let named = json!({"traits": {"ownerId": "zoe-quite-alone"}});
        let (north, west) = (format!("{CLOUD}/accounts/ext:north"), "/v1/organizations/ext:other");
        operator.patch(&north, named.clone()).await.is(200);
        operator.patch(west, named).await.is(200);
        for path in [north.as_str(), west] {
            let shown = operator.get(path).await.is(200);
            assert_eq!(shown["account_owner"]["external_id"], json!("zoe-quite-alone"));
        }
        let audit = operator.get(&format!("{CLOUD}/audit?action=account_owner.unresolved")).await.is(200);
        assert!(audit["data"][0]["after"]["external_id_hmac"].is_string(), "{audit}");
        for home in at.service().roster.store.homes(None, 10_000).await.unwrap() {
            let log = roster_core::log::LogFilter::ALL;
            for entry in at.service().roster.store.log(&home, 0, 1_000, &log).await.unwrap() {
                let posts = String::from_utf8_lossy(&entry.body).into_owned();
                assert!(!posts.contains("quite-alone") || !posts.contains("account_owner."), "{posts}");
            }
        }
        at.asks_to_erase(&zoe).await;
        at.works_off().await;
        for _ in 0..2 {
            for path in [north.as_str(), west] {
                assert_eq!(operator.get(path).await.is(200)["account_owner"], Value::Null, "{store}");
            }
            operator.put("/v1/trait-mappings", mapping.clone()).await.is(202);
            at.works_off().await;
        }
        assert!(!at.kept().await.contains("quite-alone"), "{store}");
        at.is_clean().await;
    }
}

/// Rules L5, G5: what sources have said of an erased person, applied or not, is gone; what they said of others is not.
#[tokio::test]
async fn l5_what_sources_have_sent_about_an_erased_person_goes() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator
            .post("/v1/users", json!({"email": "zoe-old@example.com", "external_id": "zoe-7"}))
            .await
            .is(201);
        let kept = |email: &str| json!({"userId": "zoe-7", "traits": {"email": email, "colour": "mauve"}});
        at.says("/v1/identify", kept("zoe-new@example.com")).await;
        operator.patch("/v1/users/ext:zoe-7", json!({"email": "zoe-new@example.com"})).await.is(200);
        operator.delete(&format!("{CLOUD}/accounts/ext:south")).await.is(200);
        let fails = json!([
            {"type": "group", "userId": "zoe-7", "groupId": "south"},
            {"type": "group", "userId": "zoe-77", "groupId": "south"},
            {"type": "identify", "userId": "anna", "traits": {"email": "Zoe-New@example.com"}},
        ]);
        at.says("/v1/batch", json!({ "batch": fails })).await;
        assert_eq!(at.dead().await.len(), 3);
        let waits = json!([
            {"type": "identify", "userId": "zoe-7", "traits": {"city": "Rome"}},
            {"type": "identify", "userId": "yan", "traits": {"city": "Bern"}},
        ]);
        at.sender().post("/v1/batch", json!({ "batch": waits })).await.is(200);
        let invite =
            json!({"email": "zoe-old@example.com", "access": {"type": "organization", "role": "viewer"}});
        operator.post("/v1/organizations/ext:other/invitations", invite).await.is(201);
        at.asks_to_erase("ext:zoe-7").await;
        at.works_off().await;
        let left = at.kept().await;
        for name in ["zoe-old", "zoe-new", "\"zoe-7\"", "mauve", "colour"] {
            assert!(!left.contains(name), "{store}: {name} in {left}");
        }
        at.applied().await;
        assert_eq!(at.dead().await, ["account_gone"], "{store}: of somebody else");
        assert_eq!(at.user("yan").await.is(200)["traits"]["city"], json!("Bern"), "{store}");
        at.is_clean().await;
    }
}

/// Rule L5: one that cannot be read goes with whom it names by a whole value, however that is written, and with nobody else.
#[tokio::test]
async fn l5_what_cannot_be_read_goes_with_whom_it_names() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        operator.post("/v1/users", json!({"email": "zoe@example.com", "external_id": "7"})).await.is(201);
        let batch = r#"{"batch": [
            {"type": "identify", "userId": "8", "n": 1e400, "traits": {"email": "Zoe\u0040example.com"}},
            {"type": "track", "userId": "\u0037", "n": 1e400},
            {"type": "dance", "userId": "8", "to": ["zoe\u0040example.com"]},
            {"type": "identify", "userId": "77", "n": 1e400, "traits": {"age": 7, "email": "y7@example.com"}},
            {"type": "dance", "userId": "8", "traits": {"age": "7", "note": "not zoe@example.com"}}
        ]}"#;
        at.sender().send(http::Method::POST, "/v1/batch", batch.into()).await.is(200);
        at.applied().await;
        assert_eq!(at.dead().await.len(), 5, "{store}");
        at.asks_to_erase("ext:7").await;
        at.works_off().await;
        assert_eq!(at.dead().await, ["malformed", "unknown_type", "unknown_type"], "{store}: of others");
        at.is_clean().await;
    }
}

/// What has happened already is seen through.
#[tokio::test]
async fn l5_l7_an_erasure_and_a_hand_over_cannot_be_stopped() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let body = json!({"owner": "ext:nils"});
        operator.put(&format!("{CLOUD}/records/deal/1"), body).await.is(201);
        let hand_over = json!({"from": "ext:nils", "to": "ext:anna"});
        let moved =
            operator.post(&format!("{CLOUD}/records/reassign"), hand_over).await.is(202)["job"].clone();
        let erased = at.asks_to_erase("ext:nils").await;
        for job in [&moved, &erased] {
            let path = format!("/v1/jobs/{}/cancel", text(job, "/id"));
            operator.post(&path, json!({})).await.refused(409, "job_finished");
        }
        at.works_off().await;
        for job in [&moved, &erased] {
            assert_eq!(at.job(job).await["status"], json!("completed"), "{store}");
        }
        at.is_clean().await;
    }
}

/// Parts of a job that nothing leads to: more of them than are read at a time.
#[derive(Debug)]
struct Leftovers(OrganizationId);

impl Operation for Leftovers {
    type State = ();
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<(), StoreError> {
        view.get(&TheOrganization).await.map(drop)
    }

    fn decide(&self, (): (), _: &Facts) -> Result<Decision<()>, Refusal> {
        let part = |n| JobPartId { job: JobId::from_uuid(uuid::Uuid::from_u128(1)), side: JobSide::Input, n };
        let parts = (0..250).map(|n| JobPart { id: part(n), content: PartContent::Items(Vec::new()) });
        Ok(parts.map(Record::JobPart).fold(Decision::unchanged(()), Decision::put))
    }
}

/// A worker of a job that says what came of its items once the erasure has looked at jobs, and has not looked at their
/// parts.
#[derive(Debug)]
struct SaysMeanwhile {
    roster: Roster,
    says: Mutex<Option<AdvanceJob>>,
}

#[async_trait]
impl Hook for SaysMeanwhile {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        store.commit(changes).await
    }

    async fn before_records(&self, home: &Home, after: Option<&Key>) -> Result<(), StoreError> {
        let says = match after {
            Some(Key::JobPart(_)) if matches!(home, Home::Organization(_)) => {
                self.says.lock().unwrap().take()
            }
            _ => None,
        };
        if let Some(says) = says {
            let system = Request::new(Actor::System, self.roster.entropy.as_ref());
            run(&self.roster, &system, &says).await.unwrap().output.unwrap();
        }
        Ok(())
    }
}

/// What names somebody goes from a part of a job, which is then gone, to the job: where the erasure has been already.
#[tokio::test]
async fn l5_what_a_job_says_of_an_erased_person_while_it_is_looked_through_goes() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let cloud: OrganizationId = text(&operator.get(CLOUD).await.is(200), "/id").parse().unwrap();
        let zoe = json!({"external_id": "zoe-quite-alone", "email": "zoe@example.com"});
        let zoe = text(&operator.post("/v1/users", zoe).await.is(201), "/id");
        let bulk = json!({"action": "remove", "users": ["ext:zoe-quite-alone"]});
        let bulk = operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202)["job"].clone();
        let (roster, id) = (at.service().roster.clone(), text(&bulk, "/id").parse().unwrap());
        let system = Request::new(Actor::System, roster.entropy.as_ref());
        run(&roster, &system, &Leftovers(cloud)).await.unwrap();
        let (home, holder) = (Home::Organization(cloud), uuid::Uuid::from_u128(7));
        run(&roster, &system, &TakeJob { home: home.clone(), id, holder }).await.unwrap();
        let part = JobPartId::of_item(id, 0);
        let outcome = Outcome {
            item: "ext:zoe-quite-alone".to_owned(),
            line: None,
            status: OutcomeStatus::Refused,
            code: Some("not_found".to_owned()),
            warning: None,
            detail: None,
        };
        let advance = Advance {
            outcomes: vec![outcome],
            of: Some(part),
            forgets: vec![part],
            ending: Ending::Done,
            ..Advance::default()
        };
        let says = Mutex::new(Some(AdvanceJob { home, id, holder, advance }));
        let job = at.asks_to_erase(&zoe).await;
        let hook = Arc::new(SaysMeanwhile { roster: roster.clone(), says });
        let below = Between::new(Arc::clone(&roster.store), Arc::<SaysMeanwhile>::clone(&hook));
        let below = Roster { store: below, ..roster.clone() };
        Worker::new(below, Arc::default()).work_off().await.unwrap();
        assert!(hook.says.lock().unwrap().is_none(), "{store}: it was said");
        assert_eq!(at.job(&job).await["status"], json!("completed"), "{store}");
        assert_eq!(at.results(&bulk).await[0]["item"], json!("(erased)"), "{store}");
        assert!(!at.kept().await.contains("quite-alone"), "{store}");
        at.is_clean().await;
    }
}

/// Hands an organization to somebody just before their erasure commits.
#[derive(Debug)]
struct HandsOver {
    roster: Mutex<Option<Roster>>,
    organization: OrganizationId,
    to: UserId,
}

#[async_trait]
impl Hook for HandsOver {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let roster =
            if changes.home == Home::User(self.to) { self.roster.lock().unwrap().take() } else { None };
        if let Some(roster) = roster {
            let asked = Request::new(Actor::CLI, roster.entropy.as_ref());
            let transfer = TransferOwnership::new(self.organization, (self.to, 0), RoleRef::ADMIN);
            run(&roster, &asked, &transfer).await.unwrap();
        }
        store.commit(changes).await
    }
}

/// Rule O2: an owner is not erased, whatever comes between.
#[tokio::test]
async fn o2_who_becomes_the_owner_while_they_are_erased_keeps_their_names_until_they_hand_over() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let anna = text(&at.user("anna").await.is(200), "/id");
        let cloud = text(&operator.get(CLOUD).await.is(200), "/id");
        let roster = at.service().roster.clone();
        let hook = HandsOver {
            roster: Mutex::new(Some(roster.clone())),
            organization: cloud.parse().unwrap(),
            to: anna.parse().unwrap(),
        };
        let below =
            Roster { store: Between::new(Arc::clone(&roster.store), Arc::new(hook)), ..roster.clone() };
        let asked = Request::new(Actor::CLI, roster.entropy.as_ref());
        let job = erase_user(&below, &asked, anna.parse().unwrap()).await.unwrap().output;
        at.works_off().await;
        let job = operator.get(&format!("/v1/jobs/{}", job.id)).await.is(200);
        assert_eq!(job["status"], json!("completed_with_conflicts"), "{store}");
        assert_eq!(at.results(&job).await[0]["code"], json!("owner_must_transfer"), "{store}");
        assert_eq!(text(&operator.get(CLOUD).await.is(200), "/owner/email"), "anna@example.com", "{store}");
        let transfer = json!({"to": "ext:max", "previous_owner_role": "viewer"});
        operator.post(&format!("{CLOUD}/ownership-transfers"), transfer).await.is(201);
        let job = at.asks_to_erase(&anna).await;
        at.works_off().await;
        assert_eq!(at.job(&job).await["status"], json!("completed"), "{store}");
        assert!(!at.kept().await.contains("anna@"), "{store}");
        at.is_clean().await;
    }
}

/// Why somebody was let go is about them, not about whoever inherits from them.
#[tokio::test]
async fn l5_the_reason_of_a_plan_goes_with_whom_it_is_about() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let body = json!({"owner": "ext:nils"});
        operator.put(&format!("{CLOUD}/records/deal/1"), body).await.is(201);
        let path = format!("{CLOUD}/members/ext:nils/leaving-plan");
        let plan = at.world.person("anna").get(&format!("{path}?mode=remove")).await.is(200);
        let leave = json!({
            "mode": "remove", "revision": plan["revision"], "records_to": "ext:max", "reason": "nils was rude",
        });
        at.world.person("anna").post(&path, leave).await;
        let reasons = async || {
            let audit = operator.get(&format!("{CLOUD}/audit?limit=200&action=member.removed")).await.is(200);
            let rows = audit["data"].as_array().unwrap().iter();
            rows.filter_map(|row| row["reason"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(reasons().await, ["nils was rude"], "{store}");
        at.asks_to_erase("ext:nils").await;
        at.works_off().await;
        assert_eq!(reasons().await, [""; 0], "{store}");
        assert!(!at.kept().await.contains("rude"), "{store}");
    }
}

/// Rule T3: what was emptied by hand stays empty until the trait says something else.
#[tokio::test]
async fn t3_a_post_that_was_emptied_by_hand_stays_empty_until_the_trait_changes() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let mapping = json!({"account_owner_trait": "ownerId", "organization_owner_trait": null});
        operator.put("/v1/trait-mappings", mapping).await.is(202);
        at.works_off().await;
        let north = format!("{CLOUD}/accounts/ext:north");
        let owner = async || operator.get(&north).await.is(200)["account_owner"]["user_id"].clone();
        operator.patch(&north, json!({"traits": {"ownerId": "nils"}})).await.is(200);
        assert_ne!(owner().await, Value::Null);
        operator.delete(&format!("{north}/account-owner")).await.is(204);
        let said = |n: u64, who: &str| json!({"groupId": "north", "userId": "nils", "traits": {"n": n, "ownerId": who}});
        at.says("/v1/group", said(1, "nils")).await;
        assert_eq!(owner().await, Value::Null, "{store}");
        at.says("/v1/group", said(2, "anna")).await;
        assert_ne!(owner().await, Value::Null, "{store}");
        at.is_clean().await;
    }
}

/// What a source's record of a person's traits is called is theirs too.
#[tokio::test]
async fn l5_when_sources_said_what_of_an_erased_person_goes() {
    for store in selected() {
        let at = Customers::on(store).await;
        at.says("/v1/identify", json!({"userId": "zoe", "traits": {"colour": "mauve"}})).await;
        let clocks = async || {
            let store = &at.service().roster.store;
            let mut found = 0;
            for home in store.homes(None, 10_000).await.unwrap() {
                let records = store.dump(&home).await.unwrap().records;
                let is = |record: &Record| matches!(record, Record::Customer(it) if matches!(**it, Customer::UserClock(_)));
                found += records.iter().filter(|stored| is(&stored.record)).count();
            }
            found
        };
        assert_eq!(clocks().await, 1);
        at.asks_to_erase("ext:zoe").await;
        at.works_off().await;
        assert_eq!(clocks().await, 0, "{store}");
    }
}

/// What is deleted is overwritten, in the file of the store itself.
#[tokio::test]
async fn l5_the_file_of_an_embedded_store_holds_nothing_of_an_erased_person() {
    for store in selected().into_iter().filter(|store| *store == "sqlite") {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let body =
            json!({"email": "zoe-of-the-file@example.com", "external_id": "zoe-of-the-file", "name": "Zoe"});
        operator.post("/v1/users", body).await.is(201);
        let access = json!({"type": "organization", "role": "viewer"});
        let add = json!({"user": "ext:zoe-of-the-file", "access": access});
        operator.post(&format!("{CLOUD}/members"), add).await.is(201);
        at.asks_to_erase("ext:zoe-of-the-file").await;
        at.works_off().await;
        let folder = at.world.test().dir.as_ref().unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap().path();
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(15).any(|part| part == b"zoe-of-the-file");
            assert!(!found, "{}", file.display());
        }
    }
}
