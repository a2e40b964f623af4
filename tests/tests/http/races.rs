//! Requests at once, through the whole API: rules O1, O5, S1, M11, O7. Afterwards `verify` finds nothing.

use futures::future::join_all;
use roster_core::verify::verify_all;
use roster_tests::http::Reply;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};

const CLOUD: &str = "/v1/organizations/ext:cloud";
const ROUNDS: usize = 20;

async fn assert_sound(world: &World) {
    let verdict = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    assert_eq!(verdict.findings, []);
}

fn count(replies: &[Reply], status: u16, code: Option<&str>) -> usize {
    let fits = |reply: &&Reply| reply.status == status && reply.body["code"].as_str() == code;
    replies.iter().filter(fits).count()
}

/// S1: fifty for one seat, by every way in: one gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_ask_for_one_seat() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": 8})).await.is(200);
        let adds = (0..48).map(|n| {
            let operator = operator.clone();
            async move {
                let access = json!({"type": "organization", "role": "viewer"});
                let body = json!({"email": format!("r{n}@example.com"), "access": access});
                operator.post(&format!("{CLOUD}/members"), body).await
            }
        });
        let back = async {
            let access = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
            vec![
                operator.put(&format!("{CLOUD}/members/ext:fred/access"), access).await,
                operator
                    .put(&format!("{CLOUD}/accounts/ext:north/members/ext:empty"), json!({"role": "viewer"}))
                    .await,
            ]
        };
        let (mut replies, more) = futures::join!(join_all(adds), back);
        replies.extend(more);
        let won = replies.iter().filter(|reply| reply.status.is_success()).count();
        let lost = count(&replies, 409, Some("no_seat")) + count(&replies, 409, Some("conflict"));
        assert_eq!((won, lost), (1, 49), "{:?}", replies.iter().map(|reply| &reply.text).collect::<Vec<_>>());
        assert_eq!(operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"], 8);
        assert_sound(&world).await;
    }
}

/// O5: two transfers at once: one wins, the other is told why, and there is one owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_transfers_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        for _ in 0..ROUNDS {
            let owner = world.operator().get(CLOUD).await.is(200)["owner"]["user_id"].clone();
            let caller = world.service.user(owner.as_str().unwrap());
            let heirs: Vec<Value> =
                world.operator().get(&format!("{CLOUD}/members?role=admin")).await.is(200)["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["user_id"].clone())
                    .collect();
            let path = format!("{CLOUD}/ownership-transfers");
            let one = caller.post(&path, json!({"to": heirs[0]}));
            let other = caller.post(&path, json!({"to": "ext:max"}));
            let (one, other) = futures::join!(one, other);
            let replies = [one, other];
            let won = count(&replies, 201, None);
            // One that begins after the other has won is judged afresh: both may be for the same person by then.
            let told = count(&replies, 409, Some("owner_changed"))
                + count(&replies, 403, Some("forbidden"))
                + count(&replies, 422, Some("invalid"));
            assert_eq!((won, told), (1, 1), "{} {}", replies[0].text, replies[1].text);
            let now = world.operator().get(CLOUD).await.is(200)["owner"]["user_id"].clone();
            assert_ne!(now, owner);
            let back = json!({"to": "ext:olga"});
            let path = format!("{CLOUD}/ownership-transfers");
            world.operator().post(&path, back).await;
        }
        assert_sound(&world).await;
    }
}

