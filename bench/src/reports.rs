//! A report on accounts by when their owners were last seen, and the same by SQL on the same store. What Roster keeps in
//! documents, the owner of an account and when somebody was seen, the SQL finds in tables of its own with columns.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use roster_cli::config::Flags;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::home::{Home, Record};
use roster_core::model::customer::{Presence, ReportKind};
use roster_core::model::{
    Access, Account, DirectoryEntry, DirectoryId, Member, Post, Posts, TraitPatch, Traits,
};
use roster_core::op::Roster;
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::report::{Asked, Cell, Field, parse_where, report};
use roster_core::store::MAX_WRITES;
use roster_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::data::{WHEN, organization, report_account_id, user, user_id};
use crate::reports_sql::Beside;
use crate::seed::{change, commit};

/// How much there is.
#[derive(Args, Clone, Copy, Debug)]
pub struct Spread {
    /// Accounts in all, each with an owner.
    #[arg(long)]
    accounts: u64,
    /// Organizations that they are spread over.
    #[arg(long)]
    organizations: u64,
}

/// What is asked for.
const WHERE: &str = r#"owner.last_seen_at before -7d and traits.plan eq "pro""#;
/// Rows of a page.
const PAGE: u16 = 50;
const DAY: i64 = 86_400;

/// Who owns an account, and when they were seen.
#[derive(Clone)]
pub struct Owned {
    pub organization: u64,
    pub account: Uuid,
    pub presence: Presence,
}

/// Fills the empty store of a configuration, and the tables beside it.
pub async fn seed(config: &Path, spread: Spread, beside: Option<&str>) -> Result<()> {
    let roster = open(config).await?;
    let (store, entropy) = (roster.store.as_ref(), roster.entropy.as_ref());
    let now = store.read(&Home::Deployment, &[], &[]).await?.clock;
    let mut all = Vec::new();
    for n in 0..spread.organizations {
        let owned: Vec<u64> = (n..spread.accounts).step_by(usize::try_from(spread.organizations)?).collect();
        let id = DirectoryId::Organization(crate::data::organization_id(n));
        let entry = Record::DirectoryEntry(DirectoryEntry { id, search: Vec::new(), active: true });
        let mut sets = vec![change(entropy, Home::directory(id), vec![entry], 0)];
        let home = Home::Organization(crate::data::organization_id(n));
        let mut records = vec![Record::Organization(organization(n, owned.first().copied().unwrap_or(0)))];
        records.extend(owned.iter().flat_map(|at| [account(*at), member(*at)]));
        let seen: Vec<Presence> =
            owned.iter().filter(|at| **at % 10 != 9).map(|at| presence(*at, now)).collect();
        for chunk in records.chunks(MAX_WRITES - 1) {
            sets.push(change(entropy, home.clone(), chunk.to_vec(), i64::try_from(chunk.len())?));
        }
        let activity = Home::Activity(crate::data::organization_id(n));
        for chunk in seen.chunks(MAX_WRITES - 1) {
            let puts = chunk.iter().cloned().map(Record::from).collect();
            sets.push(change(entropy, activity.clone(), puts, 0));
        }
        commit(store, sets).await.context("an organization")?;
        all.extend(owned.into_iter().map(|at| Owned {
            organization: n,
            account: report_account_id(at).uuid(),
            presence: if at % 10 == 9 { Presence::new(user_id(at), None) } else { presence(at, now) },
        }));
    }
    match beside {
        Some(at) => Beside::fill(at, config, &all).await,
        None => Ok(()),
    }
}

