//! Requests at once, through the whole API: rules O1, O5, S1, M11, O7. Afterwards `verify` finds nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::update_account;
use roster_core::home::Home;
use roster_core::id::{AccountId, OrganizationId};
use roster_core::model::AccountStatus;
use roster_core::op::Roster;
use roster_core::ops::account::{AccountPatch, UpdateAccount};
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError};
use roster_core::verify::verify_all;
use roster_tests::gate::{Hook, Park, within};
use roster_tests::http::{Reply, text};
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

/// P3, L6: thirty keys of one member are made, turned and revoked at once, half of them personal: each act is done, and the leaving
/// plan is another after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_thirty_keys_of_one_member_at_once() {
    for store in selected() {
        let world = World::on(store).await;
        let (keys, plan) = (format!("{CLOUD}/api-keys"), format!("{CLOUD}/members/ext:anna/leaving-plan"));
        let planned = async || text(&world.operator().get(&plan).await.is(200), "/revision");
        let all_done = |replies: &[Reply], status: u16| {
            let told: Vec<&str> =
                replies.iter().filter(|it| it.status != status).map(|it| it.text.as_str()).collect();
            assert_eq!((told, replies.len()), (vec![], 30), "{store}");
        };
        let mut revisions = vec![planned().await];
        let made = join_all((0..30).map(|n| {
            let (anna, keys) = (world.person("anna"), keys.clone());
            async move {
                let body = if n % 2 == 0 {
                    json!({"name": "own", "kind": "personal"})
                } else {
                    json!({"name": "desk", "access": {"type": "organization", "role": "viewer"}})
                };
                anna.post(&keys, body).await
            }
        }))
        .await;
        all_done(&made, 201);
        revisions.push(planned().await);
        let paths: Vec<String> =
            made.iter().map(|made| format!("{keys}/{}", made.body["id"].as_str().unwrap())).collect();
        let anna = world.person("anna");
        let turned = paths.iter().map(|path| {
            let (anna, path) = (anna.clone(), format!("{path}/rotate"));
            async move { anna.post(&path, json!({})).await }
        });
        all_done(&join_all(turned).await, 200);
        revisions.push(planned().await);
        all_done(&join_all(paths.iter().map(|path| anna.delete(path))).await, 204);
        revisions.push(planned().await);
        let different: std::collections::BTreeSet<&String> = revisions.iter().collect();
        assert_eq!(different.len(), 4, "{store}: {revisions:?}");
        assert_sound(&world).await;
    }
}

/// O8: what is archived between the deciding and the commit of an act by a role on it alone is left as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o8_nothing_is_done_on_an_account_that_is_archived_in_the_same_instant() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let (north, deals) = (format!("{CLOUD}/accounts/ext:north"), format!("{CLOUD}/records/deal"));
        for id in ["d1", "d2"] {
            let record = json!({"owner": "ext:nils", "account": "ext:north"});
            operator.put(&format!("{deals}/{id}"), record).await.is(201);
        }
        let access = json!({"type": "accounts", "accounts": [{"account": "ext:north", "role": "viewer"}]});
        let body = json!({"email": "rita@example.com", "access": access});
        let invitation = operator.post(&format!("{CLOUD}/invitations"), body).await.is(201);
        let invitation = format!("{CLOUD}/invitations/{}", invitation["id"].as_str().unwrap());
        let nils = format!("{CLOUD}/members/ext:nils");
        let south = json!({"roles": [{"role": "viewer", "accounts": ["ext:south"]}]});
        let (delete, put) = (http::Method::DELETE, http::Method::PUT);
        let both = json!({"roles": [{"role": "admin", "accounts": ["ext:north", "ext:south"]}]});
        operator.put(&format!("{CLOUD}/members/ext:nora/access"), both).await.is(200);
        let acts = [
            (delete.clone(), invitation.clone(), None, invitation),
            (delete, format!("{deals}/d1"), None, format!("{deals}/d1")),
            (
                put.clone(),
                format!("{deals}/d2"),
                Some(json!({"owner": "ext:nils", "account": "ext:south"})),
                format!("{deals}/d2"),
            ),
            (put, format!("{nils}/access"), Some(south), nils.clone()),
        ];
        for (method, path, body, shown) in acts {
            let before = operator.get(&shown).await.is(200);
            let park = Park::at(0);
            let behind = world.service.behind(Arc::<Park>::clone(&park));
            let (what, act) = (format!("{store}: {method} {path}"), (method, path, body));
            let act = async move {
                let (method, path, body) = act;
                behind.user("ext:nora").call(method, &path, body).await
            };
            let (reply, _, was_parked) = within((park, act), operator.delete(&north)).await;
            assert!(was_parked, "{what}");
            assert_eq!(reply.status, 403, "{what}: {}", reply.text);
            assert_eq!(operator.get(&shown).await.is(200), before, "{what}");
            operator.patch(&north, json!({"status": "active"})).await.is(200);
        }
        assert_sound(&world).await;
    }
}

