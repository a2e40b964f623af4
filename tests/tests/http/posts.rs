//! Account owners and key roles by hand: rules T3, T4, M9, L5.

use roster_tests::stores::selected;
use roster_tests::world::{World, join, on_accounts};
use serde_json::{Value, json};

use crate::{later, verified, work_off};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const NORTH: &str = "/v1/organizations/ext:cloud/accounts/ext:north";
const SOUTH: &str = "/v1/organizations/ext:cloud/accounts/ext:south";

async fn id(world: &World, person: &str) -> String {
    roster_tests::http::text(&world.operator().get(&format!("/v1/users/ext:{person}")).await.is(200), "/id")
}

fn by_hand(user: &str) -> Value {
    json!({"state": "resolved", "source": "manual", "user_id": user})
}

async fn set(world: &World, path: &str, person: &str) -> Value {
    world.operator().put(path, json!({"user": format!("ext:{person}")})).await.is(200)
}

/// The actions of the trail since a number, with whom they are about.
async fn since(world: &World, seq: u64) -> Vec<(String, Value)> {
    let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
    let rows = trail["data"].as_array().unwrap().clone();
    let rows = rows.into_iter().filter(|row| row["seq"].as_u64() > Some(seq));
    rows.map(|row| (row["action"].as_str().unwrap().to_owned(), row["user_id"].clone())).collect()
}

async fn end(world: &World) -> u64 {
    let trail = world.operator().get(&format!("{CLOUD}/audit?limit=200")).await.is(200);
    trail["data"].as_array().unwrap().iter().filter_map(|row| row["seq"].as_u64()).max().unwrap()
}

/// T3: set, shown in every shape and list, changed, cleared; each is one event.
#[tokio::test]
async fn t3_posts_are_set_and_cleared_by_hand() {
    for store in selected() {
        let world = World::on(store).await;
        let (nils, nora) = (id(&world, "nils").await, id(&world, "nora").await);
        let before = end(&world).await;
        let account = set(&world, &format!("{NORTH}/account-owner"), "nils").await;
        assert_eq!((&account["account_owner"], &account["key_roles"]), (&by_hand(&nils), &json!({})));
        set(&world, &format!("{NORTH}/account-owner"), "nils").await;
        let account = set(&world, &format!("{NORTH}/key-roles/CSM%20emea"), "nora").await;
        assert_eq!(account["key_roles"], json!({"CSM emea": nora}));
        assert_eq!(world.person("nora").get(NORTH).await.is(200), account);
        let list = world.operator().get(&format!("{CLOUD}/accounts")).await.is(200);
        assert_eq!(list["data"][0], account);
        let organization = set(&world, &format!("{CLOUD}/account-owner"), "vera").await;
        let vera = id(&world, "vera").await;
        assert_eq!(organization["account_owner"], by_hand(&vera));
        set(&world, &format!("{CLOUD}/key-roles/ae"), "nora").await;
        let organization = world.operator().get(CLOUD).await.is(200);
        assert_eq!(organization["key_roles"], json!({"ae": nora}));
        set(&world, &format!("{NORTH}/account-owner"), "nora").await;
        for path in [format!("{NORTH}/account-owner"), format!("{CLOUD}/key-roles/ae")] {
            world.operator().delete(&path).await.is(204);
            world.operator().delete(&path).await.is(204);
        }
        let account = world.operator().get(NORTH).await.is(200);
        assert_eq!(
            (&account["account_owner"], &account["key_roles"]),
            (&Value::Null, &json!({"CSM emea": nora}))
        );
        let (nils, nora, vera) = (json!(nils), json!(nora), json!(vera));
        let told = |action: &str, who: &Value| (action.to_owned(), who.clone());
        assert_eq!(
            since(&world, before).await,
            [
                told("account_owner.set", &nils),
                told("key_role.set", &nora),
                told("account_owner.set", &vera),
                told("key_role.set", &nora),
                told("account_owner.set", &nora),
                told("account_owner.cleared", &nora),
                told("key_role.cleared", &nora),
            ],
            "{store}"
        );
        verified(&world).await;
    }
}

/// T3: an account owner is in the account; key roles are for anybody whom the caller may name.
#[tokio::test]
async fn t3_an_account_owner_is_in_the_account() {
    for store in selected() {
        let world = World::on(store).await;
        let owner = format!("{SOUTH}/account-owner");
        for person in ["nora", "empty", "fred", "mia"] {
            let body = json!({"user": format!("ext:{person}")});
            world.operator().put(&owner, body).await.refused(409, "not_in_account");
        }
        let whole = format!("{CLOUD}/account-owner");
        for person in ["fred", "mia"] {
            let body = json!({"user": format!("ext:{person}")});
            world.operator().put(&whole, body).await.refused(409, "not_in_account");
        }
        for person in ["nils", "vera", "olga"] {
            set(&world, &owner, person).await;
        }
        set(&world, &whole, "empty").await;
        let role = format!("{SOUTH}/key-roles/csm");
        set(&world, &role, "mia").await;
        world.person("anna").put(&role, json!({"user": "ext:mia"})).await.refused(404, "not_found");
        world.person("anna").put(&role, json!({"user": "ext:nobody"})).await.refused(404, "not_found");
        world.person("anna").put(&role, json!({"user": "ext:nora"})).await.is(200);
        world.operator().put(&role, json!({"user": "ext:nora", "since": 1})).await.refused(422, "invalid");
        world.operator().put(&role, json!({})).await.refused(422, "invalid");
        let long = format!("{SOUTH}/key-roles/{}", "x".repeat(65));
        world.operator().put(&long, json!({"user": "ext:nora"})).await.refused(422, "invalid");
        let unknown = format!("{CLOUD}/accounts/ext:west/account-owner");
        world.operator().put(&unknown, json!({"user": "ext:nora"})).await.refused(404, "not_found");
        verified(&world).await;
    }
}

