//! Cases of the crowd: nothing here sleeps, the work is let go by hand.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::id::UserId;

type Groups = mpsc::UnboundedReceiver<Vec<u32>>;

/// Answers each number with its double, once it is let go; says which numbers went together.
fn gather(groups: usize, lane: LaneOf<u32>) -> (Arc<Gather<u32, u32>>, Groups, Arc<Semaphore>) {
    gather_of(groups, 1, lane)
}

/// The same with groups of so many lanes.
fn gather_of(
    groups: usize,
    lanes: usize,
    lane: LaneOf<u32>,
) -> (Arc<Gather<u32, u32>>, Groups, Arc<Semaphore>) {
    let (said, heard) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let pass = Arc::clone(&gate);
    let limits = Limits { groups, questions: 4, lanes, waiting: 5, patience: Duration::from_secs(5) };
    let gather = Gather::new(limits, lane, move |questions: Vec<u32>| {
        said.send(questions.clone()).unwrap();
        let pass = Arc::clone(&pass);
        async move {
            pass.acquire().await.unwrap().forget();
            assert!(!questions.contains(&13), "a panic on purpose");
            questions.into_iter().map(|number| number * 2).collect()
        }
    });
    (gather, heard, gate)
}

/// Asks in a task of its own, and waits until the question has been queued.
async fn ask(
    gather: &Arc<Gather<u32, u32>>,
    numbers: &[u32],
) -> tokio::task::JoinHandle<Result<Vec<u32>, NoAnswer>> {
    let (gather, numbers) = (Arc::clone(gather), numbers.to_vec());
    let asked = tokio::spawn(async move { gather.ask(numbers).await });
    tokio::task::yield_now().await;
    asked
}

#[tokio::test]
async fn one_alone_goes_at_once_and_those_that_come_meanwhile_go_together_after_it() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    let first = ask(&gather, &[1]).await;
    assert_eq!(groups.recv().await.unwrap(), [1]);
    let (second, third) = (ask(&gather, &[2, 3]).await, ask(&gather, &[4]).await);
    assert!(groups.try_recv().is_err(), "nothing is sent while one is under way");
    gate.add_permits(1);
    assert_eq!(groups.recv().await.unwrap(), [2, 3, 4]);
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), [2]);
    assert_eq!((second.await.unwrap().unwrap(), third.await.unwrap().unwrap()), (vec![4, 6], vec![8]));
}

#[tokio::test]
async fn a_group_holds_so_many_questions_and_those_of_one_who_asks_stay_together() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    gate.add_permits(9);
    ask(&gather, &[1]).await;
    let gate_shut =
        (ask(&gather, &[2, 3]).await, ask(&gather, &[4, 5, 6]).await, ask(&gather, &[0; 6]).await);
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(groups.recv().await.unwrap().len());
    }
    assert_eq!(sent.iter().sum::<usize>(), 12);
    assert!(sent.iter().all(|length| *length <= 4 || *length == 6), "{sent:?}");
    assert_eq!(gate_shut.2.await.unwrap().unwrap(), [0; 6]);
}

#[tokio::test]
async fn those_of_one_home_wait_for_each_other_and_nobody_else_for_them() {
    use std::sync::LazyLock;
    static HOMES: LazyLock<[Home; 2]> =
        LazyLock::new(|| [1, 2].map(|n| Home::User(UserId::from_uuid(uuid::Uuid::from_u128(n)))));
    let (gather, mut groups, gate) = gather(4, |number| HOMES.get(*number as usize % 10));
    let first = ask(&gather, &[10]).await;
    assert_eq!(groups.recv().await.unwrap(), [10]);
    let (same, same_again) = (ask(&gather, &[20]).await, ask(&gather, &[30]).await);
    let other = ask(&gather, &[11]).await;
    assert_eq!(groups.recv().await.unwrap(), [11], "another home goes at once");
    assert!(groups.try_recv().is_err());
    gate.add_permits(2);
    assert_eq!(groups.recv().await.unwrap(), [20, 30], "together, in their order");
    gate.add_permits(1);
    for (asked, answer) in [(first, 20), (other, 22), (same, 40), (same_again, 60)] {
        assert_eq!(asked.await.unwrap().unwrap(), [answer]);
    }
}

