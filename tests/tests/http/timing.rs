//! What time tells to one who has not signed in: nothing (rules P5, L8, I3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::sign_in;
use roster_core::op::Roster;
use roster_core::secret::{Password, PasswordCost, Passwords};
use roster_core::sign_in::SignIn;
use roster_tests::http::text;
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::json;

use crate::economy::Counter;

const CLOUD: &str = "/v1/organizations/ext:cloud";

fn at(memory: u32) -> Passwords {
    Passwords::new(PasswordCost { memory, passes: 1, lanes: 1 }, 1).unwrap()
}

/// A cost at which a password takes so long here that it is told from everything else.
async fn dear() -> u32 {
    let mut memory = 1 << 12;
    loop {
        let (passwords, mut took) = (at(memory), Vec::new());
        for _ in 0..3 {
            let begun = Instant::now();
            passwords.hash(&Password::given("correct horse battery"), [1; 16]).await.unwrap();
            took.push(begun.elapsed());
        }
        if took.into_iter().min() > Some(Duration::from_millis(20)) {
            return memory;
        }
        memory *= 2;
    }
}

fn median<T: Ord + Copy>(mut took: Vec<T>) -> T {
    took.sort_unstable();
    took[took.len() / 2]
}

/// By how many nanoseconds the one takes longer than the other, in the middle of the pairs in which it came first and of those in
/// which it came second: whatever the first of a pair takes longer by falls on both.
fn difference(one: &[Duration], other: &[Duration]) -> i128 {
    let nanos = |took: &Duration| i128::try_from(took.as_nanos()).unwrap();
    let of_turns = |first: usize| {
        let pairs = one.iter().zip(other).skip(first).step_by(2);
        median(pairs.map(|(one, other)| nanos(one) - nanos(other)).collect())
    };
    i128::midpoint(of_turns(0), of_turns(1))
}

/// Wrong passwords of one who is known, at the cost that is set and at a sixteenth of it, take as long as those of nobody.
#[tokio::test]
async fn p5_a_wrong_password_takes_as_long_whoever_it_is() {
    let memory = dear().await;
    for store in selected() {
        let world = World::on(store).await;
        let roster = |memory: u32| Roster {
            sign_in: Arc::new(SignIn { passwords: at(memory), ..SignIn::default() }),
            ..world.service.roster.clone()
        };
        let (now, before) = (roster(memory), roster(memory / 16));
        for (name, roster) in [("new", &now), ("old", &before)] {
            let body = json!({
                "email": format!("{name}@example.com"), "access": {"type": "organization", "role": "viewer"},
            });
            let made = world.operator().post(&format!("{CLOUD}/invitations"), body).await.is(201);
            let link = format!("{CLOUD}/invitations/{}/link", text(&made, "/id"));
            let url = text(&world.operator().get(&link).await.is(200), "/url");
            let sign_up = roster_core::flows::SignUp {
                name: "Known".parse().unwrap(),
                password: Password::new("correct horse battery").unwrap(),
            };
            let visitor = Request::new(Actor::Visitor, roster.entropy.as_ref());
            let token = url.rsplit('/').next().unwrap();
            let accepting = roster_core::flows::accept_invitation(roster, &visitor, token, Some(&sign_up));
            Box::pin(accepting).await.unwrap();
        }
        let mut took = [const { Vec::new() }; 3];
        for _ in 0..25 {
            world.test().clock.advance_seconds(3_600);
            for (took, name) in took.iter_mut().zip(["new", "old", "nobody"]) {
                let (request, begun) = (Request::new(Actor::Visitor, now.entropy.as_ref()), Instant::now());
                let wrong = Password::given("wrong horse battery");
                sign_in(&now, &request, &format!("{name}@example.com"), &wrong).await.unwrap_err();
                took.push(begun.elapsed());
            }
        }
        let [new, old, nobody] = took.map(median);
        for known in [new, old] {
            assert!(
                known < nobody * 4 && nobody < known * 4,
                "{store}: {new:?} at this cost, {old:?} at the one before, {nobody:?} for nobody"
            );
        }
    }
}

/// L8, I3: asking for a reset and looking at an invitation are answered the same for an address that somebody has and for one
/// that nobody has, after as many questions to the store, and as fast: of 100 pairs, one right after the other and each first
/// in turns, the middle difference is below 2 ms or a twentieth, in memory below 0.2 ms. What keeps a machine busy falls on both
/// of a pair, or on few.
#[tokio::test]
async fn l8_resets_and_looks_take_as_long_whoever_has_the_address() {
    for store in selected() {
        let (world, _mailbox) = World::with_mail(store).await;
        let names = ["mia", "nobody"];
        let mut looks = Vec::new();
        for name in names {
            let access = json!({"type": "organization", "role": "viewer"});
            let body = json!({"email": format!("{name}@example.com"), "access": access});
            let id = text(&world.operator().post(&format!("{CLOUD}/invitations"), body).await.is(201), "/id");
            let link = world.operator().get(&format!("{CLOUD}/invitations/{id}/link")).await.is(200);
            looks.push(format!("/v1/invitations/{}", text(&link, "/url").rsplit('/').next().unwrap()));
        }
        let counter = Arc::new(Counter::default());
        let service = world.service.behind(Arc::<Counter>::clone(&counter));
        let nobody = service.nobody();
        let mut took = [const { [const { Vec::new() }; 2] }; 2];
        let mut asked = [[None; 2]; 2];
        for turn in 0..100 {
            world.test().clock.advance_seconds(3_600);
            let mut told = Vec::new();
            for whose in [turn % 2, 1 - turn % 2] {
                let body = json!({"email": format!("{}@example.com", names[whose])});
                let begun = Instant::now();
                let reset = nobody.post("/v1/password-resets", body).await;
                took[0][whose].push(begun.elapsed());
                // What goes on behind the answer is no part of the look.
                tokio::time::sleep(Duration::from_millis(3)).await;
                asked[0][whose] = Some(counter.take());
                let begun = Instant::now();
                let shown = nobody.get(&looks[whose]).await;
                took[1][whose].push(begun.elapsed());
                asked[1][whose] = Some(counter.take());
                told.push((reset.is(202), shown.is(200)));
            }
            assert_eq!(told[0], told[1], "{store}");
            assert!(asked.iter().all(|[known, nobody]| known == nobody), "{store}: {asked:?}");
        }
        let least = Duration::from_micros(if store == "memory" { 200 } else { 2_000 });
        for (what, [known, nobody]) in ["reset", "look"].into_iter().zip(took) {
            let longer = difference(&known, &nobody);
            let (known, nobody) = (median(known), median(nobody));
            let near = least.max(nobody / 20);
            assert!(
                longer.unsigned_abs() < near.as_nanos(),
                "{store}: a {what} took {known:?}, {nobody:?} for nobody; in pairs {longer} ns more"
            );
        }
    }
}
