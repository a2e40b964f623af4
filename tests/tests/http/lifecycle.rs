//! Going for now and for good, and coming back: rules L1 to L4, L9, M7, M11, O2.

use roster_core::verify::verify_all;
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

fn of(person: &str, verb: &str) -> String {
    format!("{CLOUD}/members/ext:{person}/{verb}")
}

async fn turned(caller: &Caller<'_>, person: &str, verb: &str) -> Value {
    caller.call(http::Method::POST, &of(person, verb), None).await.is(200)
}

async fn refused(caller: &Caller<'_>, person: &str, verb: &str, status: u16, code: &str) {
    caller.call(http::Method::POST, &of(person, verb), None).await.refused(status, code);
}

async fn used(world: &World) -> i64 {
    world.operator().get(&format!("{CLOUD}/seats")).await.is(200)["used"].as_i64().unwrap()
}

async fn reason(world: &World, person: &str) -> String {
    let asked =
        json!({"user": format!("ext:{person}"), "permission": "members:read", "account": "ext:north"});
    let key = world.service.bearer(&world.admin_key);
    text(&key.post("/v1/check", asked).await.is(200), "/reason")
}

async fn actions(world: &World, person: &str) -> Vec<String> {
    let page = world.operator().get(&format!("{CLOUD}/audit?user=ext:{person}&limit=200")).await.is(200);
    page["data"].as_array().unwrap().iter().map(|row| text(row, "/action")).collect()
}

async fn is_clean(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// Whatever access is kept for the way back.
#[tokio::test]
async fn l1_a_deactivated_member_of_every_account_is_deactivated_before_all() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let everywhere = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:nils/access"), everywhere.clone()).await.is(200);
        turned(&operator, "nils", "deactivate").await;
        let role = format!("{CLOUD}/accounts/ext:north/members/ext:nils");
        operator.put(&role, json!({"role": "viewer"})).await.refused(409, "member_deactivated");
        let access = format!("{CLOUD}/members/ext:nils/access");
        operator.put(&access, everywhere).await.refused(409, "member_deactivated");
    }
}

/// L1, L3, M7: no access at the next request, everything kept, the seat free; L2: all of it back, if a seat is.
#[tokio::test]
async fn l1_l2_a_deactivated_member_is_out_and_comes_back_as_they_were() {
    for store in selected() {
        let world = World::on(store).await;
        let (anna, nils) = (world.person("anna"), world.person("nils"));
        let (before, seats) =
            (world.operator().get(&format!("{CLOUD}/members/ext:nils")).await.is(200), used(&world).await);
        let gone = turned(&anna, "nils", "deactivate").await;
        assert_eq!((&gone["status"], &gone["access"]), (&json!("deactivated"), &before["access"]));
        assert_eq!(used(&world).await, seats - 1);
        assert_eq!(reason(&world, "nils").await, "deactivated");
        nils.get(&format!("{CLOUD}/members")).await.refused(404, "not_found");
        let listed = anna.get(&format!("{CLOUD}/members?status=deactivated")).await.is(200);
        assert_eq!(listed["data"], json!([gone]));
        assert_eq!(turned(&anna, "nils", "deactivate").await, gone, "twice is fine");
        let viewer = json!({"role": "viewer"});
        anna.put(&format!("{CLOUD}/accounts/ext:north/members/ext:nils"), viewer)
            .await
            .refused(409, "member_deactivated");

        world.operator().patch(&format!("{CLOUD}/seats"), json!({"purchased": seats - 1})).await.is(200);
        refused(&anna, "nils", "reactivate", 409, "no_seat").await;
        assert_eq!(reason(&world, "nils").await, "deactivated");
        world.operator().patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        assert_eq!(turned(&anna, "nils", "reactivate").await, before);
        assert_eq!(turned(&anna, "nils", "reactivate").await, before, "twice is fine");
        assert_eq!(reason(&world, "nils").await, "granted");
        assert_eq!(
            actions(&world, "nils").await,
            ["member.added", "member.deactivated", "member.reactivated"],
            "one event each"
        );
        is_clean(&world).await;
    }
}

/// L2, O8: an account that was archived while they were out stays theirs, to be reached once it is brought back.
#[tokio::test]
async fn l2_what_was_archived_meanwhile_is_still_theirs() {
    for store in selected() {
        let world = World::on(store).await;
        let (anna, operator) = (world.person("anna"), world.operator());
        let before = operator.get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        turned(&anna, "nils", "deactivate").await;
        let north = format!("{CLOUD}/accounts/ext:north");
        operator.delete(&north).await.is(200);
        assert_eq!(turned(&anna, "nils", "reactivate").await, before);
        assert_eq!(reason(&world, "nils").await, "no_access");
        operator.patch(&north, json!({"status": "active"})).await.is(200);
        assert_ne!(reason(&world, "nils").await, "no_access");
        is_clean(&world).await;
    }
}

/// O2, M11, P5: the owner is protected before rank; one who may not is told so; one who has left is not deactivated.
#[tokio::test]
async fn o2_who_may_deactivate_and_delete_whom() {
    for store in selected() {
        let world = World::on(store).await;
        let confirmed = json!({"confirm": true});
        for caller in [world.person("anna"), world.operator(), world.person("olga")] {
            for verb in ["deactivate", "reactivate"] {
                refused(&caller, "olga", verb, 409, "owner_must_transfer").await;
                refused(&caller, "fred", verb, 409, "target_not_active").await;
                refused(&caller, "mia", verb, 404, "not_found").await;
            }
            caller.post(&of("olga", "delete"), confirmed.clone()).await.refused(409, "owner_must_transfer");
            caller.post(&of("nils", "delete"), json!({})).await.refused(422, "confirmation_required");
            caller
                .post(&of("nils", "delete"), json!({"confirm": false}))
                .await
                .refused(422, "confirmation_required");
        }
        for person in ["max", "vera", "nora"] {
            let caller = world.person(person);
            refused(&caller, "nils", "deactivate", 403, "forbidden").await;
            refused(&caller, "olga", "deactivate", 403, "forbidden").await;
            caller.post(&of("nils", "delete"), confirmed.clone()).await.refused(403, "forbidden");
        }
        assert_eq!(reason(&world, "nils").await, "granted");
    }
}