/// Archives an account before an organization is read for the n-th time.
#[derive(Debug)]
struct Archives {
    below: Roster,
    organization: OrganizationId,
    account: AccountId,
    reads_left: AtomicUsize,
}

impl Archives {
    fn has_done_so(&self) -> bool {
        self.reads_left.load(Ordering::SeqCst) == 0
    }
}

#[async_trait]
impl Hook for Archives {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        store.commit(changes).await
    }

    async fn before_read_of(&self, home: &Home) -> Result<(), StoreError> {
        let counts = *home == Home::Organization(self.organization);
        let one_less = |left: usize| left.checked_sub(1).filter(|_| counts);
        if self.reads_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1) {
            let patch = AccountPatch { status: Some(AccountStatus::Archived), ..AccountPatch::default() };
            let (organization, account) = (self.organization, self.account);
            let archive = UpdateAccount { organization, account, patch };
            let request = Request::new(Actor::CLI, self.below.entropy.as_ref());
            update_account(&self.below, &request, &archive).await.unwrap();
        }
        Ok(())
    }
}

/// O8: whenever an account is archived while an act by a role on it alone reads what it is decided by, nothing is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o8_nothing_is_done_on_an_account_that_was_archived_between_two_reads() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let north = format!("{CLOUD}/accounts/ext:north");
        let post = format!("{north}/key-roles/csm");
        let organization = text(&operator.get(CLOUD).await.is(200), "/id").parse().unwrap();
        let account = text(&operator.get(&north).await.is(200), "/id").parse().unwrap();
        let acts = [
            (http::Method::PATCH, north.clone(), json!({"name": "Taken"})),
            (http::Method::PATCH, north.clone(), json!({"status": "active"})),
            (http::Method::DELETE, post.clone(), Value::Null),
            (http::Method::DELETE, format!("{north}/members/ext:nils"), Value::Null),
        ];
        operator.put(&post, json!({"user": "ext:nils"})).await.is(200);
        for (method, path, body) in acts {
            let (mut refused, changes_nothing) = (0, body == json!({"status": "active"}));
            for reads in 1.. {
                let below = world.service.roster.clone();
                let reads_left = AtomicUsize::new(reads);
                let archives = Arc::new(Archives { below, organization, account, reads_left });
                let behind = world.service.behind(Arc::<Archives>::clone(&archives));
                let body = Some(body.clone()).filter(|body| !body.is_null());
                let reply = behind.user("ext:nora").call(method.clone(), &path, body).await;
                let what = format!("{store}: {method} {path}, read {reads}: {} {}", reply.status, reply.text);
                if !archives.has_done_so() {
                    assert!((200..300).contains(&reply.status.as_u16()), "{what}");
                    break;
                }
                // To make active what was active is to do nothing, and is answered by what was read.
                refused += usize::from([403, 404].contains(&reply.status.as_u16()));
                assert!(changes_nothing || reply.status.is_client_error(), "{what}");
                let shown = operator.get(&north).await.is(200);
                assert_eq!(
                    (&shown["name"], &shown["status"]),
                    (&json!("north"), &json!("archived")),
                    "{what}"
                );
                assert!(!shown["key_roles"]["csm"].is_null() || path.contains("members"), "{what}");
                operator.patch(&north, json!({"status": "active"})).await.is(200);
            }
            assert!(refused > 0, "{store}: {method} {path} reads the organization");
            operator.patch(&north, json!({"name": "north"})).await.is(200);
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
