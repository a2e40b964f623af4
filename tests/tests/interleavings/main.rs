//! Two acts on one organization that load and decide on the same ground: whichever commits first, the end is one that
//! the two could have had one after the other (rules M7, M11, M12, O1, O2, O5, O7, O8, S1, S3).
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

mod acts;
mod steps;
mod world;

use std::collections::BTreeMap;

use acts::{Act, Outcome};
use roster_core::home::{Due, Home, Record, Tally};
use roster_core::log::{Body, LogFilter};
use roster_core::verify::verify_all;
use roster_tests::gate::{Between, First, Gate, Guards, meet};
use roster_tests::stores::selected;
use world::{Builder, Moment, World, roster};

/// Where it all ended.
#[derive(Clone, PartialEq, Debug)]
struct End {
    left: Outcome,
    right: Outcome,
    records: Vec<Record>,
    tallies: BTreeMap<Tally, i64>,
    due: Vec<Due>,
    actions: Vec<(String, String)>,
}

/// The end, once what time has ended is written down: a refused act may have done that or not.
async fn end(world: &World, left: Outcome, right: Outcome) -> End {
    assert_eq!(Act::Settle.run(roster(world.at.store.clone()), world.people, 3).await, Ok(()));
    let home = Home::Organization(world.people.organization);
    let dump = world.at.store.dump(&home).await.unwrap();
    let mut records: Vec<Record> = dump.records.into_iter().map(|stored| stored.record).collect();
    records.sort_by_key(Record::key);
    let log = world.at.store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap();
    let bodies = log.iter().map(|logged| serde_json::from_slice::<Body>(&logged.body).unwrap());
    // What time has ended may be written down before either act or between them.
    let actions = bodies
        .flat_map(|body| body.changes)
        .map(|change| (change.action, change.target_id))
        .filter(|(action, _)| action != "member.expired")
        .collect();
    End { left, right, records, tallies: dump.tallies, due: dump.due, actions }
}

async fn findings(world: &World) -> Vec<String> {
    let verdict = verify_all(&roster(world.at.store.clone()), &mut |_| {}).await.unwrap();
    verdict.findings.iter().map(ToString::to_string).collect()
}

/// One after the other.
async fn serial(builder: &Builder, left: Act, right: Act, first: First) -> End {
    let world = builder.world().await;
    let on = || roster(world.at.store.clone());
    let (one, other) = match first {
        First::Left => {
            let one = left.run(on(), world.people, 1).await;
            (one, right.run(on(), world.people, 2).await)
        }
        First::Right => {
            let other = right.run(on(), world.people, 2).await;
            (left.run(on(), world.people, 1).await, other)
        }
    };
    end(&world, one, other).await
}

/// Both at once; what is wrong about the end.
async fn race(
    builder: &Builder,
    left: Act,
    right: Act,
    first: First,
    guards: Guards,
    serial: &[End; 2],
) -> Option<String> {
    let world = builder.world().await;
    let gates = [Gate::closed(guards), Gate::closed(guards)];
    let on = |gate: &std::sync::Arc<Gate>| roster(Between::new(world.at.store.clone(), gate.clone()));
    let (one, other) = meet(
        (gates[0].clone(), Box::pin(left.run(on(&gates[0]), world.people, 1))),
        (gates[1].clone(), Box::pin(right.run(on(&gates[1]), world.people, 2))),
        first,
    )
    .await;
    let found = findings(&world).await;
    let ended = end(&world, one, other).await;
    if !found.is_empty() {
        return Some(format!("verify: {}", found.join("; ")));
    }
    (!serial.iter().any(|serial| fits(&ended, serial)))
        .then(|| format!("ended as {ended:#?}\none after the other: {serial:#?}"))
}

/// The same end. A transfer that lost to another says so, rather than that its actor owns nothing now (rule O5).
fn fits(ended: &End, serial: &End) -> bool {
    let same = |ended: Outcome, serial: Outcome| {
        ended == serial || (ended == Err("owner_changed") && matches!(serial, Err("forbidden" | "invalid")))
    };
    same(ended.left, serial.left)
        && same(ended.right, serial.right)
        && End { left: serial.left, right: serial.right, ..ended.clone() } == *serial
}

