//! Roles of an organization's own: rules P1, P2, M11, L2.

use std::sync::Arc;

use roster_core::rounds::make_round;
use roster_core::verify::verify_all;
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::{World, join};
use serde_json::{Value, json};

use crate::feed;

const CLOUD: &str = "/v1/organizations/ext:cloud";
const ROLES: &str = "/v1/organizations/ext:cloud/roles";

async fn make(caller: &Caller<'_>, name: &str, permissions: &[&str]) -> String {
    let body = json!({"name": name, "permissions": permissions});
    text(&caller.post(ROLES, body).await.is(201), "/id")
}

fn one(role: &str) -> String {
    format!("{ROLES}/{role}")
}

fn wide(role: &str) -> Value {
    json!({"roles": [{"role": role, "accounts": "all"}]})
}

async fn give(world: &World, person: &str, role: &str) {
    let path = format!("{CLOUD}/members/ext:{person}/access");
    world.operator().put(&path, wide(role)).await.is(200);
}

async fn check(world: &World, person: &str, permission: &str) -> Value {
    let asked = json!({"user": format!("ext:{person}"), "permission": permission, "account": "ext:north"});
    world.service.bearer(&world.admin_key).post("/v1/check", asked).await.is(200)
}

async fn allowed(world: &World, person: &str, permission: &str) -> bool {
    check(world, person, permission).await["allowed"].as_bool().unwrap()
}

async fn is_clean(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

/// P2: made, listed, renamed, edited, deleted; an edit acts at the next check.
#[tokio::test]
async fn p2_a_custom_role_is_made_given_edited_and_deleted() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let body = json!({"name": "Support", "permissions": ["members:read", "deals:export"]});
        let made = anna.post(ROLES, body).await.is(201);
        let role = text(&made, "/id");
        let shape = json!({
            "id": role, "name": "Support", "system": false, "permissions": ["deals:export", "members:read"],
        });
        assert_eq!(made, shape);
        assert_eq!(anna.get(&one(&role)).await.is(200), shape);
        let listed = anna.get(ROLES).await.is(200);
        let names: Vec<String> =
            listed["data"].as_array().unwrap().iter().map(|row| text(row, "/name")).collect();
        assert_eq!(names, ["owner", "admin", "member", "viewer", "Support"]);
        give(&world, "vera", &role).await;
        let answer = check(&world, "vera", "deals:export").await;
        assert_eq!((&answer["allowed"], &answer["role"]), (&json!(true), &json!(role)));
        assert!(!allowed(&world, "vera", "accounts:read").await);
        world.person("vera").get(&format!("{CLOUD}/members")).await.is(200);
        world.person("vera").get(&format!("{CLOUD}/accounts")).await.refused(403, "forbidden");
        let edit = json!({"name": "Desk", "permissions": ["accounts:read"]});
        let edited = anna.patch(&one(&role), edit).await.is(200);
        assert_eq!((&edited["name"], &edited["permissions"]), (&json!("Desk"), &json!(["accounts:read"])));
        assert!(
            !allowed(&world, "vera", "deals:export").await && allowed(&world, "vera", "accounts:read").await
        );
        let used = anna.delete(&one(&role)).await.refused(409, "role_in_use");
        assert_eq!(used["uses"], json!({"members": 1, "invitations": 0, "api_keys": 0, "replacements": 0}));
        give(&world, "vera", "viewer").await;
        anna.delete(&one(&role)).await.is(204);
        for reply in [anna.get(&one(&role)).await, anna.delete(&one(&role)).await] {
            reply.refused(404, "not_found");
        }
        let path = format!("{CLOUD}/members/ext:vera/access");
        anna.put(&path, wide(&role)).await.refused(404, "not_found");
        let said = anna.get(&format!("{CLOUD}/audit?limit=200")).await.is(200)["data"].to_string();
        for action in ["role.created", "role.updated", "role.deleted"] {
            assert_eq!(said.matches(&format!("\"{action}\"")).count(), 1, "{action}");
        }
        is_clean(&world).await;
    }
}