/// Asks in turns, and prints the medians of the times and of their quotients.
pub async fn run(config: &Path, spread: Spread, turns: usize, beside: Option<&str>) -> Result<()> {
    let roster = open(config).await?;
    let mut limit = match beside {
        Some(at) => Some(Beside::open(at, config).await?),
        None => None,
    };
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=turns {
        let begun = Instant::now();
        let rows = ask(&roster).await?;
        let took = begun.elapsed().as_secs_f64();
        let mut sql = f64::NAN;
        if let Some(limit) = &mut limit {
            let now = roster.store.read(&Home::Deployment, &[], &[]).await?.clock;
            let begun = Instant::now();
            let found = limit.page(now.plus_seconds(-7 * DAY), PAGE.into()).await?;
            sql = begun.elapsed().as_secs_f64();
            ensure!(found == rows, "not the same rows:\n{rows:?}\n{found:?}");
        }
        // The first warms up.
        if turn > 0 {
            ours.push(took);
            theirs.push(sql);
            ratios.push(took / sql);
        }
    }
    let said = json!({
        "work": "report by owners", "count": spread.accounts, "organizations": spread.organizations,
        "seconds": median(ours), "limit_seconds": limit.map(|_| median(theirs)), "ratio": median(ratios),
        "memory_mib": memory_mib()?,
    });
    println!("{said}");
    Ok(())
}

async fn open(config: &Path) -> Result<Roster> {
    let flags = Flags { config: Some(config.to_owned()), ..Flags::default() };
    roster_cli::open_store(&flags).await.map_err(anyhow::Error::msg)
}

/// The first page; the accounts on it.
async fn ask(roster: &Roster) -> Result<Vec<String>> {
    let kind = ReportKind::Accounts;
    let asked = Asked {
        kind,
        columns: Vec::new(),
        filter: Some(parse_where(kind, WHERE).map_err(anyhow::Error::msg)?),
        sort: vec![(Field::of(kind, "owner.last_seen_at").map_err(anyhow::Error::msg)?, false)],
        limit: PAGE,
        after: None,
    };
    let request = Request::new(Actor::Operator { key: None }, roster.entropy.as_ref());
    let page = report(roster, &request, &asked).await?;
    let external_id = |row: &Vec<Cell>| match row.get(1) {
        Some(Cell::Text(text)) => Ok(text.clone()),
        other => bail!("no external id: {other:?}"),
    };
    page.rows.iter().map(external_id).collect()
}

fn account(n: u64) -> Record {
    let plan = ["pro", "free", "team"][usize::try_from(n % 3).unwrap_or(0)];
    let values =
        json!({"plan": plan, "seats": n % 100, "region": "eu-central", "trial": n.is_multiple_of(7)});
    let patch: TraitPatch = serde_json::from_value(values).expect("an object");
    let owner = Post::Manual { user: user_id(n), since: WHEN };
    Record::Account(Account {
        external_id: Some(format!("acc-{n}").parse().expect("well-formed")),
        id: report_account_id(n),
        traits: Traits::default().merged(&patch).expect("few"),
        posts: Posts { account_owner: Some(owner), ..Posts::default() },
        ..crate::data::account(0, n)
    })
}

fn member(n: u64) -> Record {
    let access = Access::Accounts([(report_account_id(n), RoleRef::System(SystemRole::Viewer))].into());
    Record::Member(Member::joining(user_id(n), user(n).card(), access, WHEN))
}

/// Seen in the last thirty days, each at an instant of their own.
fn presence(n: u64, now: Timestamp) -> Presence {
    let ago = i64::try_from(n.wrapping_mul(7_919) % 2_592_000).unwrap_or(0);
    let seen =
        Timestamp::from_micros(now.plus_seconds(-ago).micros() + i64::try_from(n % 1_000).unwrap_or(0));
    Presence {
        first_seen_at: Some(WHEN),
        last_seen_at: Some(seen),
        sessions: i64::try_from(n % 50).unwrap_or(0),
        last_message_received_at: n.is_multiple_of(2).then_some(seen),
        applied: (0..4).map(|part| (Uuid::from_u128(u128::from(n)), part)).collect(),
        ..Presence::new(user_id(n), None)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The most that this process has held.
fn memory_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib / 1024.0)
}
