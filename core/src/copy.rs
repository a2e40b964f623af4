//! Copies a deployment from one store to an empty one, a bounded amount at a time, and compares the two afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::home::{Home, Key, Tally};
use crate::load::{Load, MAX_LOAD, Part};
use crate::log::LogFilter;
use crate::store::{Store, StoreError, Stored};

/// Homes, records or entries that are read at a time.
const PAGE: u16 = 200;
/// Homes that are filled at a time.
const MAX_PARTS: usize = 200;

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Homes.
    pub homes: u64,
    /// Records in them.
    pub records: u64,
    /// Entries of their logs.
    pub entries: u64,
}

/// Why a copy did not come to its end. The target stays marked as holding half of a deployment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CopyError {
    /// A home is not the same in both.
    #[error("{home} is not the same in both stores: {detail}")]
    Differs {
        /// Which.
        home: Home,
        /// How.
        detail: String,
    },
    /// The store that is copied to holds something already; nothing was changed.
    #[error("the store that is copied to is not empty")]
    NotEmpty,
    /// Somebody may have used one of the stores meanwhile.
    #[error("the place on one of the stores was lost meanwhile, so a server may have written to it")]
    NotAlone,
    /// The store that is copied from fails.
    #[error("copying from the {0}")]
    Source(StoreError),
    /// The store that is copied to fails.
    #[error("copying to the {0}")]
    Target(StoreError),
}

/// How far a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// So many homes are copied.
    Copied(u64),
    /// So many of so many homes are compared.
    Compared(u64, u64),
}

/// Copies everything, compares every home, and only then, if `is_alone` says that nobody has come in meanwhile, takes
/// the mark of half a deployment off the target.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    is_alone: &(dyn Fn() -> bool + Sync),
    progress: &mut (dyn FnMut(Step) + Send),
) -> Result<Copied, CopyError> {
    if !to.homes(None, 1).await.map_err(CopyError::Target)?.is_empty() {
        return Err(CopyError::NotEmpty);
    }
    to.load(Load::Begin).await.map_err(CopyError::Target)?;
    let mut filling = Filling { to, parts: Vec::new(), copied: Copied::default() };
    let mut after = None;
    loop {
        let homes = from.homes(after.as_ref(), PAGE).await.map_err(CopyError::Source)?;
        let Some(last) = homes.last() else { break };
        after = Some(last.clone());
        for home in &homes {
            filling.take(from, home).await?;
            progress(Step::Copied(filling.copied.homes));
        }
    }
    filling.flush().await?;
    let copied = filling.copied;
    compare(from, to, &mut |compared| progress(Step::Compared(compared, copied.homes))).await?;
    if !is_alone() {
        return Err(CopyError::NotAlone);
    }
    to.load(Load::End).await.map_err(CopyError::Target)?;
    Ok(copied)
}

/// What is on its way.
struct Filling<'a> {
    to: &'a dyn Store,
    parts: Vec<Part>,
    copied: Copied,
}

impl Filling<'_> {
    /// Takes a home over, page by page.
    async fn take(&mut self, from: &dyn Store, home: &Home) -> Result<(), CopyError> {
        self.copied.homes += 1;
        let mut pages = Pages::of(home);
        while let Some(part) = pages.next(from).await.map_err(CopyError::Source)? {
            self.copied.records += part.records.len() as u64;
            self.copied.entries += part.log.len() as u64;
            self.add(part).await?;
        }
        Ok(())
    }

    async fn add(&mut self, part: Part) -> Result<(), CopyError> {
        let size: usize = self.parts.iter().map(Part::size).sum();
        if size + part.size() > MAX_LOAD || self.parts.len() >= MAX_PARTS {
            self.flush().await?;
        }
        self.parts.push(part);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), CopyError> {
        let parts = take(&mut self.parts);
        if parts.is_empty() {
            return Ok(());
        }
        self.to.load(Load::Parts(&parts)).await.map_err(CopyError::Target)
    }
}

/// The records of a home with the tallies that they count in, then its log, page by page.
struct Pages<'a> {
    home: &'a Home,
    next: Next,
}

/// Where a home is read next.
enum Next {
    /// Its records, behind this one.
    Records(Option<Key>),
    /// Its log, behind this number.
    Log(u64),
    /// Nothing is left.
    End,
}

impl<'a> Pages<'a> {
    fn of(home: &'a Home) -> Self {
        Self { home, next: Next::Records(None) }
    }