#[tokio::test]
async fn after_a_panic_there_is_no_answer_and_the_next_are_answered() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    let first = ask(&gather, &[13]).await;
    assert_eq!(groups.recv().await.unwrap(), [13]);
    let next = ask(&gather, &[1]).await;
    gate.add_permits(2);
    assert_eq!(first.await.unwrap(), Err(NoAnswer::HalfWay));
    assert_eq!(next.await.unwrap().unwrap(), [2]);
}

#[tokio::test]
async fn the_work_goes_on_when_who_asked_goes_away() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    let first = ask(&gather, &[1]).await;
    assert_eq!(groups.recv().await.unwrap(), [1]);
    let next = ask(&gather, &[2]).await;
    first.abort();
    gate.add_permits(2);
    assert_eq!(groups.recv().await.unwrap(), [2]);
    assert_eq!(next.await.unwrap().unwrap(), [4]);
}

static HOMES: std::sync::LazyLock<[Home; 3]> =
    std::sync::LazyLock::new(|| [1, 2, 3].map(|n| Home::User(UserId::from_uuid(uuid::Uuid::from_u128(n)))));

/// The lane of a number is that of its last digit.
fn by_digit(number: &u32) -> Option<&Home> {
    HOMES.get(*number as usize % 10)
}

#[tokio::test]
async fn of_many_lanes_what_waits_goes_together() {
    let (gather, mut groups, gate) = gather_of(1, 3, by_digit);
    let first = ask(&gather, &[10]).await;
    assert_eq!(groups.recv().await.unwrap(), [10]);
    let (one, two, again) = (ask(&gather, &[11]).await, ask(&gather, &[12]).await, ask(&gather, &[21]).await);
    gate.add_permits(2);
    assert_eq!(groups.recv().await.unwrap(), [11, 21, 12]);
    for (asked, answer) in [(first, 20), (one, 22), (two, 24), (again, 42)] {
        assert_eq!(asked.await.unwrap().unwrap(), [answer]);
    }
}

#[tokio::test]
async fn of_many_lanes_nothing_overtakes_what_is_under_way_in_its_own() {
    let (gather, mut groups, gate) = gather_of(2, 3, by_digit);
    let first = ask(&gather, &[10]).await;
    assert_eq!(groups.recv().await.unwrap(), [10]);
    let (same, other) = (ask(&gather, &[20]).await, ask(&gather, &[11]).await);
    assert_eq!(groups.recv().await.unwrap(), [11], "there is room for another lane");
    assert!(groups.try_recv().is_err(), "the lane of 20 is under way");
    gate.add_permits(3);
    for (asked, answer) in [(first, 20), (same, 40), (other, 22)] {
        assert_eq!(asked.await.unwrap().unwrap(), [answer]);
    }
    gather.rest().await;
}

