//! Random acts on one organization, on every store and on a reference that knows the rules in the plainest words: the
//! same outcomes, the same answers to `check` for everybody everywhere after each step, the same logs to the byte, and
//! nothing done to the organization beside it.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod reference;
mod step;
mod system;

use futures::future::{join_all, try_join_all};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use reference::Model;
use roster_tests::stores::selected;
use step::{Step, USERS, steps};
use system::System;

/// The most steps of a case; half as many on average.
const STEPS: usize = 60;
/// Cases of each test below.
const CASES: u32 = 20;

async fn case(templates: &[System], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut systems = join_all(templates.iter().map(System::like)).await;
    let beside = systems[0].beside().await;
    let mut model = Model::new();
    for (n, step) in steps.iter().enumerate() {
        let expected = model.apply(step);
        // The stores do not know of each other, and most of the time each waits for its server.
        let (model, expected) = (&model, &expected);
        let answers = try_join_all(systems.iter_mut().map(|system| async move {
            let outcomes = system.apply(step).await;
            let codes: Vec<_> = outcomes.iter().map(|(code, _)| *code).collect();
            proptest::prop_assert_eq!(&codes, expected, "step {}: {:?} of {:#?}", n, step, model);
            check(system, model, n, step).await?;
            Ok(outcomes)
        }));
        let answers = answers.await?;
        proptest::prop_assert!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "step {}: {:#?}",
            n,
            answers
        );
    }
    let model = &model;
    let kept = try_join_all(systems.iter().map(|system| async move {
        proptest::prop_assert_eq!(system.findings().await, Vec::<String>::new());
        proptest::prop_assert_eq!(system.actions().await, model.actions.clone());
        Ok(system.kept().await)
    }));
    let kept = kept.await?;
    proptest::prop_assert!(kept.windows(2).all(|pair| pair[0] == pair[1]), "{:#?}", kept);
    proptest::prop_assert_eq!(systems[0].beside().await, beside);
    Ok(())
}

async fn check(system: &System, model: &Model, n: usize, step: &Step) -> Result<(), TestCaseError> {
    let places: Vec<Option<usize>> =
        std::iter::once(None).chain((0..model.accounts.len()).map(Some)).collect();
    let expected: Vec<_> =
        (0..USERS).flat_map(|user| places.iter().map(move |on| model.check(user, *on))).collect();
    proptest::prop_assert_eq!(system.checks().await, expected, "check after step {}: {:?}", n, step);
    let figures = (model.owner, model.purchased, i64::from(model.used()));
    proptest::prop_assert_eq!(system.figures().await, figures, "after step {}: {:?}", n, step);
    Ok(())
}

/// `ROSTER_TEST_CASES=100 cargo xtask test` tries more.
fn cases() -> u32 {
    let wanted = std::env::var("ROSTER_TEST_CASES").ok();
    wanted.map_or(CASES, |wanted| wanted.parse().unwrap())
}

fn run(seed: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut templates = Vec::new();
    for store in selected() {
        templates.push(runtime.block_on(System::build(store)));
    }
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&steps(STEPS), |steps| runtime.block_on(case(&templates, &steps)));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
            panic!("{why}\n{}", steps.join("\n"));
        }
        Err(aborted) => panic!("{aborted}"),
    }
}

#[test]
fn the_stores_do_as_the_rules_say() {
    run(1);
}

#[test]
fn the_stores_do_as_the_rules_say_again() {
    run(2);
}
