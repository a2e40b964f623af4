//! A flow that is cut off at any commit, or dropped at any point: nothing half-made shows, the same request and a
//! fresh one both lead to where an uncut one leads, and no name is blocked for ever.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod erase;
mod flow;
mod mail;
mod scene;

use std::future::Future;
use std::pin::pin;

use flow::{Ask, Flow};
use futures::poll;
use roster_core::refusal::OpError;
use roster_core::verify::{repair_all, verify_all};
use roster_tests::crash::{Afterwards, Crash, Loss, Slow};
use roster_tests::stores::{ALL, selected};
use scene::Scene;

/// How a flow is cut off.
const WAYS: [(Loss, Afterwards); 4] = [
    (Loss::Commit, Afterwards::Down),
    (Loss::Answer, Afterwards::Down),
    (Loss::Commit, Afterwards::Up),
    (Loss::Answer, Afterwards::Up),
];

/// What only lists show, and owners that traits name, late: not harmful, and [`repair_all`] brings it up to date.
const LATE: [&str; 3] = ["directory", "cards", "owners"];

async fn findings(scene: &Scene) -> Vec<roster_core::verify::Finding> {
    verify_all(&scene.roster(), &mut |_| {}).await.unwrap().findings
}

/// The world as an uncut run leaves it, and how many commits that takes.
struct Uncut {
    before: Vec<String>,
    after: Vec<String>,
    kept: Vec<String>,
    commits: usize,
}

async fn uncut(store: &str, flow: Flow) -> Uncut {
    uncut_on(Scene::on(store).await, flow).await
}

async fn uncut_on(scene: Scene, flow: Flow) -> Uncut {
    let before = scene.seen().await;
    let counter = Crash::never();
    flow.run(&scene.behind(counter.clone()), scene.ids, Ask::Same).await.unwrap();
    assert_eq!(findings(&scene).await, [], "{flow:?}");
    assert_eq!(scene.dead_names().await, [""; 0], "{flow:?}");
    let after = scene.seen().await;
    assert_ne!(before, after, "{flow:?}");
    Uncut { before, after, kept: scene.kept().await, commits: counter.commits() }
}

/// Nothing half-made: no invariant is broken, and of an act of one step readers see nothing or all.
async fn assert_whole(scene: &Scene, flow: Flow, uncut: &Uncut, how: &str) {
    let harmful: Vec<_> =
        findings(scene).await.into_iter().filter(|finding| !LATE.contains(&finding.invariant)).collect();
    assert_eq!(harmful, [], "{how}");
    let seen = scene.seen().await;
    if flow.is_one_step() {
        assert!(seen == uncut.before || seen == uncut.after, "{how}: {seen:#?}");
    }
}

/// Asks the same again; the end is that of an uncut run, to the record. A name that was let go may lead to nothing
/// for a while; repair frees it.
async fn assert_same_again(scene: &Scene, flow: Flow, uncut: &Uncut, how: &str) {
    flow.run(&scene.roster(), scene.ids, Ask::Same).await.unwrap_or_else(|error| panic!("{how}: {error}"));
    assert_eq!(findings(scene).await, [], "{how}");
    assert_eq!(scene.seen().await, uncut.after, "{how}");
    scene.clock().advance_seconds(61);
    repair_all(&scene.roster(), &mut |_| {}).await.unwrap();
    assert_eq!(scene.dead_names().await, [""; 0], "{how}");
    assert_eq!(scene.kept().await, uncut.kept, "{how}");
}

/// Another asks for the same, at once and after a minute: refused only where it is done, or still being done.
async fn assert_fresh(scene: &Scene, flow: Flow, uncut: &Uncut, how: &str) {
    let done = |outcome: &Result<(), OpError>| match outcome {
        Ok(()) => true,
        Err(OpError::Refused(refusal)) => flow.done_before().contains(&refusal.code()),
        Err(_) => false,
    };
    let at_once = flow.run(&scene.roster(), scene.ids, Ask::Fresh).await;
    assert!(done(&at_once) || at_once == Err(OpError::Busy), "{how}: {at_once:?}");
    scene.clock().advance_seconds(61);
    let later = flow.run(&scene.roster(), scene.ids, Ask::Fresh).await;
    assert!(done(&later), "{how}: {later:?}");
    assert_eq!(scene.seen().await, uncut.after, "{how}");
    assert_repaired(scene, how).await;
}

/// Nobody asks again: repair alone leaves nothing behind, and changes nothing that is seen.
async fn assert_repaired(scene: &Scene, how: &str) {
    scene.clock().advance_seconds(3_601);
    let seen = scene.seen().await;
    let repairs = repair_all(&scene.roster(), &mut |_| {}).await.unwrap();
    assert_eq!(findings(scene).await, [], "{how}: {repairs:?}");
    assert_eq!(scene.dead_names().await, [""; 0], "{how}: {repairs:?}");
    assert_eq!(scene.never_made().await, [""; 0], "{how}: {repairs:?}");
    assert_eq!(scene.seen().await, seen, "{how}: {repairs:?}");
    assert_eq!(repair_all(&scene.roster(), &mut |_| {}).await.unwrap(), [], "{how}");
}

