//! Fills a store through its own contract, many change sets at a time. The users of the organizations of a moderate
//! size are those of the large one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result, bail};
use roster_cli::config::Flags;
use roster_core::facts::{Entropy, Seed};
use roster_core::home::{Home, Record, Tally};
use roster_core::id::CommitId;
use roster_core::log::{LogEntry, digest};
use roster_core::model::Membership;
use roster_core::store::{ChangeSet, MAX_WRITES, Store, Write};

use crate::data::{
    ACCOUNTS, Shape, WHEN, account, account_id, api_key, member, organization, organization_id, token, user,
    user_id,
};

/// Change sets that go to the store at a time.
const GROUP: usize = 500;

/// Fills the store and writes the lines.
pub async fn run(config: &Path, into: &Path, shape: Shape) -> Result<()> {
    let flags = Flags { config: Some(config.to_owned()), ..Flags::default() };
    let roster = roster_cli::open_store(&flags).await.map_err(anyhow::Error::msg)?;
    let (store, entropy) = (roster.store.as_ref(), roster.entropy.as_ref());
    let users = shape.large.max(shape.organizations * shape.members);
    let homes = (0..users).map(|n| {
        let owned = organizations_of(n, shape).into_iter();
        let puts = owned.map(|n| Record::Membership(Membership { organization: organization_id(n) }));
        change(entropy, Home::User(user_id(n)), puts.chain([Record::User(user(n))]).collect(), 0)
    });
    commit(store, homes).await.context("users")?;
    for n in 0..=shape.organizations {
        commit(store, organization_sets(entropy, n, shape)).await.context("an organization")?;
    }
    write_lines(&into.join("many"), many(shape))?;
    write_lines(&into.join("large"), (1..shape.large).map(|n| (shape.organizations, n, n)))?;
    Ok(())
}

/// The organizations of a moderate size come first; the last is the large one.
fn organizations_of(user: u64, shape: Shape) -> Vec<u64> {
    let mut all = Vec::new();
    if user < shape.organizations * shape.members {
        all.push(user / shape.members);
    }
    if user < shape.large {
        all.push(shape.organizations);
    }
    all
}

fn organization_sets(entropy: &dyn Entropy, n: u64, shape: Shape) -> Vec<ChangeSet> {
    let (first, count) =
        if n == shape.organizations { (0, shape.large) } else { (n * shape.members, shape.members) };
    let home = Home::Organization(organization_id(n));
    let mut head = vec![Record::Organization(organization(n, first)), Record::ApiKey(api_key(n))];
    head.extend((0..ACCOUNTS).map(|place| Record::Account(account(n, place))));
    let members: Vec<Record> =
        (0..count).map(|place| Record::Member(member(n, first + place, place))).collect();
    let mut sets = vec![change(entropy, home.clone(), head, 0)];
    for chunk in members.chunks(MAX_WRITES - 1) {
        let joining = i64::try_from(chunk.len()).unwrap_or_default();
        sets.push(change(entropy, home.clone(), chunk.to_vec(), joining));
    }
    sets
}

pub fn change(entropy: &dyn Entropy, home: Home, puts: Vec<Record>, joining: i64) -> ChangeSet {
    let id = CommitId::from_uuid(Seed::draw(entropy).uuid("commit"));
    let mut writes: Vec<Write> = puts.into_iter().map(Write::Put).collect();
    if joining > 0 {
        writes.push(Write::Add { tally: Tally::Seats, by: joining, within: 0..=i64::MAX });
    }
    let body = b"{}".to_vec();
    let entry = home.has_log().then(|| LogEntry {
        digest: digest(&body),
        body,
        time: WHEN,
        personal: Vec::new(),
        actor: "system".to_owned(),
        users: Vec::new(),
        actions: Vec::new(),
    });
    ChangeSet { id, home, not_after: None, guards: BTreeMap::new(), writes, entry }
}

pub async fn commit(store: &dyn Store, sets: impl IntoIterator<Item = ChangeSet>) -> Result<()> {
    let mut group: Vec<ChangeSet> = Vec::new();
    let mut sets = sets.into_iter().peekable();
    while let Some(set) = sets.next() {
        let large = set.writes.len() > 10;
        group.push(set);
        if group.len() == GROUP || large || sets.peek().is_none() {
            for outcome in store.commit_all(&group).await {
                outcome?;
            }
            group.clear();
        }
    }
    Ok(())
}

/// Organization, user, and the user's place in it. Neighbours are of different organizations.
fn many(shape: Shape) -> impl Iterator<Item = (u64, u64, u64)> {
    let Shape { organizations, members, .. } = shape;
    (1..members).flat_map(move |place| (0..organizations).map(move |n| (n, n * members + place, place)))
}

/// A line: the organization's id, its secret, the user's id, an account that they reach.
fn write_lines(path: &Path, lines: impl Iterator<Item = (u64, u64, u64)>) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut count = 0;
    for (n, user, place) in lines {
        let account = account_id(n, place % ACCOUNTS);
        writeln!(file, "{} {} {} {account}", organization_id(n), token(n).reveal(), user_id(user))?;
        count += 1;
    }
    if count == 0 {
        bail!("there is nobody to ask about");
    }
    Ok(file.flush()?)
}