    async fn next(&mut self, store: &dyn Store) -> Result<Option<Part>, StoreError> {
        let mut part = Part::of(self.home.clone());
        self.next = match &self.next {
            Next::Records(after) => {
                part.records = store.records(self.home, after.as_ref(), PAGE).await?;
                part.tallies = tallies(store, self.home, &part.records).await?;
                match part.records.last() {
                    Some(last) if part.records.len() == usize::from(PAGE) => {
                        Next::Records(Some(last.record.key()))
                    }
                    _ if self.home.has_log() => Next::Log(0),
                    _ => Next::End,
                }
            }
            Next::Log(after) => {
                part.log = store.log(self.home, *after, PAGE, &LogFilter::ALL).await?;
                match part.log.last() {
                    Some(last) if part.log.len() == usize::from(PAGE) => Next::Log(last.seq),
                    _ => Next::End,
                }
            }
            Next::End => return Ok(None),
        };
        Ok(Some(part))
    }
}

/// Reads both stores anew and compares them, home by home.
async fn compare(
    from: &dyn Store,
    to: &dyn Store,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), CopyError> {
    let (mut after, mut compared) = (None, 0);
    loop {
        let ours = from.homes(after.as_ref(), PAGE).await.map_err(CopyError::Source)?;
        let theirs = to.homes(after.as_ref(), PAGE).await.map_err(CopyError::Target)?;
        for (n, home) in ours.iter().enumerate() {
            if theirs.get(n) != Some(home) {
                return Err(only_in_one(&ours[n..], &theirs[n..]));
            }
            let one = digest(from, home).await.map_err(CopyError::Source)?;
            let other = digest(to, home).await.map_err(CopyError::Target)?;
            if one != other {
                let detail = format!("{one} in the first, {other} in the second");
                return Err(CopyError::Differs { home: home.clone(), detail });
            }
            compared += 1;
            progress(compared);
        }
        if theirs.len() > ours.len() {
            return Err(only_in_one(&[], &theirs[ours.len()..]));
        }
        match ours.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

/// Which of the next homes is missing in the other store.
fn only_in_one(ours: &[Home], theirs: &[Home]) -> CopyError {
    let by_name = |homes: &[Home]| homes.first().map(|home| (home.to_string(), home.clone()));
    let (home, detail) = match (by_name(ours), by_name(theirs)) {
        (Some(one), Some(other)) if one < other => (one.1, "it is only in the first"),
        (Some(one), None) => (one.1, "it is only in the first"),
        (_, Some(other)) => (other.1, "it is only in the second"),
        (None, None) => (Home::Deployment, "nothing is in either"),
    };
    CopyError::Differs { home, detail: detail.to_owned() }
}

/// How much a home holds, and the SHA-256 over all of it.
#[derive(PartialEq, Eq, Debug)]
struct Summary {
    records: u64,
    entries: u64,
    sha256: [u8; 32],
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, entries, sha256 } = self;
        let short = crate::log::hex(&sha256[..6]);
        write!(f, "{records} records, {entries} log entries, digest {short}")
    }
}

async fn digest(store: &dyn Store, home: &Home) -> Result<Summary, StoreError> {
    let (mut sum, mut records, mut entries) = (Sha256::new(), 0, 0);
    if home.has_log() {
        add(&mut sum, &store.read(home, &[], &[]).await?.head);
    }
    let mut pages = Pages::of(home);
    while let Some(part) = pages.next(store).await? {
        records += part.records.len() as u64;
        entries += part.log.len() as u64;
        part.records.iter().for_each(|stored| add(&mut sum, &(&stored.record, stored.version)));
        part.tallies.iter().for_each(|(tally, kept)| add(&mut sum, &(tally.name(), kept)));
        part.log.iter().for_each(|logged| add(&mut sum, logged));
    }
    Ok(Summary { records, entries, sha256: sum.finalize().into() })
}

/// How the tallies stand that these records of a home count in; those of nothing are left out.
async fn tallies(
    store: &dyn Store,
    home: &Home,
    records: &[Stored],
) -> Result<BTreeMap<Tally, i64>, StoreError> {
    if !home.has_log() {
        return Ok(BTreeMap::new());
    }
    let counted = records.iter().flat_map(|stored| stored.record.weighs()).map(|(tally, _)| tally);
    let named: BTreeSet<Tally> = counted.chain(Tally::ALL).collect();
    let named: Vec<Tally> = named.into_iter().collect();
    let read = store.read(home, &[], &named).await?;
    Ok(read.tallies.into_iter().filter(|(_, sum)| *sum != 0).collect())
}

/// Values as JSON, a line each: no line break stands within one.
fn add(sum: &mut Sha256, value: &impl Serialize) {
    match serde_json::to_vec(value) {
        Ok(bytes) => sum.update(bytes),
        Err(error) => sum.update(error.to_string()),
    }
    sum.update(b"\n");
}
