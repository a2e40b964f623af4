//! Erasing a person: rule L5.

use std::fmt::Write as _;

use http::Method;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::show_password_reset;
use roster_core::home::{Home, Record};
use roster_core::id::UserId;
use roster_core::log::LogFilter;
use roster_core::model::{Access, ApiKey, InvitationStatus};
use roster_core::verify::verify_home;
use roster_tests::build;
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

use crate::{verified, work_off};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const EVA: &str = "/v1/users/ext:eva-1";
const PASSWORD: &str = "correct horse battery";
const NAMES: [&str; 4] = ["eva.wild@example.com", "Eva Wildmann", "eva-1", "teal-and-wild"];

/// A person of both organizations, with everything that can name them.
async fn eva(world: &World) -> String {
    let operator = world.operator();
    let body = json!({
        "email": "Eva.Wild@example.com", "external_id": "eva-1", "name": "Eva Wildmann",
        "traits": {"colour": "teal-and-wild"},
    });
    let id = text(&operator.post("/v1/users", body).await.is(201), "/id");
    let wide = json!({"type": "organization", "role": "admin"});
    for organization in ["cloud", "other"] {
        let path = format!("/v1/organizations/ext:{organization}/members");
        operator.post(&path, json!({"user": id, "access": wide})).await.is(201);
    }
    operator.patch(EVA, json!({"name": "Eva Wildmann-Two"})).await.is(200);
    operator.patch(EVA, json!({"name": "Eva Wildmann"})).await.is(200);
    operator.put(&format!("{CLOUD}/records/deal/1"), json!({"owner": id})).await.is(201);
    operator.put(&format!("{CLOUD}/account-owner"), json!({"user": id})).await.is(200);
    let key = json!({"name": "Eva Wildmann's", "kind": "personal"});
    world.service.user(&id).post(&format!("{CLOUD}/api-keys"), key).await.is(201);
    let bulk = json!({"action": "deactivate", "users": ["ext:nobody", "ext:eva-1"]});
    operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202);
    work_off(world).await;
    operator.post(&format!("{CLOUD}/members/ext:eva-1/reactivate"), json!({})).await.is(200);
    id
}

/// Everything that the store says of all its homes.
async fn dumped(world: &World) -> String {
    let store = &world.service.roster.store;
    let mut all = String::new();
    for home in store.homes(None, 10_000).await.unwrap() {
        writeln!(all, "{home}\n{:?}", store.dump(&home).await.unwrap()).unwrap();
        if home.has_log() {
            let log = store.log(&home, 0, 10_000, &LogFilter::ALL).await.unwrap();
            for logged in log {
                all += &String::from_utf8_lossy(&logged.body);
                writeln!(all, "{:?}", logged.personal).unwrap();
            }
        }
    }
    all.to_lowercase()
}

fn found(dump: &str) -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| dump.contains(&name.to_lowercase())).collect()
}

/// L5: access ends at once; what names the person goes from every place, and the chain verifies.
#[tokio::test]
async fn l5_nothing_that_names_an_erased_person_is_left() {
    for store in selected() {
        let (world, _mailbox) = World::with_mail(store).await;
        let id = eva(&world).await;
        let asked = json!({"email": "teal-and-wild@example.com"});
        world.service.user(&id).post("/v1/me/email", asked).await.is(202);
        assert_eq!(found(&dumped(&world).await), NAMES, "{store}: the test looks where they stand");
        let operator = world.operator();
        let accepted = operator.post(&format!("{EVA}/erase"), json!({"confirm": true})).await.is(202);
        assert_eq!(accepted["job"]["kind"], "erase_user");
        let ask = json!({"user": id, "permission": "members:read", "organization": "ext:cloud"});
        assert_eq!(operator.post("/v1/check", ask).await.is(200)["allowed"], false);
        world.service.user(&id).get(CLOUD).await.refused(401, "unauthenticated");
        let shown = operator.get(&format!("/v1/users/{id}")).await.is(200);
        assert_eq!(
            (&shown["status"], &shown["email"], &shown["name"]),
            (&json!("erased"), &Value::Null, &Value::Null)
        );
        work_off(&world).await;
        let job = format!("/v1/jobs/{}", text(&accepted, "/job/id"));
        assert_eq!(operator.get(&job).await.is(200)["status"], "completed");
        assert_eq!(found(&dumped(&world).await), [] as [&str; 0], "{store}");
        verified(&world).await;
        let trail = operator.get(&format!("{CLOUD}/audit?user={id}&limit=200")).await.is(200);
        let rows = trail["data"].as_array().unwrap();
        assert!(rows.iter().any(|row| row["action"] == "member.added"), "who did what stays");
        let member = operator.get(&format!("{CLOUD}/members/{id}")).await.is(200);
        assert_eq!((&member["status"], &member["email"]), (&json!("former"), &Value::Null));
        let export = operator.get(&format!("/v1/users/{id}/export")).await;
        assert_eq!(found(&export.text.to_lowercase()), [] as [&str; 0], "{store}");
        assert_eq!(export.is(200)["user"]["status"], "erased");
        let cloud = operator.get(CLOUD).await.is(200);
        assert_eq!(cloud["account_owner"], Value::Null);
        let deal = operator.get(&format!("{CLOUD}/records/deal/1")).await.is(200);
        assert_eq!(deal["owner"], json!(id), "records without a successor stay under the id");
    }
}

