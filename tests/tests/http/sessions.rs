//! Signing in and out, and what a session opens: rules P5, M7, L8; re-authentication.

use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::home::{Home, Key, Record};
use roster_core::op::Roster;
use roster_core::secret::{Password, PasswordCost, Passwords};
use roster_core::sign_in::SignIn;
use roster_tests::http::{Caller, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const PASSWORD: &str = "correct horse battery";

/// A person by name, who has signed up by an invitation with a role on the whole; their id.
async fn signed_up(world: &World, name: &str, role: &str) -> String {
    let operator = world.operator();
    let access = json!({"type": "organization", "role": role});
    let body = json!({"email": format!("{name}@example.com"), "access": access});
    let made = operator.post(&format!("{CLOUD}/invitations"), body).await.is(201);
    let path = format!("{CLOUD}/invitations/{}/link", text(&made, "/id"));
    let url = text(&operator.get(&path).await.is(200), "/url");
    let path = format!("/v1/invitations/{}/accept", url.rsplit('/').next().unwrap());
    let body = json!({"name": name, "password": PASSWORD});
    text(&world.service.nobody().post(&path, body).await.is(200), "/member/user_id")
}

async fn sign_in<'a>(world: &'a World, name: &str, password: &str) -> Caller<'a> {
    let body = json!({"email": format!("{name}@example.com"), "password": password});
    let begun = world.service.nobody().post("/v1/sessions", body).await.is(201);
    assert_eq!(begun["user"]["email"], format!("{}@example.com", name.to_lowercase()));
    world.service.bearer(&text(&begun, "/token"))
}

async fn rows(caller: &Caller<'_>) -> Vec<Value> {
    caller.get("/v1/sessions").await.is(200)["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_session_lives_from_signing_in_to_signing_out() {
    for store in selected() {
        let world = World::on(store).await;
        signed_up(&world, "rita", "member").await;
        let (one, two) = (sign_in(&world, "Rita", PASSWORD).await, sign_in(&world, "rita", PASSWORD).await);
        assert_eq!(one.get("/v1/me").await.is(200)["memberships"].as_array().unwrap().len(), 1);
        one.get(CLOUD).await.is(200);
        one.get("/v1/organizations/ext:other").await.refused(404, "not_found");
        let all = rows(&two).await;
        assert_eq!((all.len(), all.iter().filter(|row| row["current"] == true).count()), (3, 1));
        assert!(!json!(all).to_string().contains("rks_"), "no secret in a list");
        let ones = rows(&one).await.into_iter().find(|row| row["current"] == true).unwrap();
        let other = all.iter().find(|row| row["current"] == false && row["id"] != ones["id"]).unwrap();
        two.delete(&format!("/v1/sessions/{}", text(other, "/id"))).await.is(204);
        two.delete(&format!("/v1/sessions/{}", text(other, "/id"))).await.refused(404, "not_found");
        two.delete("/v1/sessions/current").await.is(204);
        two.get("/v1/me").await.refused(401, "unauthenticated");
        assert_eq!(rows(&one).await.len(), 1);
        let named = one.clone().on_behalf_of("ext:max");
        named.get("/v1/me").await.refused(422, "invalid");
        world.operator().get("/v1/sessions").await.refused(403, "forbidden");
    }
}

/// P5, L5, L9: wrong, unknown, malformed, without a password, suspended, erased: one answer.
#[tokio::test]
async fn whoever_cannot_sign_in_is_told_the_same() {
    for store in selected() {
        let world = World::on(store).await;
        signed_up(&world, "rita", "member").await;
        for (name, end) in [("sue", "suspend"), ("eric", "erase")] {
            let user = signed_up(&world, name, "member").await;
            sign_in(&world, name, PASSWORD).await;
            let path = format!("/v1/users/{user}/{end}");
            let body = if end == "erase" { json!({"confirm": true}) } else { json!({}) };
            assert!(world.operator().post(&path, body).await.status.is_success(), "{store}: {end}");
        }
        let nobody = world.service.nobody();
        let mut told = Vec::new();
        for (email, password) in [
            ("rita@example.com", "wrong horse battery"),
            ("rita@example.com", ""),
            ("rita@example.com", &"x".repeat(10_000)),
            ("nobody@example.com", PASSWORD),
            ("max@example.com", PASSWORD),
            ("sue@example.com", PASSWORD),
            ("sue@example.com", "wrong horse battery"),
            ("eric@example.com", PASSWORD),
            ("no address", PASSWORD),
        ] {
            let body = json!({"email": email, "password": password});
            let mut problem = nobody.post("/v1/sessions", body).await.refused(401, "invalid_credentials");
            problem["request_id"] = Value::Null;
            told.push(problem);
        }
        assert!(told.iter().all(|problem| *problem == told[0]));
        nobody.post("/v1/sessions", json!({"email": "rita@example.com"})).await.refused(422, "invalid");
        let forged = world.service.bearer(&format!("rks_{}", "0".repeat(112)));
        forged.get("/v1/me").await.refused(401, "unauthenticated");
    }
}

/// A person's way in by an invitation's link and a password, by the API and by its page; what they are told.
async fn opened(world: &World, door: &str, password: &str) -> [(u16, String); 2] {
    let body = json!({"name": "Sue", "password": password});
    let mut reply = world.service.nobody().post(&format!("/v1{door}/accept"), body).await;
    reply.body["request_id"] = Value::Null;
    let form = format!("act=accept&name=Sue&password={}", password.replace(' ', "+")).into_bytes();
    let browser = world.service.nobody().with("content-type", "application/x-www-form-urlencoded");
    let page = browser.send(http::Method::POST, door, form).await;
    [(reply.status.as_u16(), reply.body.to_string()), (page.status.as_u16(), page.text)]
}

/// L9: the link of an invitation opens nothing to one who is suspended, whatever password they give or had; they are told
/// what one with another password is. Back again, they come in.
#[tokio::test]
async fn l9_no_invitation_lets_one_in_who_is_suspended() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        signed_up(&world, "sue", "member").await;
        let mut doors = Vec::new();
        for name in ["sue", "max"] {
            let access = json!({"type": "organization", "role": "viewer"});
            let body = json!({"email": format!("{name}@example.com"), "access": access});
            let at = "/v1/organizations/ext:other/invitations";
            let id = text(&operator.post(at, body).await.is(201), "/id");
            let link = operator.get(&format!("{at}/{id}/link")).await.is(200);
            doors.push(format!("/invitations/{}", text(&link, "/url").rsplit('/').next().unwrap()));
        }
        let wrong = opened(&world, &doors[0], "wrong horse battery").await;
        assert_eq!(wrong.each_ref().map(|(status, _)| *status), [401, 401], "{wrong:?}");
        let found = text(&operator.get("/v1/users?q=sue").await.is(200), "/data/0/id");
        for end in ["suspend", "unsuspend"] {
            for user in [found.as_str(), "ext:max"] {
                operator.post(&format!("/v1/users/{user}/{end}"), json!({})).await.is(200);
            }
            if end == "suspend" {
                assert_eq!(opened(&world, &doors[0], PASSWORD).await, wrong, "{store}: with a password");
                assert_eq!(opened(&world, &doors[1], PASSWORD).await, wrong, "{store}: with none");
            }
        }
        let max = json!({"email": "max@example.com", "password": PASSWORD});
        world.service.nobody().post("/v1/sessions", max).await.refused(401, "invalid_credentials");
        sign_in(&world, "sue", PASSWORD).await;
        for door in doors {
            let [_, page] = opened(&world, &door, PASSWORD).await;
            assert_eq!(page.0, 200, "{store}: {}", page.1);
        }
        crate::verified(&world).await;
    }
}