/// P2: the replacement is what everybody holds, at once, on every replica and though nothing is written anew yet: members,
/// on the whole and on accounts, their own keys, the organization's, the deactivated on their way back, and whoever offers the
/// organization. A role that stands and is another takes the place, or nothing changes. Whoever died over it, the next round writes
/// anew what was left, wherever that one dies.
#[tokio::test]
async fn p2_a_replacement_takes_effect_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let old = make(&anna, "Old", &["members:read", "deals:export", "check:ask"]).await;
        let new = make(&anna, "New", &["accounts:read", "deals:import"]).await;
        give(&world, "vera", &old).await;
        give(&world, "max", &old).await;
        let nils = format!("{CLOUD}/accounts/ext:north/members/ext:nils");
        anna.put(&nils, json!({"role": old})).await.is(200);
        let other = feed::replica(&world, 6).await;
        let own = json!({"name": "Own", "kind": "personal"});
        let own = world.person("vera").post(&format!("{CLOUD}/api-keys"), own).await.is(201);
        let own = other.bearer(&text(&own, "/secret"));
        own.get(&format!("{CLOUD}/members")).await.is(200);
        let offered = async |from: &str, to: &str, role: &str| {
            let ask =
                json!({"to": format!("ext:{to}"), "previous_owner_role": role, "require_acceptance": true});
            let transfers = format!("{CLOUD}/ownership-transfers");
            let made = world.person(from).post(&transfers, ask).await.is(201);
            format!("{transfers}/{}/accept", text(&made, "/id"))
        };
        let offer = offered("olga", "nils", &old).await;
        let path = format!("{CLOUD}/members/ext:max/deactivate");
        anna.call(http::Method::POST, &path, None).await.is(200);
        let body = json!({"name": "Desk", "access": {"type": "organization", "role": old}});
        let key = anna.post(&format!("{CLOUD}/api-keys"), body).await.is(201);
        let desk = other.bearer(key["secret"].as_str().unwrap());
        let asked = json!({"user": "ext:vera", "permission": "deals:export"});
        desk.post("/v1/check", asked.clone()).await.is(200);
        let with = |next: &str| format!("{}?replace_with={next}", one(&old));
        anna.delete(&with(&old)).await.refused(422, "invalid");
        anna.delete(&with("owner")).await.refused(403, "owner_by_transfer_only");
        anna.delete(&with("rol_01kb2y0v4tejq8vt0d7c3w4n5e")).await.refused(404, "not_found");
        let gone = make(&anna, "Gone", &["members:read"]).await;
        anna.delete(&one(&gone)).await.is(204);
        anna.delete(&with(&gone)).await.refused(404, "not_found");
        let ask = json!({"email": "ivo@example.com", "access": {"type": "organization", "role": old}});
        let invited = anna.post(&format!("{CLOUD}/invitations"), ask).await.is(201);
        let used = anna.delete(&one(&old)).await.refused(409, "role_in_use");
        assert_eq!(used["uses"], json!({"members": 2, "invitations": 1, "api_keys": 1, "replacements": 0}));
        assert!(
            allowed(&world, "vera", "deals:export").await && allowed(&world, "nils", "deals:export").await
        );
        // Whoever does it dies once it is decided.
        let dying = world.service.behind(Crash::at(1, Loss::Commit, Afterwards::Down));
        dying.user("ext:anna").delete(&with(&new)).await.is(204);
        assert!(
            !allowed(&world, "vera", "deals:export").await && allowed(&world, "vera", "deals:import").await
        );
        desk.post("/v1/check", asked).await.refused(403, "forbidden");
        own.get(&format!("{CLOUD}/members")).await.refused(403, "forbidden");
        own.get(&format!("{CLOUD}/accounts")).await.is(200);
        assert!(
            !allowed(&world, "nils", "deals:export").await && allowed(&world, "nils", "deals:import").await
        );
        anna.delete(&format!("{}?replace_with={old}", one(&new))).await.refused(404, "not_found");
        anna.put(&nils, json!({"role": old})).await.refused(404, "not_found");
        let accepted = world.person("nils").post(&offer, json!({})).await.is(200);
        assert_eq!(accepted["previous_owner_role"], json!(new));
        let olga = anna.get(&format!("{CLOUD}/members/ext:olga")).await.is(200);
        assert_eq!(olga["access"]["role"], json!(new), "and not the one that was named");
        let offer = offered("nils", "olga", &new).await;
        let max = format!("{CLOUD}/members/ext:max/reactivate");
        let max = anna.call(http::Method::POST, &max, None).await.is(200);
        assert_eq!(max["access"], json!({"type": "organization", "role": new}));
        // Whoever makes a round next writes anew what was left, or the next after that.
        for n in 0.. {
            let crash = Crash::at(n, Loss::Commit, Afterwards::Down);
            let dying = world.service.behind(Arc::<Crash>::clone(&crash));
            let round = make_round(&dying.roster).await;
            assert!(allowed(&world, "vera", "deals:import").await, "{store}: died over the {n}th commit");
            is_clean(&world).await;
            if crash.commits() <= n {
                assert_eq!((round.unwrap().roles, n > 2), (1, true), "{store}");
                break;
            }
            assert!(n < 20, "{store}: it comes to no end");
        }
        let late = make(&anna, "Late", &["members:read"]).await;
        let gone = offered("nils", "anna", &late).await;
        anna.delete(&one(&late)).await.is(204);
        anna.post(&gone, json!({})).await.refused(409, "role_gone");
        let path = format!("{CLOUD}/invitations/{}", invited["id"].as_str().unwrap());
        let shown = anna.get(&path).await.is(200);
        assert_eq!(shown["access"], json!({"type": "organization", "role": new}), "and not one that is gone");
        let vera = anna.get(&format!("{CLOUD}/members/ext:vera")).await.is(200);
        assert_eq!(vera["access"], json!({"type": "organization", "role": new}));
        anna.get(&one(&old)).await.refused(404, "not_found");
        anna.delete(&with("viewer")).await.refused(404, "not_found");
        anna.delete(&format!("{}?replace_with=viewer", one(&new))).await.is(204);
        assert_eq!(check(&world, "vera", "members:read").await["role"], "viewer");
        let accepted = world.person("olga").post(&offer, json!({})).await.is(200);
        assert_eq!(accepted["previous_owner_role"], "viewer", "{store}: as it is now");
        assert_eq!(check(&world, "nils", "members:read").await["role"], "viewer");
        is_clean(&world).await;
    }
}

