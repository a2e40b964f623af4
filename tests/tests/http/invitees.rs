//! Who is let in, to what, and who may ask: rules I1, I3, I5, I6, I7, M11.

use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::{World, on_accounts};
use serde_json::{Value, json};

use crate::{later, verified};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const INVITATIONS: &str = "/v1/organizations/ext:cloud/invitations";

fn wide(role: &str) -> Value {
    json!({"type": "organization", "role": role})
}

async fn invite(caller: &Caller<'_>, name: &str, access: Value) -> Reply {
    let body = json!({"email": format!("{name}@example.com"), "access": access});
    caller.post(INVITATIONS, body).await
}

async fn invited(caller: &Caller<'_>, name: &str, access: Value) -> String {
    text(&invite(caller, name, access).await.is(201), "/id")
}

/// Where the invitation is accepted.
async fn door(world: &World, id: &str) -> String {
    let link = world.operator().get(&format!("{INVITATIONS}/{id}/link")).await.is(200);
    format!("/v1/invitations/{}/accept", text(&link, "/url").rsplit('/').next().unwrap())
}

async fn sign_up(world: &World, door: &str) -> Reply {
    let body = json!({"name": "Rita", "password": "correct horse battery"});
    world.service.nobody().post(door, body).await
}

async fn role(world: &World, name: &str, permissions: &[&str]) -> String {
    let body = json!({"name": name, "permissions": permissions});
    text(&world.operator().post(&format!("{CLOUD}/roles"), body).await.is(201), "/id")
}

/// I6, M11: who may invite gives what they hold, when they invite, change, copy the link and at acceptance.
#[tokio::test]
async fn i6_nobody_is_let_in_to_more_than_the_inviter_holds() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let desk = role(&world, "Desk", &["members:read"]).await;
        let host = role(&world, "Host", &["invitations:read", "invitations:manage", "members:read"]).await;
        let hosts = json!({"roles": [{"role": host, "accounts": "all"}]});
        operator.put(&format!("{CLOUD}/members/ext:max/access"), hosts).await.is(200);
        let max = world.person("max");
        invite(&max, "rita", wide("admin")).await.refused(403, "cannot_grant_unheld");
        let id = invited(&max, "rita", wide(&desk)).await;
        let one = format!("{INVITATIONS}/{id}");
        let raised = json!({"access": wide("viewer")});
        max.patch(&one, raised).await.refused(403, "cannot_grant_unheld");
        let admins = invited(&operator, "rosa", wide("admin")).await;
        let path = format!("{INVITATIONS}/{admins}");
        max.get(&format!("{path}/link")).await.refused(403, "cannot_grant_unheld");
        max.post(&format!("{path}/resend"), json!({})).await.refused(403, "cannot_grant_unheld");
        let door_of_rita = door(&world, &id).await;
        let wider = json!({"permissions": ["members:read", "deals:export"]});
        operator.patch(&format!("{CLOUD}/roles/{desk}"), wider).await.is(200);
        sign_up(&world, &door_of_rita).await.refused(409, "inviter_cannot_grant");
        operator.patch(&one, json!({"access": wide(&desk)})).await.is(200);
        sign_up(&world, &door_of_rita).await.is(200);
        verified(&world).await;
    }
}

/// I6, P2, P3: what an invitation is refused for may be mended, and it is good again: the inviter, or the key, that was
/// lowered, an account that is gone. A role goes only with another in its place, which is given if the inviter may give it.
#[tokio::test]
async fn i6_an_invitation_is_good_again_once_that_is_mended() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, anna, max) = (world.operator(), world.person("anna"), world.person("max"));
        for name in ["one", "two", "three", "four", "five"] {
            let body = json!({"email": format!("{name}@example.com"), "external_id": name});
            operator.post("/v1/users", body).await.is(201);
        }
        let becomes = async |person: &str, role: &str| {
            let access = json!({"roles": [{"role": role, "accounts": "all"}]});
            operator.put(&format!("{CLOUD}/members/ext:{person}/access"), access).await.is(200);
        };
        let accept = async |name: &str, door: &str| world.person(name).post(door, json!({})).await;

        let one = door(&world, &invited(&anna, "one", wide("admin")).await).await;
        becomes("anna", "viewer").await;
        accept("one", &one).await.refused(409, "inviter_cannot_grant");
        becomes("anna", "admin").await;
        accept("one", &one).await.is(200);

        let key = world.service.bearer(&world.admin_key);
        let two = door(&world, &invited(&key, "two", wide("member")).await).await;
        let keys = operator.get(&format!("{CLOUD}/api-keys")).await.is(200);
        let key = keys["data"].as_array().unwrap().iter().find(|key| key["name"] == "admin").unwrap();
        let key = format!("{CLOUD}/api-keys/{}", text(key, "/id"));
        operator.patch(&key, json!({"access": wide("viewer")})).await.is(200);
        accept("two", &two).await.refused(409, "inviter_cannot_grant");
        operator.patch(&key, json!({"access": wide("admin")})).await.is(200);
        accept("two", &two).await.is(200);

        let three = invited(&anna, "three", on_accounts(&[("south", "viewer")])).await;
        let (three, south) = (door(&world, &three).await, format!("{CLOUD}/accounts/ext:south"));
        operator.delete(&south).await.is(200);
        accept("three", &three).await.refused(409, "account_gone");
        operator.patch(&south, json!({"status": "active"})).await.is(200);
        accept("three", &three).await.is(200);

        let desk = role(&world, "Desk", &["members:read"]).await;
        let host = role(&world, "Host", &["invitations:manage", "members:read"]).await;
        becomes("max", &host).await;
        let four = door(&world, &invited(&anna, "four", wide(&desk)).await).await;
        let five = door(&world, &invited(&max, "five", wide(&desk)).await).await;
        let desk = format!("{CLOUD}/roles/{desk}");
        let used = operator.delete(&desk).await.refused(409, "role_in_use");
        assert_eq!(used["uses"]["invitations"], 2, "none is left with a role that is gone");
        operator.delete(&format!("{desk}?replace_with=member")).await.is(204);
        let four = accept("four", &four).await.is(200);
        assert_eq!(four["member"]["access"], wide("member"));
        accept("five", &five).await.refused(409, "inviter_cannot_grant");
        becomes("max", "admin").await;
        let five = accept("five", &five).await.is(200);
        assert_eq!(five["member"]["access"], wide("member"));
        verified(&world).await;
    }
}