/// The ways in that a person has: a session by their password, a personal key, and a link to set a password that is not used.
async fn ways_in<'a>(world: &'a World, id: &str) -> (Vec<Caller<'a>>, String) {
    let link = async || {
        let request = Request::new(Actor::CLI, world.service.roster.entropy.as_ref());
        let made = show_password_reset(&world.service.roster, &request, id.parse().unwrap()).await;
        format!("/v1/password-resets/{}", made.unwrap().0.rsplit('/').next().unwrap())
    };
    let nobody = world.service.nobody();
    nobody.post(&link().await, json!({"password": PASSWORD})).await.is(204);
    world.test().clock.advance_seconds(1);
    let body = json!({"email": "eva.wild@example.com", "password": PASSWORD});
    let session = text(&nobody.post("/v1/sessions", body).await.is(201), "/token");
    let key = json!({"name": "Laptop", "kind": "personal"});
    let key = text(&world.service.user(id).post(&format!("{CLOUD}/api-keys"), key).await.is(201), "/secret");
    let callers = [session, key].map(|secret| world.service.bearer(&secret));
    for caller in &callers {
        caller.get(CLOUD).await.is(200);
    }
    (callers.into(), link().await)
}

/// L5: whoever bears an address after one who was erased has nothing of theirs, and the old ways in lead nowhere.
async fn has_nothing(world: &World, other: &str, (ways, link): &(Vec<Caller<'_>>, String)) {
    let (operator, nobody) = (world.operator(), world.service.nobody());
    for caller in ways {
        caller.get(CLOUD).await.refused(401, "unauthenticated");
        caller.get("/v1/me").await.refused(401, "unauthenticated");
    }
    let set = nobody.post(link, json!({"password": PASSWORD})).await;
    assert!([404, 410].contains(&set.status.as_u16()), "{}", set.text);
    let body = json!({"email": "eva.wild@example.com", "password": PASSWORD});
    nobody.post("/v1/sessions", body).await.refused(401, "invalid_credentials");
    let shown = operator.get(&format!("/v1/users/{other}")).await.is(200);
    assert_eq!(
        (&shown["external_id"], &shown["name"], &shown["traits"]),
        (&Value::Null, &Value::Null, &json!({}))
    );
    assert_eq!(operator.get(&format!("/v1/users/{other}/accounts")).await.is(200)["data"], json!([]));
    let newcomer = world.service.user(other);
    assert_eq!(newcomer.get("/v1/me").await.is(200)["memberships"], json!([]));
    for organization in [CLOUD, "/v1/organizations/ext:other"] {
        operator.get(&format!("{organization}/members/{other}")).await.refused(404, "not_found");
        newcomer.get(organization).await.refused(404, "not_found");
        let keys = operator.get(&format!("{organization}/api-keys")).await.is(200);
        let theirs = keys["data"].as_array().unwrap().iter().filter(|key| key["user_id"] == other);
        assert_eq!(theirs.count(), 0, "{keys}");
    }
    assert_eq!(operator.get(&format!("{CLOUD}/records?owner={other}")).await.is(200)["data"], json!([]));
}

/// L5: the address is free again, for another, who has nothing of whoever was erased; the external id never is.
#[tokio::test]
async fn l5_the_address_is_freed_and_the_external_id_is_not() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let id = eva(&world).await;
        let old = ways_in(&world, &id).await;
        let again = json!({"email": "eva.wild@example.com"});
        operator.post(&format!("{EVA}/erase"), json!({"confirm": true})).await.is(202);
        work_off(&world).await;
        let other = operator.post("/v1/users", again).await.is(201);
        assert_ne!(other["id"], json!(id));
        has_nothing(&world, &text(&other, "/id"), &old).await;
        let revived = json!({"email": "new@example.com", "external_id": "eva-1"});
        operator.post("/v1/users", revived).await.refused(409, "external_id_exists");
        let set = json!({"external_id": "eva-1"});
        operator
            .patch(&format!("/v1/users/{}", text(&other, "/id")), set)
            .await
            .refused(409, "external_id_exists");
        operator.get(EVA).await.refused(404, "not_found");
        let role = json!({"role": "viewer"});
        operator
            .put(&format!("{CLOUD}/accounts/ext:north/members/{id}"), role)
            .await
            .refused(404, "not_found");
        let roles = json!([{"role": "viewer", "accounts": "all"}]);
        let put = operator.put(&format!("{CLOUD}/members/{id}/access"), json!({"roles": roles})).await;
        put.refused(404, "not_found");
        let many = json!({"action": "set_access", "users": [id], "roles": roles});
        let job = operator.post(&format!("{CLOUD}/members/bulk"), many).await.is(202);
        work_off(&world).await;
        let results = format!("/v1/jobs/{}/results", text(&job, "/job/id"));
        assert_eq!(operator.get(&results).await.is(200)["data"][0]["code"], "not_found", "{store}");
        assert_ne!(operator.get(&format!("{CLOUD}/members/{id}")).await.is(200)["status"], "active");
        let post = json!({"user": id});
        operator.put(&format!("{CLOUD}/key-roles/csm"), post).await.refused(409, "target_not_active");
        operator.post(&format!("/v1/users/{id}/erase"), json!({"confirm": true})).await.is(202);
        work_off(&world).await;
        verified(&world).await;
    }
}