#[tokio::test]
async fn of_many_lanes_what_has_no_room_in_a_group_goes_in_the_next() {
    let (gather, mut groups, gate) = gather_of(1, 3, by_digit);
    let first = ask(&gather, &[10]).await;
    assert_eq!(groups.recv().await.unwrap(), [10]);
    let (some, many, rest) =
        (ask(&gather, &[11, 21]).await, ask(&gather, &[12, 22, 32]).await, ask(&gather, &[30]).await);
    gate.add_permits(4);
    assert_eq!(groups.recv().await.unwrap(), [11, 21]);
    assert_eq!(groups.recv().await.unwrap(), [30, 12, 22, 32]);
    for asked in [first, some, many, rest] {
        asked.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn homes_that_wait_do_not_go_together() {
    let (gather, mut groups, gate) = gather(1, by_digit);
    let first = ask(&gather, &[10]).await;
    assert_eq!(groups.recv().await.unwrap(), [10]);
    let (one, two, one_again) =
        (ask(&gather, &[11]).await, ask(&gather, &[12]).await, ask(&gather, &[21]).await);
    gate.add_permits(3);
    assert_eq!(groups.recv().await.unwrap(), [11, 21]);
    assert_eq!(groups.recv().await.unwrap(), [12]);
    for (asked, answer) in [(first, 20), (one, 22), (two, 24), (one_again, 42)] {
        assert_eq!(asked.await.unwrap().unwrap(), [answer]);
    }
}

#[tokio::test]
async fn where_too_many_wait_the_next_is_not_sent() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    let mut asked = vec![ask(&gather, &[1]).await];
    assert_eq!(groups.recv().await.unwrap(), [1]);
    for number in 2..=6 {
        asked.push(ask(&gather, &[number]).await);
    }
    assert_eq!(gather.ask(vec![7]).await, Err(NoAnswer::Unsent));
    gate.add_permits(9);
    for (asked, number) in asked.into_iter().zip(1..) {
        assert_eq!(asked.await.unwrap().unwrap(), [number * 2]);
    }
    gather.rest().await;
    let mut sent = Vec::new();
    while let Ok(group) = groups.try_recv() {
        sent.extend(group);
    }
    assert_eq!(sent, [2, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn one_who_waited_too_long_is_not_sent_and_one_who_was_sent_waits_on() {
    let (gather, mut groups, gate) = gather(1, |_| None);
    let sent = ask(&gather, &[1]).await;
    assert_eq!(groups.recv().await.unwrap(), [1]);
    assert_eq!(gather.ask(vec![2]).await, Err(NoAnswer::Unsent));
    gate.add_permits(9);
    assert_eq!(sent.await.unwrap().unwrap(), [2]);
    assert_eq!(gather.ask(vec![3]).await.unwrap(), [6]);
    assert_eq!(groups.recv().await.unwrap(), [3], "what was given up is not asked");
}

#[tokio::test]
async fn where_answers_are_missing_nobody_gets_those_of_another() {
    let gather: Arc<Gather<u32, u32>> = Gather::new(
        Limits { groups: 1, questions: 4, lanes: 1, waiting: 5, patience: Duration::from_secs(5) },
        |_| None,
        |questions| async move { questions.into_iter().skip(1).collect() },
    );
    assert_eq!(gather.ask(vec![1, 2]).await, Err(NoAnswer::HalfWay));
}

/// Says which questions went together; 7 cannot be read, 9 finds no store, and neither answers in a group.
async fn ask_apart(questions: &[u32]) -> (Vec<Result<u32, StoreErrorKind>>, Vec<Vec<u32>>) {
    let asked = Mutex::new(Vec::new());
    let ask = |questions: Arc<[u32]>| {
        asked.lock().unwrap().push(questions.to_vec());
        async move {
            let fault = |kind| StoreError { kind, operation: "read", detail: String::new() };
            if questions.contains(&7) {
                return Err(fault(StoreErrorKind::Corrupt));
            }
            if questions.contains(&9) {
                return Err(fault(StoreErrorKind::Unavailable));
            }
            Ok(questions.iter().map(|number| Ok(number * 2)).collect())
        }
    };
    let answers = apart(questions.to_vec(), ask).await;
    let answers = answers.into_iter().map(|answer| answer.map_err(|error| error.kind)).collect();
    (answers, asked.into_inner().unwrap())
}

#[tokio::test]
async fn what_cannot_be_read_fails_its_own_question_alone() {
    let corrupt = Err(StoreErrorKind::Corrupt);
    let gone = Err(StoreErrorKind::Unavailable);
    let (answers, asked) = ask_apart(&[1, 2]).await;
    assert_eq!((answers, asked.len()), (vec![Ok(2), Ok(4)], 1));
    let (answers, asked) = ask_apart(&[1, 7, 2]).await;
    assert_eq!((answers, asked.len()), (vec![Ok(2), corrupt, Ok(4)], 4));
    assert_eq!(ask_apart(&[7]).await, (vec![corrupt], vec![vec![7]]), "one alone is asked once");
    let (answers, asked) = ask_apart(&[9, 1]).await;
    assert_eq!((answers, asked.len()), (vec![gone, gone], 1), "a store that is gone is not asked again");
    let (answers, asked) = ask_apart(&[1, 7, 9, 2]).await;
    assert_eq!((answers, asked.len()), (vec![Ok(2), corrupt, gone, gone], 4));
}
