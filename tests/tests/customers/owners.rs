//! Owners that traits name (rules T2, T3, T4, G4).

use std::sync::Arc;

use roster_core::jobs::Worker;
use roster_core::store::Clock as _;
use roster_core::verify::{repair_all, verify_all};
use serde_json::{Value, json};

use crate::{Customers, selected, text};

const NORTH: &str = "/v1/organizations/ext:cloud/accounts/ext:north";

pub async fn maps(at: &Customers, path: &str, name: Value) {
    let body = json!({"account_owner_trait": name});
    let job = at.world.operator().put(path, body).await.is(202);
    Worker::new(at.service().roster.clone(), Arc::default()).work_off().await.unwrap();
    let job = at.world.operator().get(&format!("/v1/jobs/{}", text(&job, "/job/id"))).await.is(200);
    assert_eq!(job["status"], json!("completed"), "{job}");
}

async fn owner(at: &Customers) -> Value {
    at.account("north").await["account_owner"].clone()
}

#[tokio::test]
async fn t2_the_owner_follows_the_trait_and_t3_a_manual_one_stays_until_it_changes() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let id = async |user: &str| text(&at.user(user).await.is(200), "/id");
        let (nils, nora) = (id("nils").await, id("nora").await);
        let mapped = |user: &str| json!({"state": "resolved", "source": "mapping", "user_id": user});
        operator.patch(NORTH, json!({"traits": {"ownerId": "nils"}})).await.is(200);
        assert_eq!(owner(&at).await, Value::Null, "nothing is mapped");
        maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        assert_eq!(owner(&at).await, mapped(&nils), "everything is looked at again");
        let answer = operator.patch(NORTH, json!({"traits": {"ownerId": "nora"}})).await.is(200);
        assert_eq!(answer["account_owner"], mapped(&nora));
        let keyed = operator.clone().with("idempotency-key", "one");
        let west = json!({"name": "West", "traits": {"ownerId": "anna"}});
        let made = keyed.post("/v1/organizations/ext:cloud/accounts", west.clone()).await.is(201);
        assert_eq!(made["account_owner"], mapped(&id("anna").await));
        assert_eq!(keyed.post("/v1/organizations/ext:cloud/accounts", west).await.is(201), made);
        operator.put(&format!("{NORTH}/account-owner"), json!({"user": "ext:nils"})).await.is(200);
        operator.patch(NORTH, json!({"traits": {"other": 1}})).await.is(200);
        assert_eq!(owner(&at).await["source"], json!("manual"));
        at.says("/v1/group", json!({"userId": "nils", "groupId": "north", "traits": {"ownerId": "nobody"}}))
            .await;
        let unresolved = json!({"state": "unresolved", "source": "mapping", "external_id": "nobody"});
        assert_eq!(owner(&at).await, unresolved);
        // An organization's own mapping beats the deployment's.
        operator.patch(NORTH, json!({"traits": {"lead": "nils"}})).await.is(200);
        maps(&at, "/v1/organizations/ext:cloud/trait-mappings", json!("lead")).await;
        assert_eq!(owner(&at).await, mapped(&nils));
        let shown = operator.get("/v1/organizations/ext:cloud/trait-mappings").await.is(200);
        assert_eq!(shown, json!({"account_owner_trait": "lead", "organization_owner_trait": null}));
        at.is_clean().await;
    }
}