/// L5, O2: by operators, confirmed, and not of an owner.
#[tokio::test]
async fn l5_who_is_erased_by_whom() {
    for store in selected() {
        let world = World::on(store).await;
        let path = "/v1/users/ext:nils/erase";
        world.operator().post(path, json!({})).await.refused(422, "confirmation_required");
        world.person("nils").post(path, json!({"confirm": true})).await.refused(403, "forbidden");
        world.person("anna").post(path, json!({"confirm": true})).await.refused(403, "forbidden");
        let owner = "/v1/users/ext:olga/erase";
        world.operator().post(owner, json!({"confirm": true})).await.refused(409, "owner_must_transfer");
        world.operator().get("/v1/users/ext:olga").await.is(200);
        let unknown = "/v1/users/ext:nobody/erase";
        world.operator().post(unknown, json!({"confirm": true})).await.refused(404, "not_found");
    }
}

/// L5: what was answered once is not answered again with what names an erased person.
#[tokio::test]
async fn l5_an_answer_that_is_given_again_names_nobody_who_was_erased() {
    for store in selected() {
        let world = World::on(store).await;
        let once = world.operator().with("idempotency-key", "once");
        let body =
            json!({"email": "eva.wild@example.com", "external_id": "eva-1", "traits": {"colour": "teal"}});
        let made = once.post("/v1/users", body.clone()).await.is(201);
        let again = once.post("/v1/users", body.clone()).await;
        assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &made));
        world.operator().post(&format!("{EVA}/erase"), json!({"confirm": true})).await.is(202);
        work_off(&world).await;
        let again = once.post("/v1/users", body).await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let again = again.is(201);
        assert_eq!((&again["id"], &again["status"]), (&made["id"], &json!("erased")));
        assert_eq!(
            (&again["email"], &again["external_id"], &again["traits"]),
            (&Value::Null, &Value::Null, &json!({}))
        );
    }
}