/// M6, M7: whoever is a member nowhere any more signs in as before, and comes to nothing by it.
#[tokio::test]
async fn m6_one_who_was_removed_signs_in_to_nothing() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "member").await;
        world.operator().delete(&format!("{CLOUD}/members/{user}")).await.is(200);
        world.test().clock.advance_seconds(1);
        let rita = sign_in(&world, "rita", PASSWORD).await;
        assert_eq!(rita.get("/v1/me").await.is(200)["memberships"], json!([]));
        let gone = rita.get(CLOUD).await.refused(404, "not_found");
        let foreign = rita.get("/v1/organizations/ext:other").await.refused(404, "not_found");
        assert_eq!(gone["detail"], foreign["detail"], "{store}");
        assert_eq!(rita.get("/v1/organizations").await.is(200)["data"], json!([]));
    }
}

/// Idle life, and life in all.
#[tokio::test]
async fn a_session_ends_unused_or_by_age() {
    const DAY: i64 = 86_400;
    for store in selected() {
        let world = World::on(store).await;
        signed_up(&world, "rita", "member").await;
        let (used, unused) =
            (sign_in(&world, "rita", PASSWORD).await, sign_in(&world, "rita", PASSWORD).await);
        for _ in 0..6 {
            world.test().clock.advance_seconds(14 * DAY - 1);
            used.get("/v1/me").await.is(200);
        }
        unused.get("/v1/me").await.refused(401, "unauthenticated");
        assert_eq!(rows(&used).await.len(), 1, "those that are over are not shown");
        world.test().clock.advance_seconds(6 * DAY + 6);
        used.get("/v1/me").await.refused(401, "unauthenticated");
        let fresh = sign_in(&world, "rita", PASSWORD).await;
        assert_eq!(rows(&fresh).await.len(), 1);
    }
}

