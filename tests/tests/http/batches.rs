//! Inviting many at once while others act: rules I8, S1.

use async_trait::async_trait;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::{NewMember, NewUser, Who, add_member, invite_many};
use roster_core::home::Record;
use roster_core::id::OrganizationId;
use roster_core::op::{Roster, run};
use roster_core::ops::invitation::{CreateInvitations, HoldSeats, InviteAsk, InviteOutcome};
use roster_core::ops::member::{AccessAsk, Joining};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::refusal::{OpError, Refusal};
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreError, StoreErrorKind, Write};
use roster_tests::gate::Hook;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::inviters::{CLOUD, INVITATIONS, assert_sound, invite, invited, used, wide};

/// I8: a batch that was cut off after it was made, sent again, finds its own rows as it made them.
#[tokio::test]
async fn i8_a_batch_that_is_done_again_finds_its_own_rows() {
    for store in selected() {
        let world = World::on(store).await;
        let roster = &world.service.roster;
        let seats = used(&world).await + 2;
        world.operator().patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let cloud = text(&world.operator().get(CLOUD).await.is(200), "/id").parse().unwrap();
        let request = Request::new(Actor::CLI, roster.entropy.as_ref());
        let ask = |n: usize, email: &str| {
            let access = AccessAsk::Organization(RoleRef::System(SystemRole::Viewer));
            let email = email.parse().unwrap();
            (n, InviteAsk { email, access, expires_in: None, name: None, user: None, cuts: 0, cut_at: None })
        };
        let asks = || vec![ask(0, "rita@example.com"), ask(1, "max@example.com"), ask(2, "rosa@example.com")];
        let first = invite_many(roster, &request, cloud, asks()).await.unwrap();
        let again = invite_many(roster, &request, cloud, asks()).await.unwrap();
        assert!(
            matches!(first[0].1, InviteOutcome::Invited(_))
                && matches!(first[2].1, InviteOutcome::Invited(_))
        );
        assert_eq!((again, used(&world).await), (first, seats));
        let other = Request::new(Actor::CLI, roster.entropy.as_ref());
        let refused = invite_many(roster, &other, cloud, asks()).await.unwrap();
        assert_eq!(
            refused[0].1,
            InviteOutcome::Refused(Refusal::InvitationExists),
            "another request's are not"
        );
        assert_sound(&world).await;
    }
}

/// Has somebody added once a batch has made its first commit.
#[derive(Debug)]
struct Between {
    world: Roster,
    organization: OrganizationId,
    batches: AtomicUsize,
    told: Mutex<Option<Result<(), &'static str>>>,
}

#[async_trait]
impl Hook for Between {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let invites = |write: &Write| matches!(write, Write::Put(Record::Invitation(_)));
        if changes.writes.iter().any(invites) && self.batches.fetch_add(1, Ordering::SeqCst) == 1 {
            let request = Request::new(Actor::CLI, self.world.entropy.as_ref());
            let email = Some("late@example.com".parse().unwrap());
            let who = Who::Person(NewUser { email, ..NewUser::default() });
            let access = AccessAsk::Organization(RoleRef::System(SystemRole::Viewer));
            let joining = Joining { access, starts_at: None, expires_at: None };
            let new = NewMember { who, joining };
            let added = add_member(&self.world, &request, self.organization, &new, None).await;
            *self.told.lock().unwrap() = Some(match added {
                Ok(_) => Ok(()),
                Err(OpError::Refused(refusal)) => Err(refusal.code()),
                Err(error) => panic!("{error}"),
            });
        }
        store.commit(changes).await
    }
}

/// I8, S1: a batch of several commits has its seats from the first one on; who comes between gets none of them.
#[tokio::test]
async fn i8_a_batch_holds_its_seats_until_it_is_done() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let seats = used(&world).await + 130;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let cloud = text(&operator.get(CLOUD).await.is(200), "/id").parse().unwrap();
        let (batches, told) = (AtomicUsize::new(0), Mutex::new(None));
        let world_of = world.service.roster.clone();
        let between = Arc::new(Between { world: world_of, organization: cloud, batches, told });
        let behind = world.service.behind(Arc::clone(&between) as Arc<dyn Hook>);
        let made = behind.operator().post(INVITATIONS, many("p")).await.is(200);
        assert_eq!(
            (how_many_invited(&made), *between.told.lock().unwrap()),
            (130, Some(Err("no_seat"))),
            "{store}"
        );
        assert_eq!(used(&world).await, seats);
        assert_sound(&world).await;
    }
}

/// Does not let the second commit of invitations through, once.
#[derive(Debug, Default)]
struct CutOff(AtomicUsize);

#[async_trait]
impl Hook for CutOff {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let invites = |write: &Write| matches!(write, Write::Put(Record::Invitation(_)));
        if changes.writes.iter().any(invites) && self.0.fetch_add(1, Ordering::SeqCst) == 1 {
            let (kind, detail) = (StoreErrorKind::Unavailable, String::new());
            return Err(CommitError::Store(StoreError { kind, operation: "commit", detail }));
        }
        store.commit(changes).await
    }
}

fn many(prefix: &str) -> Value {
    so_many(130, prefix)
}