async fn cut(store: &str, flow: Flow, n: usize, way: (Loss, Afterwards), how: &str) -> Scene {
    cut_on(Scene::on(store).await, flow, n, way, how).await
}

async fn cut_on(scene: Scene, flow: Flow, n: usize, way: (Loss, Afterwards), how: &str) -> Scene {
    let outcome = flow.run(&scene.behind(Crash::at(n, way.0, way.1)), scene.ids, Ask::Same).await;
    // One that was cut off while it tidied up was done before.
    assert!(matches!(outcome, Ok(()) | Err(OpError::Store(_))), "{how}: {outcome:?}");
    if outcome.is_ok() {
        assert!(flow.is_tidied(), "{how}");
    }
    scene
}

async fn at_every_commit(store: &str, flow: Flow) {
    let uncut = uncut(store, flow).await;
    println!("{flow:?}: {} commits", uncut.commits);
    for n in 0..uncut.commits {
        for way in WAYS {
            let how = format!("{flow:?} cut off at commit {n} of {}: {way:?}", uncut.commits);
            let scene = cut(store, flow, n, way, &how).await;
            assert_whole(&scene, flow, &uncut, &how).await;
            assert_same_again(&scene, flow, &uncut, &how).await;
            let scene = cut(store, flow, n, way, &how).await;
            assert_fresh(&scene, flow, &uncut, &how).await;
            let scene = cut(store, flow, n, way, &how).await;
            assert_repaired(&scene, &how).await;
        }
    }
}

/// Where it is cut off on a store that takes long to be made, so that nobody hears any more of whoever did it: at every commit,
/// the commit lost and its answer lost in turn. Which comes first is not the same for each flow, nor for the two stores of a
/// kind.
fn cuts(store: &str, flow: Flow, commits: usize) -> impl Iterator<Item = (usize, (Loss, Afterwards))> {
    let [lost, unheard, ..] = WAYS;
    let place = ALL.iter().position(|it| *it == store).unwrap_or_default();
    let first = (place + flow as usize) % 2;
    (0..commits).zip([lost, unheard].into_iter().cycle().skip(first))
}

async fn at_commits_of_a_copy(begun: &Scene, flow: Flow) {
    let (store, uncut) = (begun.at.name, uncut_on(begun.copied().await, flow).await);
    for (n, way) in cuts(store, flow, uncut.commits) {
        let how = format!("{flow:?} on {store} cut off at commit {n} of {}: {way:?}", uncut.commits);
        let scene = cut_on(begun.copied().await, flow, n, way, &how).await;
        assert_whole(&scene, flow, &uncut, &how).await;
        assert_same_again(&scene, flow, &uncut, &how).await;
    }
}

/// Polls a future `k` times and drops it; whether it came to its end.
async fn polled(future: impl Future, k: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..k {
        if poll!(&mut future).is_ready() {
            return true;
        }
        // Futures that wait together are polled only once they have been woken.
        tokio::task::yield_now().await;
    }
    false
}

async fn dropped_at_every_poll(flow: Flow) {
    let uncut = uncut("memory", flow).await;
    let mut k = 1;
    loop {
        let scene = Scene::on("memory").await;
        let roster = scene.behind(std::sync::Arc::new(Slow));
        if polled(flow.run(&roster, scene.ids, Ask::Same), k).await {
            println!("{flow:?}: {k} polls");
            return;
        }
        let how = format!("{flow:?} dropped after {k} polls");
        assert_whole(&scene, flow, &uncut, &how).await;
        assert_same_again(&scene, flow, &uncut, &how).await;
        k += 1;
    }
}

macro_rules! flows {
    ($($name:ident: $flow:ident;)+) => {
        mod cut_off {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::at_every_commit("memory", super::Flow::$flow).await;
                }
            )+
        }

        mod dropped {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::dropped_at_every_poll(super::Flow::$flow).await;
                }
            )+
        }

        #[test]
        fn every_flow_has_its_tests() {
            assert_eq!(Flow::ALL, [$(Flow::$flow),+]);
        }
    };
}

flows! {
    create_user: CreateUser;
    create_organization: CreateOrganization;
    add_new_person: AddNewPerson;
    create_account: CreateAccount;
    change_email: ChangeEmail;
    name_user: NameUser;
    change_slug: ChangeSlug;
    set_role: SetRole;
    remove_many: RemoveMany;
    accept: Accept;
    close: Close;
    plan: Plan;
    reassign: Reassign;
    invite: Invite;
    plan_owner: PlanOwner;
}

/// I2, I3, L7: what takes people in and lets them go, on every store.
#[tokio::test]
async fn accept_plan_and_sign_up_are_cut_off_on_every_store() {
    for store in selected().into_iter().filter(|store| *store != "memory") {
        let begun = Scene::on(store).await;
        for flow in [Flow::Accept, Flow::Plan, Flow::SignUp] {
            Box::pin(at_commits_of_a_copy(&begun, flow)).await;
        }
    }
}

/// User, password, pointer, acceptance, card, session.
#[tokio::test(start_paused = true)]
async fn cut_off_sign_up() {
    Box::pin(at_every_commit("memory", Flow::SignUp)).await;
}