/// Changing the password needs the one before, and ends every session.
#[tokio::test]
async fn a_changed_password_ends_every_session() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "member").await;
        let (one, two) = (sign_in(&world, "rita", PASSWORD).await, sign_in(&world, "rita", PASSWORD).await);
        let change = |current: &str, password: &str| json!({"current": current, "password": password});
        one.post("/v1/me/password", change("wrong", "new password"))
            .await
            .refused(401, "invalid_credentials");
        one.post("/v1/me/password", change(PASSWORD, "short")).await.refused(422, "invalid");
        one.post("/v1/me/password", change(PASSWORD, "new password")).await.is(204);
        for session in [one, two] {
            session.get("/v1/me").await.refused(401, "unauthenticated");
        }
        let old = json!({"email": "rita@example.com", "password": PASSWORD});
        world.service.nobody().post("/v1/sessions", old).await.refused(401, "invalid_credentials");
        let rita = sign_in(&world, "rita", "new password").await;
        rita.get(CLOUD).await.is(200);
        let path = format!("/v1/audit?action=user.updated&user={user}");
        let trail = world.operator().get(&path).await.is(200)["data"].clone();
        let told: Vec<_> = trail.as_array().unwrap().iter().map(|row| row["after"].clone()).collect();
        assert_eq!(told, [json!({"password": "set"}), json!({"password": "changed"})], "X1: one line each");
        assert!(trail.as_array().unwrap().iter().all(|row| row["actor"]["id"] == json!(user)));
    }
}

/// Whoever signs in where a password costs more by now has it hashed at that cost; their sessions and their password stay.
#[tokio::test]
async fn a_password_is_hashed_anew_at_the_cost_that_is_set() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "member").await;
        let before = sign_in(&world, "rita", PASSWORD).await;
        let cost = PasswordCost { memory: 16, passes: 1, lanes: 1 };
        let sign_in_there = SignIn { passwords: Passwords::new(cost, 1).unwrap(), ..SignIn::default() };
        let roster = Roster { sign_in: Arc::new(sign_in_there), ..world.service.roster.clone() };
        let kept = async || {
            let home = Home::User(user.parse().unwrap());
            let mut read = roster.store.read(&home, &[Key::Credential], &[]).await.unwrap();
            match read.records.remove(&Key::Credential).map(|stored| stored.record) {
                Some(Record::Credential(credential)) => credential,
                other => panic!("{other:?}"),
            }
        };
        let old = kept().await;
        assert!(!roster.sign_in.passwords.is_current(&old.password_hash));
        let request = Request::new(Actor::Visitor, roster.entropy.as_ref());
        let password = Password::given(PASSWORD);
        roster_core::flows::sign_in(&roster, &request, "rita@example.com", &password).await.unwrap();
        let new = kept().await;
        assert!(roster.sign_in.passwords.is_current(&new.password_hash), "{store}");
        assert_eq!((new.generation, new.changed_at), (old.generation, old.changed_at));
        before.get(CLOUD).await.is(200);
        sign_in(&world, "rita", PASSWORD).await;
    }
}

/// Signed out everywhere: every session ends, this one too; the password stays, and a line says so.
#[tokio::test]
async fn all_sessions_end_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "member").await;
        let (one, two) = (sign_in(&world, "rita", PASSWORD).await, sign_in(&world, "rita", PASSWORD).await);
        one.delete("/v1/sessions").await.is(204);
        for session in [&one, &two] {
            session.get("/v1/me").await.refused(401, "unauthenticated");
            session.delete("/v1/sessions").await.refused(401, "unauthenticated");
        }
        let fresh = sign_in(&world, "rita", PASSWORD).await;
        assert_eq!(rows(&fresh).await.len(), 1);
        world.person("max").delete("/v1/sessions").await.is(204);
        let path = format!("/v1/audit?action=user.updated&user={user}");
        let trail = world.operator().get(&path).await.is(200);
        assert_eq!(trail["data"][1]["after"], json!({"sessions": "ended"}));
    }
}