/// A mapping says which trait counts, and nothing about an account: who was put there by hand stays until that trait changes.
#[tokio::test]
async fn t3_a_mapping_leaves_an_owner_who_was_set_by_hand_until_the_trait_changes() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let by = async || owner(&at).await["source"].clone();
        let traits = async |traits: Value| {
            operator.patch(NORTH, json!({ "traits": traits })).await.is(200);
        };
        traits(json!({"ownerId": "nora"})).await;
        operator.put(&format!("{NORTH}/account-owner"), json!({"user": "ext:nils"})).await.is(200);
        // Before the job has come by, and after it.
        operator.put("/v1/trait-mappings", json!({"account_owner_trait": "ownerId"})).await.is(202);
        traits(json!({"other": 1})).await;
        assert_eq!(by().await, json!("manual"), "{store}");
        repair_all(&at.service().roster, &mut |_| {}).await.unwrap();
        maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        assert_eq!(by().await, json!("manual"), "{store}");
        traits(json!({"lead": "anna", "other": 2})).await;
        maps(&at, "/v1/organizations/ext:cloud/trait-mappings", json!("lead")).await;
        assert_eq!(by().await, json!("manual"), "{store}: another trait counts now, and it has not changed");
        at.is_clean().await;
        traits(json!({"lead": "nora"})).await;
        let nora = text(&at.user("nora").await.is(200), "/id");
        assert_eq!(owner(&at).await["user_id"], json!(nora), "{store}");
        // That it names nobody any more is a change as well; that it still does not is none.
        let by_hand = json!({"user": "ext:nils"});
        for (gone, stays) in [(json!({"lead": null}), false), (json!({"lead": null, "other": 3}), true)] {
            operator.put(&format!("{NORTH}/account-owner"), by_hand.clone()).await.is(200);
            traits(gone).await;
            let expected = if stays { json!("manual") } else { Value::Null };
            assert_eq!(by().await, expected, "{store}");
        }
        // Set after the mapping was, and before the job has come by.
        operator.put(&format!("{NORTH}/account-owner"), json!({"user": "ext:nils"})).await.is(200);
        operator
            .put("/v1/organizations/ext:cloud/trait-mappings", json!({"account_owner_trait": "csm"}))
            .await
            .is(202);
        traits(json!({"csm": "nora"})).await;
        maps(&at, "/v1/organizations/ext:cloud/trait-mappings", json!("csm")).await;
        assert_eq!(owner(&at).await["user_id"], json!(nora), "{store}");
        maps(&at, "/v1/organizations/ext:cloud/trait-mappings", json!("lead")).await;
        // Set for the first time, it has changed.
        let west = "/v1/organizations/ext:cloud/accounts/ext:fresh";
        let made = json!({"name": "Fresh", "external_id": "fresh"});
        operator.post("/v1/organizations/ext:cloud/accounts", made).await.is(201);
        operator.put(&format!("{west}/account-owner"), json!({"user": "ext:anna"})).await.is(200);
        operator.patch(west, json!({"traits": {"lead": "max"}})).await.is(200);
        assert_eq!(at.account("fresh").await["account_owner"]["source"], json!("mapping"), "{store}");
        at.is_clean().await;
    }
}

#[tokio::test]
async fn t3_an_owner_who_is_waited_for_resolves_by_joining_and_t4_waits_again_after_leaving() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        operator.patch(NORTH, json!({"traits": {"ownerId": "zoe"}})).await.is(200);
        assert_eq!(owner(&at).await["state"], json!("unresolved"));
        at.says("/v1/group", json!({"userId": "zoe", "groupId": "north"})).await;
        assert_eq!(owner(&at).await["state"], json!("resolved"));
        operator.delete(&format!("{NORTH}/members/ext:zoe")).await.is(200);
        assert_eq!(owner(&at).await["state"], json!("unresolved"));
        operator.put(&format!("{NORTH}/members/ext:zoe"), json!({"role": "viewer"})).await.is(201);
        assert_eq!(owner(&at).await["state"], json!("resolved"));
        // Whoever reaches all accounts reaches this one.
        operator.patch(NORTH, json!({"traits": {"ownerId": "yan"}})).await.is(200);
        let access = json!({"type": "organization", "role": "viewer"});
        let add = json!({"external_id": "yan", "access": access});
        operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
        assert_eq!(owner(&at).await["state"], json!("resolved"));
        at.is_clean().await;
    }
}