/// O5: a transfer and the removal of its target: never an owner who is out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_and_the_removal_of_its_target() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for _ in 0..ROUNDS {
            let (transfers, anna) =
                (format!("{CLOUD}/ownership-transfers"), format!("{CLOUD}/members/ext:anna"));
            let transfer = operator.post(&transfers, json!({"to": "ext:anna"}));
            let (transfer, removal) = futures::join!(transfer, operator.delete(&anna));
            match (transfer.status.as_u16(), removal.status.as_u16()) {
                (201, 409) => {
                    removal.refused(409, "owner_must_transfer");
                    operator.post(&transfers, json!({"to": "ext:olga"})).await.is(201);
                }
                (409, 200) => {
                    transfer.refused(409, "target_not_active");
                    let access = json!({"roles": [{"role": "admin", "accounts": "all"}]});
                    operator.put(&format!("{anna}/access"), access).await.is(200);
                }
                other => panic!("{other:?}: {} {}", transfer.text, removal.text),
            }
        }
        assert_sound(&world).await;
    }
}

/// M7: removal and a change of role: the removed one is out, whoever came first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_and_a_change_of_role() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for _ in 0..ROUNDS {
            let member = format!("{CLOUD}/members/ext:nils");
            let end = json!({"expires_at": "2028-01-01T00:00:00Z"});
            let (removal, change) = futures::join!(operator.delete(&member), operator.patch(&member, end));
            removal.is(200);
            assert!(change.status == 200 || change.body["code"] == "target_not_active", "{}", change.text);
            assert_eq!(operator.get(&member).await.is(200)["status"], "former");
            world.person("nils").get(CLOUD).await.refused(404, "not_found");
            let back = json!({"roles": [{"role": "member", "accounts": ["ext:north", "ext:south"]}]});
            operator.put(&format!("{member}/access"), back).await.is(200);
        }
        assert_sound(&world).await;
    }
}

/// M11: an admin who is being demoted grants: once the demotion is answered, nothing more that they grant lands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_admin_still_granting() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        for round in 0..ROUNDS {
            let anna = world.person("anna");
            let granting = async {
                let mut granted = Vec::new();
                for n in 0..20 {
                    let access = json!({"type": "organization", "role": "admin"});
                    let body = json!({"email": format!("g{round}x{n}@example.com"), "access": access});
                    let reply = anna.post(&format!("{CLOUD}/members"), body).await;
                    granted.push(reply.status == 201);
                }
                granted
            };
            let demoting = async {
                let access = json!({"roles": [{"role": "viewer", "accounts": "all"}]});
                operator.put(&format!("{CLOUD}/members/ext:anna/access"), access).await.is(200);
                operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"].clone()
            };
            let (granted, used) = futures::join!(granting, demoting);
            assert_eq!(operator.get(&format!("{CLOUD}/seats")).await.is(200)["used"], used, "round {round}");
            let landed = granted.iter().filter(|landed| **landed).count();
            assert!(
                granted[..landed].iter().all(|landed| *landed),
                "none after the first refusal: {granted:?}"
            );
            let again = json!({"roles": [{"role": "admin", "accounts": "all"}]});
            operator.put(&format!("{CLOUD}/members/ext:anna/access"), again).await.is(200);
        }
        assert_sound(&world).await;
    }
}

/// O7: close and add at once: nobody joins what is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_and_adds() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let adds = (0..20).map(|n| {
            let operator = operator.clone();
            async move {
                let access = json!({"type": "organization", "role": "viewer"});
                let body = json!({"email": format!("c{n}@example.com"), "access": access});
                operator.post(&format!("{CLOUD}/members"), body).await
            }
        });
        let close = operator.call(http::Method::DELETE, CLOUD, Some(json!({"confirm": true})));
        let (replies, closed) = futures::join!(join_all(adds), close);
        closed.is(204);
        let joined = count(&replies, 201, None);
        let told = count(&replies, 409, Some("organization_closed")) + count(&replies, 409, Some("conflict"));
        assert_eq!(joined + told, 20, "{:?}", replies.iter().map(|reply| &reply.text).collect::<Vec<_>>());
        let late = json!({"email": "late@example.com", "access": {"type": "organization", "role": "viewer"}});
        operator.post(&format!("{CLOUD}/members"), late).await.refused(409, "organization_closed");
        world.person("olga").get(CLOUD).await.refused(404, "not_found");
        assert_sound(&world).await;
    }
}
