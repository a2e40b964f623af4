//! Entity tags and what is asked of them: RFC 9110, section 13; order of refusals.

use roster_tests::http::{Caller, Reply, text};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";

fn tag(reply: &Reply) -> String {
    reply.header("etag").unwrap_or_else(|| panic!("no entity tag: {}", reply.text)).to_owned()
}

async fn shown(caller: &Caller<'_>, path: &str) -> String {
    let reply = caller.get(path).await;
    let tag = tag(&reply);
    let same = caller.clone().with("if-none-match", &tag).get(path).await;
    assert_eq!(same.status.as_u16(), 304, "{path}");
    tag
}

/// Single resources bear their version, at their making as well.
#[tokio::test]
async fn single_resources_bear_their_version() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let access = json!({"type": "organization", "role": "viewer"});
        let ask = json!({"email": "rita@example.com", "access": access});
        let made = operator.post(&format!("{CLOUD}/invitations"), ask).await;
        let one = format!("{CLOUD}/invitations/{}", text(&made.body, "/id"));
        assert_eq!(tag(&made), shown(&operator, &one).await);

        let view = json!({"name": "All", "kind": "accounts", "filter": null, "columns": ["name"]});
        let view = text(&operator.post("/v1/views", view).await.is(201), "/id");
        let indicator = json!({"name": "Any", "view_id": view});
        let indicator = text(&operator.post("/v1/indicators", indicator).await.is(201), "/id");
        let path = format!("/v1/indicators/{indicator}");
        let changed = operator.patch(&path, json!({"name": "Each"})).await;
        assert_eq!(tag(&changed), shown(&operator, &path).await);

        for path in ["/v1/trait-mappings".to_owned(), format!("{CLOUD}/trait-mappings")] {
            let none = operator.clone().with("if-match", &shown(&operator, &path).await);
            let body = json!({"account_owner_trait": "ownerId", "organization_owner_trait": null});
            let job = none.put(&path, body.clone()).await.is(202);
            none.put(&path, body.clone()).await.refused(412, "precondition_failed");
            shown(&operator, &format!("/v1/jobs/{}", text(&job, "/job/id"))).await;
            let tag = shown(&operator, &path).await;
            let stale = operator.clone().with("if-match", "\"00000000-0000-0000-0000-000000000000\"");
            stale.put(&path, body.clone()).await.refused(412, "precondition_failed");
            operator.clone().with("if-match", &tag).put(&path, body).await.is(202);
        }
    }
}

/// RFC 9110, 13.1.1: `*` asks for anything at all, a list for any of it.
#[tokio::test]
async fn a_star_asks_for_something_and_a_list_for_any_of_it() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let (path, body) = (format!("{CLOUD}/records/deal/D1"), json!({"owner": "ext:max"}));
        let star = operator.clone().with("if-match", "*");
        star.put(&path, body.clone()).await.refused(412, "precondition_failed");
        operator.get(&path).await.refused(404, "not_found");
        let tag = tag(&operator.put(&path, body.clone()).await);
        star.put(&path, body.clone()).await.is(200);
        for (fits, tags) in [
            (true, format!("\"a\", {tag}")),
            (true, format!("{tag},\"b\"")),
            (false, "\"a\", \"b\"".to_owned()),
            (false, format!("W/{tag}")),
            (false, tag.replace('"', "")),
            (false, "*, \"a\"".to_owned()),
        ] {
            let reply = operator.clone().with("if-match", &tags).put(&path, body.clone()).await;
            if fits {
                reply.is(200)
            } else {
                reply.refused(412, "precondition_failed")
            };
        }
    }
}

/// `If-Match` is honoured on every DELETE; an outdated version comes before what is over (410).
#[tokio::test]
async fn outdated_versions_are_refused_before_what_is_over() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let stale = operator.clone().with("if-match", "\"00000000-0000-0000-0000-000000000000\"");
        stale.delete("/v1/users/ext:max/accounts").await.refused(412, "precondition_failed");
        let tag = tag(&operator.get("/v1/users/ext:max").await);
        operator.clone().with("if-match", &tag).delete("/v1/users/ext:max/accounts").await.is(202);

        let offer = json!({"to": "ext:anna", "require_acceptance": true});
        let offer = operator.post(&format!("{CLOUD}/ownership-transfers"), offer).await.is(201);
        let path = format!("{CLOUD}/ownership-transfers/{}", text(&offer, "/id"));
        world.test().clock.advance_seconds(8 * 86_400);
        stale.delete(&path).await.refused(412, "precondition_failed");
        operator.delete(&path).await.refused(410, "offer_expired");
    }
}