fn so_many(rows: usize, prefix: &str) -> Value {
    let row = |n: usize| json!({"email": format!("{prefix}{n}@example.com"), "access": wide("viewer")});
    json!({"invitations": (0..rows).map(row).collect::<Vec<_>>()})
}

fn how_many_invited(answer: &Value) -> usize {
    answer["results"].as_array().unwrap().iter().filter(|row| row["status"] == "invited").count()
}

/// I8: a batch that was cut off between its commits, sent again under the same key, needs no seat twice; two that run side by
/// side for one organization both come to their end.
#[tokio::test]
async fn i8_a_batch_that_was_cut_off_is_seen_through() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let seats = used(&world).await + 130;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let behind = world.service.behind(Arc::new(CutOff::default()) as Arc<dyn Hook>);
        let post =
            async || behind.operator().with("idempotency-key", "batch").post(INVITATIONS, many("p")).await;
        post().await.refused(503, "store_unavailable");
        let answer = post().await.is(200);
        assert_eq!((how_many_invited(&answer), used(&world).await), (130, seats), "{store}");
        // Once others have the seats that were held, what is left is done as far as seats go.
        let behind = world.service.behind(Arc::new(CutOff::default()) as Arc<dyn Hook>);
        let late = behind.operator().with("idempotency-key", "late");
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats + 130})).await.is(200);
        late.post(INVITATIONS, many("t")).await.refused(503, "store_unavailable");
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats + 122})).await.is(200);
        let answer = late.post(INVITATIONS, many("t")).await.is(200);
        assert_eq!((how_many_invited(&answer), used(&world).await), (122, seats + 122), "{store}");
        let more = seats + 122 + 260;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": more})).await.is(200);
        let one = operator.post(INVITATIONS, many("q"));
        let (one, other) = tokio::join!(one, operator.post(INVITATIONS, many("r")));
        assert_eq!((how_many_invited(&one.is(200)), how_many_invited(&other.is(200))), (130, 130), "{store}");
        assert_eq!(used(&world).await, more);
        operator.post(INVITATIONS, many("s")).await.refused(409, "no_seat");
        assert_sound(&world).await;
    }
}

/// I8, S1: what has ended by time is in nobody's way, however much it is, at the same addresses or at others.
#[tokio::test]
async fn i8_a_batch_takes_the_place_of_many_that_have_expired() {
    for store in selected() {
        let world = World::on(store).await;
        let operator = world.operator();
        let seats = used(&world).await + 300;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        operator.post(INVITATIONS, so_many(300, "p")).await.is(200);
        let day = 86_400;
        world.test().clock.advance_seconds(16 * day);
        let again = operator.post(INVITATIONS, so_many(300, "p")).await.is(200);
        assert_eq!((how_many_invited(&again), used(&world).await), (300, seats), "{store}");
        operator.post(INVITATIONS, many("q")).await.refused(409, "no_seat");
        world.test().clock.advance_seconds(16 * day);
        for (rows, prefix) in [(110, "q"), (190, "r")] {
            let others = operator.post(INVITATIONS, so_many(rows, prefix)).await.is(200);
            assert_eq!(how_many_invited(&others), rows, "{store}");
        }
        assert_eq!(used(&world).await, seats);
        assert_sound(&world).await;
    }
}

/// I8, S1: what a batch holds that nobody goes on with is free a minute later, though nobody has written it down.
#[tokio::test]
async fn i8_a_batch_that_nobody_goes_on_with_holds_no_seats() {
    for store in selected() {
        let world = World::on(store).await;
        let (operator, roster) = (world.operator(), &world.service.roster);
        let seats = used(&world).await + 2;
        operator.patch(&format!("{CLOUD}/seats"), json!({"purchased": seats})).await.is(200);
        let cloud = text(&operator.get(CLOUD).await.is(200), "/id").parse().unwrap();
        let row = |n: usize| {
            let access = AccessAsk::Organization(RoleRef::System(SystemRole::Viewer));
            let email = format!("rita{n}@example.com").parse().unwrap();
            (n, InviteAsk { email, access, expires_in: None, name: None, user: None, cuts: 0, cut_at: None })
        };
        let rows = vec![row(0), row(1)];
        let batch = uuid::Uuid::from_u128(7);
        let whole = CreateInvitations {
            organization: cloud,
            rows,
            all_or_nothing: false,
            batch: Some(batch),
            mail: None,
        };
        let hold = HoldSeats { batch, whole };
        let request = Request::new(Actor::CLI, roster.entropy.as_ref());
        assert_eq!(run(roster, &request, &hold).await.unwrap().output, 2);
        assert_eq!(used(&world).await, seats);
        invite(&operator, "rosa", wide("viewer")).await.refused(409, "no_seat");
        assert_sound(&world).await;
        world.test().clock.advance_seconds(60);
        assert_eq!(used(&world).await, seats - 2);
        for name in ["rosa", "ruth"] {
            invited(&operator, name, wide("viewer")).await;
        }
        invite(&operator, "rolf", wide("viewer")).await.refused(409, "no_seat");
        assert_eq!(used(&world).await, seats);
        assert_sound(&world).await;
    }
}