/// I7: one who is deactivated is neither invited, nor sent a link again, nor let in by one.
#[tokio::test]
async fn i7_one_who_is_deactivated_is_not_invited_in() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, max) = (world.operator(), world.person("max"));
        let other = invited(&operator, "new.address", wide("viewer")).await;
        let late = invited(&operator, "late", wide("viewer")).await;
        let door = door(&world, &other).await;
        world.test().clock.advance_seconds(15 * 86_400);
        assert_eq!(operator.get(&format!("{INVITATIONS}/{late}")).await.is(200)["status"], "expired");
        let joins = json!({"email": "late@example.com", "external_id": "late", "access": wide("viewer")});
        operator.post(&format!("{CLOUD}/members"), joins).await.is(201);
        for person in ["late", "max"] {
            let path = format!("{CLOUD}/members/ext:{person}/deactivate");
            operator.post(&path, json!({})).await.is(200);
        }
        world.test().clock.advance_seconds(1);
        operator.post(&format!("{INVITATIONS}/{other}/resend"), json!({})).await.is(200);
        invite(&operator, "max", wide("viewer")).await.refused(409, "member_deactivated");
        let again = format!("{INVITATIONS}/{late}/resend");
        operator.post(&again, json!({})).await.refused(409, "member_deactivated");
        max.post(&door, json!({})).await.refused(403, "wrong_recipient");
        let moved = json!({"email": "new.address@example.com"});
        operator.patch("/v1/users/ext:max", moved).await.is(200);
        max.post(&door, json!({})).await.refused(410, "invitation_revoked");
        let link = operator.get(&format!("{INVITATIONS}/{other}/link")).await.is(200);
        let door = format!("/v1/invitations/{}/accept", text(&link, "/url").rsplit('/').next().unwrap());
        max.post(&door, json!({})).await.refused(409, "member_deactivated");
        verified(&world).await;
    }
}

/// I1, I3, I5: a life as the organization has set it or as it is asked for; what was changed is what is given; whoever has
/// moved to another address is not who was invited.
#[tokio::test]
async fn i5_what_was_changed_last_is_given_to_the_address_that_was_invited() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let life = json!({"settings": {"invitation_expires_in": 3_600}});
        operator.patch(CLOUD, life).await.is(200);
        let made = invite(&operator, "rita", wide("admin")).await.is(201);
        assert_eq!(made["expires_at"], later(&world, 3_600));
        let one = format!("{INVITATIONS}/{}", text(&made, "/id"));
        for (seconds, status) in [(3_599, 422), (90 * 86_400 + 1, 422), (90 * 86_400, 200)] {
            let reply = operator.patch(&one, json!({"expires_in": seconds})).await;
            assert_eq!(reply.status.as_u16(), status, "{seconds}: {}", reply.text);
        }
        let changed =
            operator.patch(&one, json!({"access": on_accounts(&[("south", "viewer")])})).await.is(200);
        assert_eq!(changed["expires_at"], later(&world, 90 * 86_400));
        let rita = json!({"email": "rita@example.com", "external_id": "rita"});
        operator.post("/v1/users", rita).await.is(201);
        let door = door(&world, &text(&made, "/id")).await;
        operator.patch("/v1/users/ext:rita", json!({"email": "moved@example.com"})).await.is(200);
        world.person("rita").post(&door, json!({})).await.refused(403, "wrong_recipient");
        operator.patch("/v1/users/ext:rita", json!({"email": "rita@example.com"})).await.is(200);
        world.test().clock.advance_seconds(90 * 86_400 - 1);
        let member = world.person("rita").post(&door, json!({})).await.is(200)["member"].clone();
        assert_eq!(member["access"], changed["access"], "neither more nor less");
        verified(&world).await;
    }
}