/// Order of refusals: what the body lacks (422) before who is named (404) and who asks (403).
#[tokio::test]
async fn what_is_not_confirmed_is_refused_first() {
    for store in selected() {
        let world = World::on(store).await;
        for (who, user) in [("max", "ext:max"), ("max", "ext:nobody"), ("anna", "ext:otto")] {
            let path = format!("/v1/users/{user}/erase");
            world.person(who).post(&path, json!({})).await.refused(422, "confirmation_required");
        }
        let sure = json!({"confirm": true});
        world.person("anna").post("/v1/users/ext:max/erase", sure.clone()).await.refused(403, "forbidden");
        world.person("anna").post("/v1/users/ext:otto/erase", sure).await.refused(404, "not_found");
    }
}

/// Requests that are sent again: what ends jobs, people and addresses, and what was done by one who is out by it.
#[tokio::test]
async fn answers_are_kept_of_every_post() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let operator = world.operator();
        let again = async |caller: Caller<'_>, path: &str, body: Value, status: u16| {
            let caller = caller.with("idempotency-key", "again");
            let first = caller.post(path, body.clone()).await.is(status);
            let reply = caller.post(path, body).await;
            assert_eq!(reply.header("idempotency-replayed"), Some("true"), "{path}");
            assert_eq!(reply.is(status), first);
            first
        };
        again(world.person("max"), "/v1/me/email", json!({"email": "own@example.com"}), 202).await;
        mailbox.one(&world.service.roster).await;
        let bulk = json!({"action": "deactivate", "users": ["ext:max"]});
        let job = operator.post(&format!("{CLOUD}/members/bulk"), bulk).await.is(202);
        again(operator.clone(), &format!("/v1/jobs/{}/cancel", text(&job, "/job/id")), json!({}), 200).await;
        again(operator.clone(), "/v1/users/ext:mia/erase", json!({"confirm": true}), 202).await;
        let source = json!({"name": "Product", "groups": {"to": "each"}});
        let source = text(&operator.post("/v1/sources", source).await.is(201), "/id");
        let replay = format!("/v1/sources/{source}/dead-letters/replay");
        again(operator.clone(), &replay, json!({"all": true}), 202).await;
        operator
            .post(&replay, json!({"all": true, "ids": ["dlq_01kb2y0v4tejq8vt0d7c3w4n5e"]}))
            .await
            .refused(422, "invalid");
        let leave = format!("{CLOUD}/members/ext:max/leave");
        let left = again(world.person("max"), &leave, json!({}), 200).await;
        assert_eq!(left["status"], "former");
        world.person("max").post(&leave, json!({})).await.refused(404, "not_found");
        let other = world.person("max").with("idempotency-key", "again");
        other.post(&format!("{CLOUD}/members/ext:anna/leave"), json!({})).await.refused(404, "not_found");
        let own = format!("{CLOUD}/members/ext:anna/deactivate");
        assert_eq!(again(world.person("anna"), &own, json!({}), 200).await["status"], "deactivated");
    }
}

async fn outdated(caller: &Caller<'_>, path: &str, before: &str) -> String {
    let kept = caller.clone().with("if-none-match", before).get(path).await;
    assert_ne!(tag(&kept), before, "{path}");
    kept.is(200);
    shown(caller, path).await
}