/// M7: removed is 404; back again, an old session has to sign in afresh there, and is good elsewhere.
#[tokio::test]
async fn m7_a_session_from_before_the_cut_signs_in_again() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "member").await;
        let west = json!({"user": user, "access": {"type": "organization", "role": "member"}});
        world.operator().post("/v1/organizations/ext:other/members", west).await.is(201);
        let rita = sign_in(&world, "rita", PASSWORD).await;
        world.test().clock.advance_seconds(1);
        world.operator().delete(&format!("{CLOUD}/members/{user}")).await.is(200);
        rita.get(CLOUD).await.refused(404, "not_found");
        rita.get("/v1/organizations/ext:other").await.is(200);
        let back = json!({"roles": [{"role": "admin", "accounts": "all"}]});
        world.operator().put(&format!("{CLOUD}/members/{user}/access"), back).await.is(200);
        for path in ["", "/members", "/accounts/ext:north", "/seats", "/api-keys"] {
            let told = rita.get(&format!("{CLOUD}{path}")).await;
            told.refused(401, "reauthentication_required");
        }
        let name = json!({"name": "Mine"});
        rita.patch(CLOUD, name.clone()).await.refused(401, "reauthentication_required");
        rita.get("/v1/organizations/ext:other").await.is(200);
        assert_eq!(rita.get("/v1/organizations").await.is(200)["data"].as_array().unwrap().len(), 1);
        world.test().clock.advance_seconds(1);
        let later = sign_in(&world, "rita", PASSWORD).await;
        later.patch(CLOUD, name).await.is(200);
        rita.get(CLOUD).await.refused(401, "reauthentication_required");
    }
}

/// O3: an owner hands over, or closes, within ten minutes of signing in.
#[tokio::test]
async fn an_owner_signs_in_again_for_what_cannot_be_undone() {
    for store in selected() {
        let world = World::on(store).await;
        let user = signed_up(&world, "rita", "admin").await;
        let transfers = format!("{CLOUD}/ownership-transfers");
        world.operator().post(&transfers, json!({"to": user})).await.is(201);
        let rita = sign_in(&world, "rita", PASSWORD).await;
        world.test().clock.advance_seconds(600);
        let handed = json!({"to": "ext:anna"});
        rita.post(&transfers, handed.clone()).await.refused(401, "reauthentication_required");
        let confirm = json!({"confirm": true});
        let close = rita.call(http::Method::DELETE, CLOUD, Some(confirm)).await;
        close.refused(401, "reauthentication_required");
        let plan = format!("{CLOUD}/members/{user}/leaving-plan");
        let revision = world.operator().get(&plan).await.is(200)["revision"].clone();
        let leave = json!({"mode": "remove", "revision": revision, "owner_to": "ext:anna"});
        rita.post(&plan, leave).await.refused(401, "reauthentication_required");
        let fresh = sign_in(&world, "rita", PASSWORD).await;
        world.test().clock.advance_seconds(599);
        fresh.post(&transfers, handed).await.is(201);
        fresh.post(&transfers, json!({"to": "ext:max"})).await.refused(403, "forbidden");
    }
}

/// L1, M7: one who is deactivated reaches nothing there by any way in, old or new, and each is told the same.
#[tokio::test]
async fn l1_no_way_in_leads_one_who_is_deactivated_back() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let user = signed_up(&world, "rita", "member").await;
        let before = sign_in(&world, "rita", PASSWORD).await;
        let made = json!({"name": "Laptop", "kind": "personal"});
        let key = text(&before.post(&format!("{CLOUD}/api-keys"), made).await.is(201), "/secret");
        let (operator, one) = (world.operator(), format!("{CLOUD}/members/{user}"));
        operator.post(&format!("{one}/deactivate"), json!({})).await.is(200);
        world.test().clock.advance_seconds(1);
        mailbox.collect(&world.service.roster).await;

        let after = sign_in(&world, "rita", PASSWORD).await;
        let asked = json!({"email": "rita@example.com"});
        world.service.nobody().post("/v1/password-resets", asked).await.is(202);
        let link = roster_tests::mailbox::token(&mailbox.one(&world.service.roster).await);
        let set = json!({"password": "another horse battery"});
        world.service.nobody().post(&format!("/v1/password-resets/{link}"), set).await.is(204);
        let by_reset = sign_in(&world, "rita", "another horse battery").await;
        for ended in [before, after] {
            ended.get(CLOUD).await.refused(401, "unauthenticated");
        }
        world.service.bearer(&key).get(CLOUD).await.refused(401, "unauthenticated");
        let by_key = world.service.bearer(&world.admin_key).on_behalf_of(&user);
        let mut told = Vec::new();
        for way in [by_reset, world.service.user(&user), by_key] {
            for path in [CLOUD.to_owned(), format!("{CLOUD}/members"), format!("{CLOUD}/invitations")] {
                let mut problem = way.get(&path).await.refused(404, "not_found");
                problem["request_id"] = Value::Null;
                told.push(problem);
            }
        }
        assert!(told.iter().all(|problem| *problem == told[0]), "{told:?}");
        let access = json!({"type": "organization", "role": "member"});
        let invite = json!({"email": "rita@example.com", "access": access});
        operator.post(&format!("{CLOUD}/invitations"), invite).await.refused(409, "member_deactivated");
        let reset = operator.post(&format!("{one}/password-reset"), json!({})).await;
        reset.refused(409, "target_not_active");
        assert_eq!(operator.get(&one).await.is(200)["status"], "deactivated", "{store}");
    }
}