/// M11, P1: nobody puts into a role, or gives by one, what they do not hold; lowering is always possible.
#[tokio::test]
async fn m11_nobody_grants_by_a_role_what_they_do_not_hold() {
    for store in selected() {
        let world = World::on(store).await;
        let (anna, operator) = (world.person("anna"), world.operator());
        let keeper =
            ["roles:manage", "roles:read", "members:read", "members:add", "members:update", "deals:export"];
        let keeper = make(&anna, "Keeper", &keeper).await;
        let strong = make(&anna, "Strong", &["members:delete", "deals:export"]).await;
        join(&operator, "cloud", "kim", json!({"type": "organization", "role": keeper})).await;
        let kim = world.person("kim");
        let unheld = |name: &str, held: &[&str]| json!({"name": name, "permissions": held});
        for held in [&["members:delete"][..], &["members:read", "deals:import"]] {
            kim.post(ROLES, unheld("More", held)).await.refused(403, "cannot_grant_unheld");
            kim.patch(&one(&keeper), json!({"permissions": held})).await.refused(403, "cannot_grant_unheld");
        }
        anna.post(ROLES, unheld("Close", &["organization:close"])).await.refused(403, "cannot_grant_unheld");
        let weak = make(&kim, "Weak", &["members:read", "deals:export"]).await;
        let of = |person: &str| format!("{CLOUD}/members/ext:{person}/access");
        kim.put(&of("empty"), wide(&weak)).await.is(200);
        kim.put(&of("empty"), wide("viewer")).await.refused(403, "cannot_grant_unheld");
        kim.put(&of("empty"), wide(&strong)).await.refused(403, "cannot_grant_unheld");
        kim.put(&of("kim"), wide(&weak)).await.is(200);
        kim.put(&of("kim"), wide(&keeper)).await.refused(403, "forbidden");
        give(&world, "kim", &keeper).await;
        give(&world, "empty", &strong).await;
        kim.put(&of("empty"), wide(&weak)).await.refused(403, "cannot_grant_unheld");
        kim.delete(&format!("{}?replace_with={strong}", one(&weak)))
            .await
            .refused(403, "cannot_grant_unheld");
        kim.patch(&one(&strong), json!({"permissions": ["deals:export"]})).await.is(200);
        assert!(!allowed(&world, "empty", "members:delete").await, "lowering stays possible");
        kim.patch(&one(&weak), json!({"name": "Admin"})).await.refused(409, "conflict");
        for name in ["owner", "viewer"] {
            anna.patch(&one(name), json!({"name": "x"})).await.refused(403, "forbidden");
            anna.delete(&one(name)).await.refused(403, "forbidden");
        }
        // Whoever may change members brings none back who has left, without access neither.
        let changer = make(&anna, "Changer", &["members:read", "members:update"]).await;
        give(&world, "kim", &changer).await;
        operator.delete(&format!("{CLOUD}/members/ext:empty")).await.is(200);
        kim.put(&of("empty"), json!({"roles": []})).await.refused(403, "forbidden");
        let long: Vec<String> = (0..501).map(|n| format!("deals:act{n}")).collect();
        anna.post(ROLES, json!({"name": "Long", "permissions": long})).await.refused(422, "invalid");
        for bad in ["members:fly", "*:read", "deals"] {
            anna.post(ROLES, json!({"name": "Bad", "permissions": [bad]})).await.refused(422, "invalid");
        }
        is_clean(&world).await;
    }
}