/// M5, M6, M9, S1: whoever was removed from everything before they had a password comes back by a new invitation. What they were
/// invited to before holds no seat: where they once were it is over at once, elsewhere once the job has come by.
#[tokio::test]
async fn m9_one_who_was_removed_from_everything_signs_up_by_a_new_invitation() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let body = json!({"email": "zelda@example.com", "access": wide("viewer")});
        let zelda = text(&operator.post(&format!("{CLOUD}/members"), body).await.is(201), "/user_id");
        let old = door(&world, &invited(&operator, "zorro", wide("viewer")).await).await;
        let other = "/v1/organizations/ext:other";
        let used = async |organization: &str| {
            operator.get(&format!("{organization}/seats")).await.is(200)["used"].as_u64().unwrap()
        };
        let before = (used(CLOUD).await, used(other).await);
        operator.delete(&format!("{CLOUD}/members/{zelda}")).await.is(200);
        world.test().clock.advance_seconds(1);
        let again = invited(&operator, "zelda", wide("viewer")).await;
        let body = json!({"email": "zelda@example.com", "access": wide("viewer")});
        let elsewhere = operator.post(&format!("{other}/invitations"), body).await.is(201);
        assert_eq!((used(CLOUD).await, used(other).await), (before.0, before.1 + 1), "{store}");
        world.test().clock.advance_seconds(1);
        operator.call(http::Method::DELETE, &format!("/v1/users/{zelda}/accounts"), None).await.is(202);
        assert_eq!(used(CLOUD).await, before.0 - 1, "{store}: without any worker");
        let worker = roster_core::jobs::Worker::new(world.service.roster.clone(), std::sync::Arc::default());
        worker.work_off().await.unwrap();
        assert_eq!((used(CLOUD).await, used(other).await), (before.0 - 1, before.1), "{store}");
        for (organization, id) in [(CLOUD, &again), (other, &text(&elsewhere, "/id"))] {
            let shown = operator.get(&format!("{organization}/invitations/{id}")).await.is(200);
            assert_eq!(shown["status"], "revoked", "{store}");
        }
        world.test().clock.advance_seconds(1);
        let id = invited(&operator, "zelda", wide("viewer")).await;
        let member = sign_up(&world, &door(&world, &id).await).await.is(200);
        assert_eq!(text(&member, "/member/user_id"), zelda, "{member}");
        sign_up(&world, &old).await.is(200);
        verified(&world).await;
    }
}

/// M9: an old link does not bring back one whose address it was for when they were removed, whoever had it when it was sent;
/// a new one does.
#[tokio::test]
async fn m9_an_old_link_to_an_address_that_came_later_brings_nobody_back() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let id = invited(&operator, "fresh", wide("admin")).await;
        let old = door(&world, &id).await;
        world.test().clock.advance_seconds(1);
        operator.patch("/v1/users/ext:nils", json!({"email": "fresh@example.com"})).await.is(200);
        operator.delete(&format!("{CLOUD}/members/ext:nils")).await.is(200);
        world.test().clock.advance_seconds(1);
        let nils = world.person("nils");
        nils.post(&old, json!({})).await.refused(410, "invitation_revoked");
        sign_up(&world, &old).await.refused(410, "invitation_revoked");
        nils.get(CLOUD).await.refused(404, "not_found");
        let again = operator.post(&format!("{INVITATIONS}/{id}/resend"), json!({})).await;
        again.refused(409, "invitation_not_pending");
        let id = invited(&operator, "fresh", wide("admin")).await;
        nils.post(&door(&world, &id).await, json!({})).await.is(200);
        verified(&world).await;
    }
}

/// I3: an address that was asked for and never proven opens no invitation of it: neither in a list, nor by its link.
#[tokio::test]
async fn i3_an_address_that_is_not_proven_opens_nothing() {
    for store in selected() {
        let (world, _mailbox) = World::with_mail(store).await;
        let id = invited(&world.operator(), "quinn", wide("viewer")).await;
        let (mia, path) = (world.person("mia"), door(&world, &id).await);
        mia.post("/v1/me/email", json!({"email": "quinn@example.com"})).await.is(202);
        mia.get(&format!("{CLOUD}/invitations")).await.refused(404, "not_found");
        mia.get(&format!("{CLOUD}/invitations/{id}")).await.refused(404, "not_found");
        mia.post(&path, json!({})).await.refused(403, "wrong_recipient");
        mia.post(&format!("/v1/invitations/{id}/accept"), json!({})).await.refused(404, "not_found");
        let shown = world.operator().get(&format!("{CLOUD}/invitations/{id}")).await.is(200);
        assert_eq!(shown["status"], "pending", "{store}");
    }
}
