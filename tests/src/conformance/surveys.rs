//! Surveys: every report as the memory store gives it, whatever is filtered, sorted and shown (rule T5).
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::cmp::Ordering;
use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::listing::Scope;
use roster_core::memory::MemoryStore;
use roster_core::model::customer::ReportKind;
use roster_core::op::Roster;
use roster_core::report::{
    Asked, Cell, Field, Filter, Line, Op, ReportPage, Survey, Test, parse_where, report, usual_columns,
};
use roster_core::store::Store;
use serde_json::{Value, json};
use uuid::Uuid;

use super::spread::{ACCOUNTS, ORGANIZATIONS, account_of, fields, many, sets};
use crate::build::{Dice, organization_id};
use crate::stores::{CountingEntropy, TestStore};

const KINDS: [ReportKind; 2] = [ReportKind::Accounts, ReportKind::Organizations];

/// The store and one in memory, with the same in them, some time later.
async fn twins(at: &TestStore, seed: u64) -> [Roster; 2] {
    let memory = MemoryStore::new(Arc::clone(&at.clock) as _);
    for sets in sets(seed).chunks(400) {
        assert!(memory.commit_all(sets).await.iter().all(Result::is_ok));
        assert!(at.store.commit_all(sets).await.iter().all(Result::is_ok));
    }
    at.clock.advance_seconds(40);
    let entropy = Arc::new(CountingEntropy::new(Arc::clone(&at.clock)));
    let roster = |store| Roster::new(store, Arc::clone(&entropy) as _);
    [roster(Arc::clone(&at.store)), roster(Arc::new(memory))]
}

/// A page by an operator.
async fn page(roster: &Roster, asked: &Asked) -> ReportPage {
    let request = Request::new(Actor::Operator { key: None }, roster.entropy.as_ref());
    report(roster, &request, asked).await.unwrap()
}

/// Everything that a report of a kind could show, read in full from memory.
async fn all(memory: &Roster, kind: ReportKind) -> Vec<Line> {
    let columns: Vec<Field> = fields(kind).iter().map(|name| Field::of(kind, name).unwrap()).collect();
    let survey = Arc::new(Survey::new(kind, None, None, &columns));
    let mut found = Vec::new();
    memory.store.survey(&survey, &mut |line: &Line| found.push(line.clone())).await.unwrap();
    found
}

/// The rows of a report in the plainest way: all lines that the filter holds of, in their order.
fn plain(all: &[Line], asked: &Asked) -> Vec<Vec<Cell>> {
    let holds = |line: &&Line| {
        let cell = &mut |field: &Field| line.cell(field);
        asked.filter.as_ref().is_none_or(|filter| filter.holds(cell, line.now()))
    };
    let mut lines: Vec<&Line> = all.iter().filter(holds).collect();
    lines.sort_by(|one, other| {
        let by = asked.sort.iter().map(|(field, down)| {
            let order = one.cell(field).order(&other.cell(field));
            if *down { order.reverse() } else { order }
        });
        by.fold(Ordering::Equal, Ordering::then).then(one.id().cmp(&other.id()))
    });
    let usual = usual_columns(asked.kind);
    let columns = if asked.columns.is_empty() { &usual } else { &asked.columns };
    lines.iter().map(|line| columns.iter().map(|field| line.cell(field)).collect()).collect()
}

/// All rows, page by page, each page as in memory, and all of them as in the plainest way.
async fn compare([store, memory]: &[Roster; 2], all: &[Line], mut asked: Asked) -> usize {
    let (expected, mut rows) = (plain(all, &asked), Vec::new());
    loop {
        let found = page(store, &asked).await;
        assert_eq!(found, page(memory, &asked).await, "{asked:?}");
        rows.extend(found.rows);
        if found.next.is_none() {
            break;
        }
        asked.after = found.next;
    }
    assert_eq!(rows, expected, "{asked:?}");
    rows.len()
}

fn some_field(dice: &mut Dice, kind: ReportKind) -> Field {
    Field::of(kind, dice.pick::<&str>(&fields(kind)[..])).unwrap()
}

fn some_value(dice: &mut Dice) -> Value {
    let texts =
        ["pro", "Pro", "P", "", "u1@example.com", "u", "1", "active", "north", "resolved", "mapping", "Ö"];
    match dice.below(8) {
        0 => json!(dice.below(4)),
        1 => json!(1.5),
        2 => json!(dice.once_in(2)),
        3 => Value::Null,
        4 => json!(format!("2026-12-{:02}T00:00:00Z", 20 + dice.below(12))),
        5 => json!(format!("-{}d", dice.below(12))),
        _ => json!(dice.pick(&texts)),
    }
}

/// A test whose values fit its column.
fn some_test(dice: &mut Dice, kind: ReportKind) -> Test {
    loop {
        let (field, op) = (some_field(dice, kind), dice.pick(&Op::ALL).1);
        let many = match op {
            op if op.is_bare() => 0,
            Op::In => 1 + dice.below(3),
            _ => 1,
        };
        let values: Vec<Value> = (0..many).map(|_| some_value(dice)).collect();
        if let Ok(test) = Test::new(field, op, &values) {
            return test;
        }
    }
}