/// Rules T3, M12: whoever is waited for and begins later has the post when they begin, with no call.
#[tokio::test]
async fn t3_a_post_that_waits_for_somebody_who_begins_later_resolves_when_they_begin() {
    for store in selected() {
        for trait_first in [true, false] {
            let at = Customers::on(store).await;
            let operator = at.world.operator();
            let work =
                async || Worker::new(at.service().roster.clone(), Arc::default()).work_off().await.unwrap();
            maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
            let names = async || {
                operator.patch(NORTH, json!({"traits": {"ownerId": "zoe"}})).await.is(200);
            };
            if trait_first {
                names().await;
            }
            let start = at.world.test().clock.now().plus_seconds(3_600);
            let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
            let add = json!({"external_id": "zoe", "access": access, "starts_at": start});
            operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
            if !trait_first {
                names().await;
            }
            work().await;
            assert_eq!(owner(&at).await["state"], json!("unresolved"), "{store}");
            at.world.test().clock.advance_seconds(3_599);
            work().await;
            assert_eq!(owner(&at).await["state"], json!("unresolved"), "{store}");
            at.world.test().clock.advance_seconds(1);
            // Their time has come, and the job that is about to look is no fault.
            at.is_clean().await;
            work().await;
            assert_eq!(owner(&at).await["state"], json!("resolved"), "{store}, {trait_first}");
            let jobs = operator.get("/v1/jobs?limit=200").await.is(200);
            let open = jobs["data"].as_array().unwrap().iter().filter(|job| job["status"] == "queued");
            assert_eq!(open.count(), 0, "{store}: nothing waits any more");
            at.is_clean().await;
        }
    }
}

/// The same where the beginning is moved: to now at once, to later then.
#[tokio::test]
async fn t3_a_post_follows_a_beginning_that_is_moved() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let work =
            async || Worker::new(at.service().roster.clone(), Arc::default()).work_off().await.unwrap();
        maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        operator.patch(NORTH, json!({"traits": {"ownerId": "zoe"}})).await.is(200);
        let later = |seconds: i64| json!(at.world.test().clock.now().plus_seconds(seconds));
        let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
        let add = json!({"external_id": "zoe", "access": access, "starts_at": later(3_600)});
        operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
        let zoe = "/v1/organizations/ext:cloud/members/ext:zoe";
        operator.patch(zoe, json!({"starts_at": later(7_200)})).await.is(200);
        at.world.test().clock.advance_seconds(3_600);
        work().await;
        assert_eq!(owner(&at).await["state"], json!("unresolved"), "{store}");
        at.world.test().clock.advance_seconds(3_600);
        work().await;
        assert_eq!(owner(&at).await["state"], json!("resolved"), "{store}");
        operator.patch(NORTH, json!({"traits": {"ownerId": "yan"}})).await.is(200);
        let add = json!({"external_id": "yan", "access": access, "starts_at": later(3_600)});
        operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
        assert_eq!(owner(&at).await["state"], json!("unresolved"), "{store}");
        operator
            .patch("/v1/organizations/ext:cloud/members/ext:yan", json!({"starts_at": null}))
            .await
            .is(200);
        assert_eq!(owner(&at).await["state"], json!("resolved"), "{store}: at once");
        at.is_clean().await;
    }
}

/// Rules T3, M12: a job that was to look again when somebody begins, and was cancelled, is asked for anew.
#[tokio::test]
async fn t3_a_post_that_waits_is_looked_at_though_the_job_for_it_was_cancelled_before() {
    for store in selected() {
        let at = Customers::on(store).await;
        let operator = at.world.operator();
        let work =
            async || Worker::new(at.service().roster.clone(), Arc::default()).work_off().await.unwrap();
        maps(&at, "/v1/trait-mappings", json!("ownerId")).await;
        operator.patch(NORTH, json!({"traits": {"ownerId": "zoe"}})).await.is(200);
        let start = at.world.test().clock.now().plus_seconds(3_600);
        let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
        let add = json!({"external_id": "zoe", "access": access, "starts_at": start});
        operator.post("/v1/organizations/ext:cloud/members", add).await.is(201);
        let queued = async || {
            let jobs = operator.get("/v1/jobs?limit=200").await.is(200);
            let jobs = jobs["data"].as_array().unwrap().clone();
            jobs.into_iter().find(|job| job["status"] == "queued")
        };
        let job = text(&queued().await.unwrap(), "/id");
        operator.post(&format!("/v1/jobs/{job}/cancel"), json!({})).await.is(200);
        assert_eq!(queued().await, None, "{store}");
        operator.patch(NORTH, json!({"traits": {"other": 1}})).await.is(200);
        assert_eq!(queued().await.map(|it| text(&it, "/id")), Some(job), "{store}");
        at.world.test().clock.advance_seconds(3_600);
        work().await;
        assert_eq!(owner(&at).await["state"], json!("resolved"), "{store}");
        assert_eq!(queued().await, None, "{store}");
        at.is_clean().await;
    }
}