/// L5: everything that is kept is exported, for the person and for operators: what an erasure takes away is in it.
#[tokio::test]
async fn l5_an_export_holds_everything() {
    for store in selected() {
        let (world, _mailbox) = World::with_mail(store).await;
        let id = eva(&world).await;
        let asked = json!({"email": "teal-and-wild@example.com"});
        world.service.user(&id).post("/v1/me/email", asked).await.is(202);
        world.operator().delete(&format!("/v1/organizations/ext:other/members/{id}")).await.is(200);
        let export = world.operator().get(&format!("{EVA}/export")).await.is(200);
        assert_eq!(export["user"]["traits"], json!({"colour": "teal-and-wild"}));
        assert_eq!(export["email_change"]["to"], "teal-and-wild@example.com");
        assert_eq!(export["mail"][0]["kind"], "email_change");
        assert!(export["audit"].to_string().contains("Eva Wildmann-Two"), "{store}: what they were called");
        let organizations = export["organizations"].as_array().unwrap();
        assert_eq!(organizations.len(), 2);
        let named = |name: &str| organizations.iter().find(|it| it["organization"]["name"] == name).unwrap();
        let (cloud, other) = (named("cloud"), named("other"));
        assert_eq!(cloud["member"]["access"]["role"], "admin");
        assert_eq!(cloud["records"][0]["type"], "deal");
        assert_eq!(cloud["posts"][0]["type"], "account_owner");
        assert_eq!(cloud["api_keys"][0]["name"], "Eva Wildmann's");
        let items: Vec<_> = cloud["job_items"].as_array().unwrap().iter().map(|it| &it["item"]).collect();
        assert_eq!(items, ["ext:eva-1"], "{store}: what a job gave; what it took went with its end");
        let actions = |it: &Value| {
            let rows = it["audit"].as_array().unwrap().iter();
            rows.map(|row| text(row, "/action")).collect::<Vec<_>>()
        };
        assert!(actions(cloud).contains(&"member.reactivated".to_owned()), "{:?}", actions(cloud));
        assert_eq!(
            (&other["member"]["status"], actions(other)),
            (&json!("former"), vec!["member.added".to_owned(), "member.removed".to_owned()])
        );
        let text = export.to_string().to_lowercase();
        assert_eq!(found(&text), NAMES, "{store}");
        let own = world.service.user(&id).call(Method::GET, &format!("{EVA}/export"), None).await.is(200);
        assert_eq!(own, export);
        world.person("anna").get(&format!("{EVA}/export")).await.refused(403, "forbidden");
    }
}

/// L5: an export is about one person: of others it says who they are, and not what they are called.
#[tokio::test]
async fn l5_an_export_tells_nothing_of_others() {
    for store in selected() {
        let world = World::on(store).await;
        let access = json!({"type": "organization", "role": "viewer"});
        let body = json!({"email": "other.soul@example.com", "name": "Other Soul", "access": access});
        let added = world.person("anna").post(&format!("{CLOUD}/members"), body).await.is(201);
        let body = json!({"email": "third.soul@example.com", "access": access});
        world.person("anna").post(&format!("{CLOUD}/invitations"), body).await.is(201);
        let export = world.person("anna").get("/v1/users/ext:anna/export").await.is(200);
        let cloud = &export["organizations"][0];
        assert_eq!(cloud["invitations_sent"].as_array().unwrap().len(), 1, "{store}");
        let text = export.to_string().to_lowercase();
        assert!(text.contains(added["user_id"].as_str().unwrap()), "{store}: whom she added is hers to know");
        for name in ["soul@", "other soul"] {
            assert!(!text.contains(name), "{store}: {name} in {text}");
        }
    }
}

/// L5: what an organization keeps of an erased person by mistake, `verify` finds: an address, a key, a value beside its log.
#[tokio::test]
async fn l5_verify_finds_what_is_kept_of_an_erased_person() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, store) = (world.operator(), &world.service.roster.store);
        let id = eva(&world).await;
        operator.post(&format!("{EVA}/erase"), json!({"confirm": true})).await.is(202);
        work_off(&world).await;
        let home = text(&operator.get(CLOUD).await.is(200), "/id").parse().unwrap();
        let (home, user) = (Home::Organization(home), id.parse().unwrap());
        let found = async || -> Vec<String> {
            let verdict = verify_home(&world.service.roster, &home).await.unwrap();
            verdict.findings.iter().map(ToString::to_string).collect()
        };
        assert_eq!(found().await, [] as [&str; 0]);
        let time = store.read(&home, &[], &[]).await.unwrap().clock;
        let mut invitation = build::invitation(1, Access::NONE);
        invitation.status = InvitationStatus::Accepted;
        (invitation.accepted_by, invitation.holds_seat) = (Some(user), false);
        let key = ApiKey { user: Some(user), ..build::api_key(1, Access::NONE) };
        let planted = [Some(Record::Invitation(invitation)), Some(Record::ApiKey(key)), None];
        for (n, (record, says)) in (901..).zip(planted.into_iter().zip(["address", "theirs", "values about"]))
        {
            let about: &[UserId] = if record.is_none() { &[user] } else { &[] };
            let draft = build::change(n, &home).entry(None, about, time);
            let draft = match record {
                Some(record) => draft.put(record),
                None => draft,
            };
            store.commit(&draft.done()).await.unwrap();
            let told = found().await;
            let told: Vec<_> = told.iter().filter(|text| text.contains("is erased, and")).collect();
            assert_eq!(told.len(), usize::try_from(n).unwrap() - 900, "{told:?}");
            assert!(told.iter().any(|text| text.contains(says)), "{says}: {told:?}");
        }
    }
}