/// Conventions: who has seen a record as it was before a hand-over has not seen it as it is; who has may act on it.
#[tokio::test]
async fn a_version_covers_hand_overs_that_are_not_written_down() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let deal = format!("{CLOUD}/records/deal/D1");
        operator.put(&deal, json!({"owner": "ext:max"})).await.is(201);
        let before = shown(&operator, &deal).await;
        let reassign = json!({"from": "ext:max", "to": "ext:anna"});
        operator.post(&format!("{CLOUD}/records/reassign"), reassign).await.is(202);
        let after = outdated(&operator, &deal, &before).await;
        let title = json!({"owner": "ext:anna", "title": "Big"});
        let stale = operator.clone().with("if-match", &before).put(&deal, title.clone()).await;
        stale.refused(412, "precondition_failed");
        let changed = operator.clone().with("if-match", &after).put(&deal, title).await;
        assert_eq!(tag(&changed), shown(&operator, &deal).await, "{store}");
        changed.is(200);
    }
}

/// The same of what time has ended: a membership, the posts of whoever was a member, an offer.
#[tokio::test]
async fn a_version_covers_what_time_has_ended() {
    let north = &format!("{CLOUD}/accounts/ext:north");
    let member = &format!("{CLOUD}/members/ext:vera");
    let name = json!({"name": "Anew"});
    for store in selected() {
        for (path, act) in [(member, "member"), (north, "account"), (&CLOUD.to_owned(), "organization")] {
            for fresh in [false, true] {
                let world = World::on(store).await;
                let operator = world.operator();
                operator.patch(member, json!({"expires_at": crate::later(&world, 60)})).await.is(200);
                let post = json!({"user": "ext:vera"});
                operator.put(&format!("{CLOUD}/account-owner"), post.clone()).await.is(200);
                operator.put(&format!("{north}/account-owner"), post).await.is(200);
                let before = shown(&operator, path).await;
                world.test().clock.advance_seconds(60);
                let after = outdated(&operator, path, &before).await;
                let caller = operator.clone().with("if-match", if fresh { &after } else { &before });
                let reply = match act {
                    "member" => {
                        caller.put(&format!("{north}/members/ext:vera"), json!({"role": "viewer"})).await
                    }
                    _ => caller.patch(path, name.clone()).await,
                };
                if fresh {
                    assert!(reply.status.is_success(), "{store}: {act}: {}", reply.text);
                } else {
                    reply.refused(412, "precondition_failed");
                }
                if act == "organization" {
                    let seats = shown(&operator, &format!("{CLOUD}/seats")).await;
                    assert_eq!(seats, shown(&operator, CLOUD).await);
                }
            }
        }
        let world = World::on(store).await;
        let operator = world.operator();
        let offer = json!({"to": "ext:anna", "require_acceptance": true});
        let offer = operator.post(&format!("{CLOUD}/ownership-transfers"), offer).await.is(201);
        let offer = format!("{CLOUD}/ownership-transfers/{}", text(&offer, "/id"));
        let before = shown(&operator, &offer).await;
        world.test().clock.advance_seconds(7 * 86_400);
        let after = outdated(&operator, &offer, &before).await;
        let stale = operator.clone().with("if-match", &before).delete(&offer).await;
        stale.refused(412, "precondition_failed");
        operator.clone().with("if-match", &after).delete(&offer).await.refused(410, "offer_expired");
    }
}

/// RFC 9110, 8.8.3: what a write answers is the tag of what is shown then, though time has ended the membership of
/// somebody in a post.
#[tokio::test]
async fn a_version_that_a_write_answers_stands_until_somebody_changes_something() {
    let north = &format!("{CLOUD}/accounts/ext:north");
    let key_role = |path: &str| format!("{path}/key-roles/csm");
    for store in selected() {
        for path in [north.as_str(), CLOUD] {
            for by_post in [false, true] {
                let world = World::on(store).await;
                let operator = world.operator();
                let member = format!("{CLOUD}/members/ext:vera");
                operator.patch(&member, json!({"expires_at": crate::later(&world, 60)})).await.is(200);
                operator.put(&format!("{path}/account-owner"), json!({"user": "ext:vera"})).await.is(200);
                world.test().clock.advance_seconds(60);
                let done = if by_post {
                    operator.put(&key_role(path), json!({"user": "ext:nils"})).await
                } else {
                    operator.patch(path, json!({"name": "Anew"})).await
                };
                assert_eq!(tag(&done), shown(&operator, path).await, "{store}: {path}, {by_post}");
                let again = operator.clone().with("if-match", &tag(&done));
                again.patch(path, json!({"name": "Once more"})).await.is(200);
            }
        }
    }
}