/// L2: a role that was deleted meanwhile is not brought back; the answer shows what is.
#[tokio::test]
async fn l2_a_deleted_role_is_left_out_of_the_way_back() {
    for store in selected() {
        let world = World::on(store).await;
        let anna = world.person("anna");
        let role = make(&anna, "Desk", &["members:read"]).await;
        let path = format!("{CLOUD}/accounts/ext:north/members/ext:nils");
        anna.put(&path, json!({"role": role})).await.is(200);
        let turned = async |verb: &str| {
            let path = format!("{CLOUD}/members/ext:nils/{verb}");
            anna.call(http::Method::POST, &path, None).await.is(200)
        };
        turned("deactivate").await;
        anna.delete(&one(&role)).await.is(204);
        is_clean(&world).await;
        let back = turned("reactivate").await;
        let roles: Vec<String> =
            back["access"]["accounts"].as_array().unwrap().iter().map(|row| text(row, "/role")).collect();
        assert_eq!(roles, ["viewer"], "south is left");
        is_clean(&world).await;
    }
}

/// P5: whoever may act is answered, though they may not read what they acted on.
#[tokio::test]
async fn p5_an_act_is_answered_to_whom_it_is_allowed() {
    for store in selected() {
        let world = World::on(store).await;
        let vera = world.person("vera");
        for (name, permission, path, body) in [
            ("Billing", "billing:manage", "seats", json!({"purchased": 50})),
            ("Desk", "organization:update", "", json!({"name": "Cloud"})),
            ("Desk 2", "organization:update", "key-roles/csm", json!({"user": "ext:max"})),
            ("Sales", "customers:manage", "account-owner", json!({"user": "ext:max"})),
        ] {
            let role = make(&world.operator(), name, &[permission]).await;
            give(&world, "vera", &role).await;
            let path = format!("{CLOUD}/{path}");
            let path = path.trim_end_matches('/');
            let reply = match body.get("user") {
                Some(_) => vera.put(path, body).await,
                None => vera.patch(path, body).await,
            };
            reply.is(200);
            vera.get(CLOUD).await.refused(403, "forbidden");
        }
    }
}