fn pairs() -> impl Iterator<Item = (Act, Act)> {
    let from = |n: usize| Act::ALL[n..].iter().map(move |right| (Act::ALL[n], *right));
    (0..Act::ALL.len()).flat_map(from)
}

/// Pairs that end wrongly without guards, the first before the second: every store is tried on these.
const TELLING: [(Act, Act); 8] = [
    (Act::DemoteTheAdmin, Act::AdminGrants),
    (Act::TransferToAnna, Act::RemoveAnna),
    (Act::RemoveAnna, Act::TransferToAnna),
    (Act::Close, Act::AddForTheLastSeat),
    (Act::Remove, Act::SetRole),
    (Act::ArchiveTheOther, Act::SetRoleOnTheOther),
    (Act::ReplaceAccess, Act::RemoveFromAccount),
    (Act::Leave, Act::ReplaceAccess),
];

/// What goes wrong, by pair and by who was first. Every ordered pair: each is let go first once. In memory it is every
/// pair; a copy of a file takes longer, so there it is every fourth, on Redis every eighth, on Postgres every sixteenth; and
/// those that are [`TELLING`].
async fn all(store: &'static str, moment: Moment, guards: Guards) -> BTreeMap<String, String> {
    let builder = Builder::new(store, moment).await;
    let mut wrong = BTreeMap::new();
    let every = match store {
        "memory" => 1,
        "sqlite" => 4,
        "postgres" => 16,
        _ => 8,
    };
    let is_taken = |(n, (left, right)): &(usize, (Act, Act))| {
        n.is_multiple_of(every)
            || TELLING.iter().any(|pair| *pair == (*left, *right) || *pair == (*right, *left))
    };
    for (_, (left, right)) in pairs().enumerate().filter(is_taken) {
        let ends = [
            serial(&builder, left, right, First::Left).await,
            serial(&builder, left, right, First::Right).await,
        ];
        for first in [First::Left, First::Right] {
            if let Some(how) = race(&builder, left, right, first, guards, &ends).await {
                let (winner, loser) = if first == First::Left { (left, right) } else { (right, left) };
                wrong.insert(format!("{winner:?} before {loser:?}"), how);
            }
        }
    }
    wrong
}

fn assert_none(wrong: &BTreeMap<String, String>) {
    let report: Vec<String> = wrong.iter().map(|(pair, how)| format!("{pair}: {how}")).collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), report.join("\n"));
}

#[tokio::test]
async fn every_pair_ends_as_one_after_the_other_in_memory() {
    for moment in [Moment::OneSeatFree, Moment::OneHasExpired] {
        assert_none(&all("memory", moment, Guards::On).await);
    }
}

/// On a store with files or a server, if it is one of those to be tested.
async fn on(store: &'static str, moment: Moment) {
    if selected().contains(&store) {
        assert_none(&all(store, moment, Guards::On).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fourth_pair_ends_as_one_after_the_other_in_sqlite_with_a_free_seat() {
    on("sqlite", Moment::OneSeatFree).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fourth_pair_ends_as_one_after_the_other_in_sqlite_after_an_expiry() {
    on("sqlite", Moment::OneHasExpired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sixteenth_pair_ends_as_one_after_the_other_in_postgres_with_a_free_seat() {
    on("postgres", Moment::OneSeatFree).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_eighth_pair_ends_as_one_after_the_other_in_redis_with_a_free_seat() {
    on("redis", Moment::OneSeatFree).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_eighth_pair_ends_as_one_after_the_other_in_a_redis_cluster_with_a_free_seat() {
    on("redis-cluster", Moment::OneSeatFree).await;
}

/// The proof that the tests above can see a loss: without guards these pairs end wrongly.
#[tokio::test]
async fn without_guards_pairs_end_wrongly() {
    let wrong = all("memory", Moment::OneSeatFree, Guards::Off).await;
    let ended_wrongly: Vec<&String> = wrong.keys().collect();
    println!("{ended_wrongly:#?}");
    for (first, second) in TELLING {
        let pair = format!("{first:?} before {second:?}");
        assert!(
            wrong.contains_key(&pair),
            "without guards, {pair} should end wrongly; did: {ended_wrongly:#?}"
        );
    }
}