/// Rules T2, T3: an owner who was never looked for, because the job that was to do so was cancelled, is found and put right,
/// though not while a job is about to look.
#[tokio::test]
async fn t2_an_owner_who_was_never_looked_for_is_found_and_put_right() {
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, roster) = (at.world.operator(), &at.service().roster);
        operator.patch(NORTH, json!({"traits": {"ownerId": "nils", "lead": "nora"}})).await.is(200);
        // By no mapping before, and by another one.
        for (mapped_by, user) in [("ownerId", "nils"), ("lead", "nora")] {
            let mapping = json!({"account_owner_trait": mapped_by});
            let job = text(&operator.put("/v1/trait-mappings", mapping).await.is(202), "/job/id");
            at.is_clean().await;
            operator.post(&format!("/v1/jobs/{job}/cancel"), json!({})).await.is(200);
            let found = verify_all(roster, &mut |_| {}).await.unwrap().findings;
            let found: Vec<&str> = found.iter().map(|finding| finding.invariant).collect();
            assert_eq!(found, ["owners"], "{store}, {mapped_by}");
            repair_all(roster, &mut |_| {}).await.unwrap();
            let user = at.user(user).await.is(200)["id"].clone();
            assert_eq!(owner(&at).await["user_id"], user, "{store}, {mapped_by}");
        }
        at.is_clean().await;
    }
}

/// T2: an organization's owner follows its trait, and a whole number names somebody as its digits do. T4: who held a mapped
/// post and is removed leaves it unresolved, as the audit says, or to the plan's successor.
#[tokio::test]
async fn t2_organizations_and_numbers_are_mapped_and_t4_posts_are_left_to_nobody_or_to_a_successor() {
    for store in selected() {
        let at = Customers::on(store).await;
        let (operator, cloud) = (at.world.operator(), "/v1/organizations/ext:cloud");
        let traits = json!({"account_owner_trait": "ownerId", "organization_owner_trait": "boss"});
        operator.put("/v1/trait-mappings", traits).await.is(202);
        at.works_off().await;
        operator.patch(cloud, json!({"traits": {"boss": "max"}})).await.is(200);
        let shown = operator.get(cloud).await.is(200)["account_owner"].clone();
        let max = text(&at.user("max").await.is(200), "/id");
        assert_eq!(shown, json!({"state": "resolved", "source": "mapping", "user_id": max}), "{store}");

        let members = format!("{cloud}/members");
        let access = roster_tests::world::on_accounts(&[("north", "viewer")]);
        operator.post(&members, json!({"external_id": "42", "access": access})).await.is(201);
        operator.patch(NORTH, json!({"traits": {"ownerId": 42}})).await.is(200);
        assert_eq!(owner(&at).await["state"], json!("resolved"), "{store}");
        operator.delete(&format!("{members}/ext:42")).await.is(200);
        let waits = json!({"state": "unresolved", "source": "mapping", "external_id": "42"});
        assert_eq!(owner(&at).await, waits, "{store}");
        let audit = operator.get(&format!("{cloud}/audit?action=account_owner.unresolved")).await.is(200);
        assert_eq!(audit["data"].as_array().unwrap().len(), 1, "{store}: {audit}");

        operator.patch(NORTH, json!({"traits": {"ownerId": "nils"}})).await.is(200);
        let plan = format!("{members}/ext:nils/leaving-plan");
        let revision = operator.get(&format!("{plan}?mode=remove")).await.is(200)["revision"].clone();
        let body =
            json!({"mode": "remove", "revision": revision, "posts_to": "ext:nora", "invitations": "revoke"});
        operator.post(&plan, body).await.is(200);
        let nora = text(&at.user("nora").await.is(200), "/id");
        assert_eq!(owner(&at).await["user_id"], json!(nora), "{store}");
        at.is_clean().await;
    }
}