fn some_filter(dice: &mut Dice, kind: ReportKind, depth: u64) -> Filter {
    let parts =
        |dice: &mut Dice| (0..dice.below(4)).map(|_| some_filter(dice, kind, depth + 1)).collect::<Vec<_>>();
    match dice.below(3 + depth) {
        0 => Filter::And(parts(dice)),
        1 => Filter::Or(parts(dice)),
        2 => Filter::Not(Box::new(some_filter(dice, kind, depth + 1))),
        _ => Filter::Test(some_test(dice, kind)),
    }
}

fn some_report(dice: &mut Dice, kind: ReportKind) -> Asked {
    let sort = (0..dice.below(3)).map(|_| (some_field(dice, kind), dice.once_in(2))).collect();
    Asked {
        kind,
        columns: (0..dice.below(4)).map(|_| some_field(dice, kind)).collect(),
        filter: (!dice.once_in(6)).then(|| some_filter(dice, kind, 0)),
        sort,
        limit: 1 + u16::try_from(dice.below(20)).unwrap(),
        after: None,
    }
}

/// Every column at once, then reports made by dice.
pub async fn t5_reports_are_as_in_memory(at: &TestStore) {
    let twins = twins(at, 1).await;
    let mut dice = Dice::new(at.name.len() as u64);
    for (kind, rows) in KINDS.into_iter().zip([ORGANIZATIONS * ACCOUNTS, ORGANIZATIONS]) {
        let all = all(&twins[1], kind).await;
        let columns = fields(kind).iter().map(|name| Field::of(kind, name).unwrap()).collect();
        let whole = Asked { kind, columns, filter: None, sort: Vec::new(), limit: 7, after: None };
        assert_eq!(compare(&twins, &all, whole).await as u64, rows);
        let mut some = 0;
        for _ in 0..30 {
            some += usize::from(compare(&twins, &all, some_report(&mut dice, kind)).await > 0);
        }
        assert!(some > 7, "many reports should have a row: {some}");
    }
}

/// The values of all lines that belong, by their ids.
async fn lines(roster: &Roster, survey: &Arc<Survey>, columns: &[Field]) -> Vec<(Uuid, Vec<Cell>)> {
    let mut found = Vec::new();
    let mut take = |line: &Line| {
        if survey.wants(line) {
            found.push((line.id(), columns.iter().map(|field| line.cell(field)).collect::<Vec<_>>()));
        }
    };
    roster.store.survey(survey, &mut take).await.unwrap();
    found.sort_by_key(|(id, _)| *id);
    found
}

/// Of organizations that are named, on all of their accounts or some; one of them is not there.
pub async fn t5_surveys_keep_to_the_accounts_that_are_named(at: &TestStore) {
    let [store, memory] = twins(at, 2).await;
    let mut dice = Dice::new(3);
    for _ in 0..40 {
        let kind = *dice.pick(&KINDS);
        let mut within = Vec::new();
        for n in 0..=ORGANIZATIONS {
            let mut accounts: Vec<_> = (0..=dice.below(4))
                .map(|_| account_of(dice.below(ORGANIZATIONS), dice.below(ACCOUNTS)))
                .chain([account_of(n, 0)])
                .collect();
            accounts.sort_unstable();
            let scope = if dice.once_in(2) { Scope::All } else { Scope::Accounts(accounts) };
            if dice.once_in(2) {
                within.push((organization_id(n), scope));
            }
        }
        let (columns, filter) =
            (usual_columns(kind), dice.once_in(2).then(|| some_filter(&mut dice, kind, 1)));
        let survey = Arc::new(Survey::new(kind, Some(within), filter, &columns));
        let expected = lines(&memory, &survey, &columns).await;
        assert_eq!(lines(&store, &survey, &columns).await, expected, "{survey:?}");
    }
}

/// More accounts than are read at a time, in one organization and beside others: each comes once.
pub async fn a_survey_hands_out_each_line_once(at: &TestStore) {
    let [store, memory] = twins(at, 4).await;
    let (sets, accounts) = many();
    for roster in [&store, &memory] {
        assert!(roster.store.commit_all(&sets).await.iter().all(Result::is_ok));
    }
    let columns = usual_columns(ReportKind::Accounts);
    for within in [None, Some(vec![(organization_id(ORGANIZATIONS), Scope::All)])] {
        let others = if within.is_none() { ORGANIZATIONS * ACCOUNTS } else { 0 };
        let survey = Arc::new(Survey::new(ReportKind::Accounts, within, None, &columns));
        let found = lines(&store, &survey, &columns).await;
        assert_eq!(found.len() as u64, accounts + others);
        assert_eq!(found, lines(&memory, &survey, &columns).await);
        // What few of them hold is found behind those in which it is looked for at once.
        let rare = parse_where(ReportKind::Accounts, r#"traits.rare eq "last""#).unwrap();
        let within = survey.within.clone();
        let survey = Arc::new(Survey::new(ReportKind::Accounts, within, Some(rare), &columns));
        let found = lines(&store, &survey, &columns).await;
        assert_eq!((found.len(), &found), (1, &lines(&memory, &survey, &columns).await));
    }
}