/// L4: out, for good, once; they can be added again, as new.
#[tokio::test]
async fn l4_a_deleted_member_is_out_and_can_be_added_as_new() {
    for store in selected() {
        let world = World::on(store).await;
        let (anna, confirmed) = (world.person("anna"), json!({"confirm": true}));
        let changed = |changed: bool| json!({"changed": changed});
        turned(&anna, "max", "deactivate").await;
        for person in ["nils", "max", "fred"] {
            let path = of(person, "delete");
            assert_eq!(anna.post(&path, confirmed.clone()).await.is(200), changed(true), "{person}");
            assert_eq!(anna.post(&path, confirmed.clone()).await.is(200), changed(false), "{person}");
        }
        assert_eq!(reason(&world, "nils").await, "no_membership");
        refused(&anna, "max", "reactivate", 409, "target_not_active").await;
        let shown = anna.get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(shown["status"], "former");
        let again = json!({"user": "ext:nils", "access": {"type": "organization", "role": "viewer"}});
        let new = anna.post(&format!("{CLOUD}/members"), again).await.is(201);
        assert_eq!(new["access"], json!({"type": "organization", "role": "viewer"}));
        assert_eq!(anna.post(&of("nils", "delete"), confirmed).await.is(200), changed(true));
        is_clean(&world).await;
    }
}

/// L9: a suspended person has no access anywhere at the next request; their seats and roles are kept; the owner's
/// organization says so.
#[tokio::test]
async fn l9_a_suspended_user_has_no_access_until_it_ends() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let seats = used(&world).await;
        let post = async |person: &str, verb: &str| {
            operator.call(http::Method::POST, &format!("/v1/users/ext:{person}/{verb}"), None).await.is(200)
        };
        for person in ["nils", "olga"] {
            assert_eq!(post(person, "suspend").await["status"], "suspended");
            assert_eq!(post(person, "suspend").await["status"], "suspended", "twice is fine");
            assert_eq!(reason(&world, person).await, "suspended");
            world.person(person).get("/v1/me").await.refused(401, "unauthenticated");
            world
                .service
                .bearer(&world.admin_key)
                .on_behalf_of(&format!("ext:{person}"))
                .get("/v1/me")
                .await
                .refused(401, "unauthenticated");
        }
        let cloud = operator.get(CLOUD).await.is(200);
        assert_eq!((&cloud["owner_unavailable"], used(&world).await), (&json!(true), seats));
        let shown = operator.get(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        assert_eq!(shown["status"], "active", "suspension is the deployment's, not the organization's");
        for person in ["nils", "olga"] {
            assert_eq!(post(person, "unsuspend").await["status"], "active");
            assert_eq!(post(person, "unsuspend").await["status"], "active", "twice is fine");
            assert_eq!(reason(&world, person).await, "granted");
        }
        assert_eq!(operator.get(CLOUD).await.is(200)["owner_unavailable"], false);
        let said = operator.get("/v1/audit?limit=200").await.is(200)["data"].to_string();
        assert_eq!(said.matches("\"user.suspended\"").count(), 2, "{said}");
        assert_eq!(said.matches("\"user.unsuspended\"").count(), 2, "{said}");
        for (caller, status) in [("olga", 403), ("anna", 403), ("nils", 403), ("mia", 404)] {
            let code = if status == 403 { "forbidden" } else { "not_found" };
            let path = "/v1/users/ext:nils/suspend";
            world.person(caller).call(http::Method::POST, path, None).await.refused(status, code);
        }
        is_clean(&world).await;
    }
}

/// M5, L2: one who was removed from everything does not come back by a reactivation, swept or not.
#[tokio::test]
async fn m5_one_who_was_removed_from_everything_is_not_reactivated() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        turned(&operator, "max", "deactivate").await;
        operator.delete("/v1/users/ext:max/accounts").await.is(202);
        refused(&operator, "max", "reactivate", 409, "target_not_active").await;
        crate::work_off(&world).await;
        refused(&operator, "max", "reactivate", 409, "target_not_active").await;
        is_clean(&world).await;
    }
}

/// M11: whoever may remove members has one leave who is deactivated.
#[tokio::test]
async fn m11_a_deactivated_member_may_be_made_to_leave() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        turned(&anna, "max", "deactivate").await;
        for _ in 0..2 {
            assert_eq!(turned(&anna, "max", "leave").await["status"], "former");
        }
        is_clean(&world).await;
    }
}

/// L5: nothing is written about one who is erased.
#[tokio::test]
async fn l5_an_erased_user_is_changed_no_more() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let mia = operator.get("/v1/users/ext:mia").await.is(200)["id"].as_str().unwrap().to_owned();
        operator.post("/v1/users/ext:mia/erase", json!({"confirm": true})).await.is(202);
        let path = format!("/v1/users/{mia}");
        for _ in 0..2 {
            for body in
                [json!({"name": "Mia"}), json!({"email": "mia@example.org"}), json!({"traits": {"a": 1}})]
            {
                operator.patch(&path, body).await.refused(409, "target_not_active");
            }
            crate::work_off(&world).await;
        }
        is_clean(&world).await;
    }
}