/// T4, M9: whoever goes, by whichever way, holds nothing afterwards, and does not hold it again when they are back.
#[tokio::test]
async fn t4_a_leaver_holds_no_post() {
    for store in selected() {
        for way in ["remove", "delete", "leave", "everywhere", "account", "access", "expire"] {
            let world = World::on(store).await;
            let operator = world.operator();
            set(&world, &format!("{NORTH}/account-owner"), "nils").await;
            set(&world, &format!("{NORTH}/key-roles/csm"), "nils").await;
            set(&world, &format!("{SOUTH}/account-owner"), "nils").await;
            set(&world, &format!("{CLOUD}/key-roles/csm"), "nils").await;
            set(&world, &format!("{CLOUD}/key-roles/ae"), "vera").await;
            let before = end(&world).await;
            let member = format!("{CLOUD}/members/ext:nils");
            match way {
                "remove" => drop(operator.delete(&member).await.is(200)),
                "delete" => {
                    operator.post(&format!("{member}/delete"), json!({"confirm": true})).await.is(200);
                }
                "leave" => {
                    drop(world.person("nils").post(&format!("{member}/leave"), json!({})).await.is(200));
                }
                "everywhere" => {
                    operator.delete("/v1/users/ext:nils/accounts").await.is(202);
                    work_off(&world).await;
                }
                "account" => drop(operator.delete(&format!("{NORTH}/members/ext:nils")).await.is(200)),
                "access" => {
                    let south = json!({"roles": [{"role": "viewer", "accounts": ["ext:south"]}]});
                    operator.put(&format!("{member}/access"), south).await.is(200);
                }
                _ => {
                    let end = later(&world, 60);
                    operator.patch(&member, json!({"expires_at": end})).await.is(200);
                    world.test().clock.advance_seconds(61);
                }
            }
            let of_account = matches!(way, "account" | "access");
            let north = operator.get(NORTH).await.is(200);
            assert_eq!((&north["account_owner"], &north["key_roles"]), (&Value::Null, &json!({})), "{way}");
            let list = operator.get(&format!("{CLOUD}/accounts")).await.is(200);
            assert_eq!(list["data"][0], north, "{way}");
            let south = operator.get(SOUTH).await.is(200);
            assert_eq!(south["account_owner"].is_null(), !of_account, "{way}");
            let cloud = operator.get(CLOUD).await.is(200);
            assert_eq!(
                cloud["key_roles"].as_object().unwrap().len(),
                if of_account { 2 } else { 1 },
                "{way}"
            );
            let back = operator.put(&format!("{NORTH}/members/ext:nils"), json!({"role": "viewer"})).await;
            assert!(back.status.is_success(), "{}", back.text);
            assert_eq!(operator.get(NORTH).await.is(200)["account_owner"], Value::Null, "{way}");
            let told = since(&world, before).await;
            let count = |action: &str| told.iter().filter(|(told, _)| told == action).count();
            let (owners, roles) = if of_account { (1, 1) } else { (2, 2) };
            assert_eq!((count("account_owner.cleared"), count("key_role.cleared")), (owners, roles), "{way}");
            verified(&world).await;
        }
    }
}

/// L1: a deactivated person keeps what they hold.
#[tokio::test]
async fn l1_a_deactivated_person_keeps_their_posts() {
    for store in selected() {
        let world = World::on(store).await;
        set(&world, &format!("{NORTH}/account-owner"), "nils").await;
        world.operator().post(&format!("{CLOUD}/members/ext:nils/deactivate"), json!({})).await.is(200);
        let nils = id(&world, "nils").await;
        assert_eq!(world.operator().get(NORTH).await.is(200)["account_owner"], by_hand(&nils));
        world
            .operator()
            .put(&format!("{SOUTH}/account-owner"), json!({"user": "ext:nils"}))
            .await
            .refused(409, "not_in_account");
        verified(&world).await;
    }
}

/// A post confers no permission; its change is a change of the account, for whoever keeps a version.
#[tokio::test]
async fn a_post_confers_nothing_and_changes_the_version() {
    for store in selected() {
        let world = World::on(store).await;
        join(&world.operator(), "cloud", "cora", on_accounts(&[("north", "viewer")])).await;
        let before = world.operator().get(NORTH).await;
        let tag = before.header("etag").unwrap().to_owned();
        set(&world, &format!("{NORTH}/account-owner"), "cora").await;
        world.person("cora").patch(NORTH, json!({"name": "Mine"})).await.refused(403, "forbidden");
        let after = world.operator().with("if-none-match", &tag).get(NORTH).await;
        assert_eq!(after.status.as_u16(), 200);
        let stale = world.operator().with("if-match", &tag);
        stale
            .put(&format!("{NORTH}/account-owner"), json!({"user": "ext:nora"}))
            .await
            .refused(412, "precondition_failed");
        stale.delete(&format!("{NORTH}/account-owner")).await.refused(412, "precondition_failed");
    }
}

/// M5, T4: a post given anew to one who was removed from everything stays in their list, and is emptied with it.
#[tokio::test]
async fn m5_t4_a_post_given_anew_before_the_sweep_is_still_in_the_list() {
    for store in selected() {
        let world = World::on(store).await;
        set(&world, &format!("{NORTH}/key-roles/csm"), "nils").await;
        world.operator().delete("/v1/users/ext:nils/accounts").await.is(202);
        set(&world, &format!("{NORTH}/key-roles/csm"), "nils").await;
        verified(&world).await;
    }
}
