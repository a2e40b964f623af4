//! A store that reads through to another and keeps its commits in memory: what a dry run runs on. Its commits can be
//! flushed to the store below in large groups, so that a run does exactly what its dry run reported.

mod ahead;
mod flush;
mod shed;
mod together;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

pub(crate) use ahead::Ahead;
pub(crate) use flush::CutShort;
pub(crate) use together::Names;
pub(crate) use under_way::UnderWay;

use crate::health::Description;
use crate::home::{Home, Key, Record, Tally};
use crate::id::{AccountId, OrganizationId, UserId, Version};
use crate::listing::{Listing, Page, PageRequest, Row};
use crate::load::{Load, refused};
use crate::log::{LogFilter, Logged};
use crate::memory::data::{HomeData, page_of};
use crate::model::{Card, Post};
use crate::op::Roster;
use crate::presence::{Presence, Stay};
use crate::store::{
    AccessFacts, AccessKey, ChangeSet, CommitError, Committed, Dump, Read, Store, StoreError, StoreErrorKind,
    Stored, Write,
};
use crate::text::ExternalId;
use crate::time::Timestamp;

/// So few homes are read at once, without asking first which of them are there.
const FEW: usize = 8;

/// So many bytes of log wait in an overlay in parts, at most.
const MOST_BYTES: usize = 8 << 20;

/// How many reads of the store below are under way at a time.
const READS: usize = 32;

/// The overlay. A directory, the homes and the log are those of the store below; `access` is not answered.
#[derive(Debug)]
pub struct Overlay {
    base: Arc<dyn Store>,
    layer: Mutex<Layer>,
    /// Whether it takes in whole organizations, where nothing less answers, and as much as comes.
    whole: bool,
    /// Whether it has refused something that the store below would have answered.
    refused: AtomicBool,
}

#[derive(Debug, Default)]
struct Layer {
    clock: Option<Timestamp>,
    homes: BTreeMap<Home, Layered>,
    pending: Vec<ChangeSet>,
    /// How many bytes of log wait to be flushed.
    bytes: usize,
    /// How many seats were taken, whatever came free beside that.
    seats_taken: BTreeMap<Home, i64>,
    /// Records that were listed as ending by time: that they have ended here is not let go of.
    listed: BTreeSet<(Home, Key)>,
    /// Homes in which what has lapsed was looked for.
    looked_through: BTreeSet<Home>,
    /// What is to be forgotten once all is flushed.
    forgotten: Vec<(Home, UserId)>,
    /// What others have sent to the store below and is not there yet.
    under_way: Option<Arc<UnderWay>>,
}

/// What is known of a home: what was read of the store below, and what was committed on it since.
#[derive(Debug)]
struct Layered {
    data: HomeData,
    /// Which records are known, be it that they are not there; nothing where all are.
    keys: Option<BTreeSet<Key>>,
    tallies: BTreeSet<Tally>,
}

/// What is wanted of a home.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub home: Home,
    /// Its records.
    pub keys: Vec<Key>,
    /// Its tallies.
    pub tallies: Vec<Tally>,
}

impl Layered {
    fn new(home: &Home) -> Self {
        Self { data: HomeData::new(home), keys: Some(BTreeSet::new()), tallies: BTreeSet::new() }
    }

    /// What is not known yet of what is wanted.
    fn unknown(&self, wanted: &Wanted) -> Option<Wanted> {
        let known = self.keys.as_ref()?;
        let keys: Vec<Key> = wanted.keys.iter().filter(|key| !known.contains(key)).cloned().collect();
        let tallies: Vec<Tally> =
            wanted.tallies.iter().filter(|tally| !self.tallies.contains(tally)).copied().collect();
        let some = !keys.is_empty() || !tallies.is_empty();
        some.then(|| Wanted { home: wanted.home.clone(), keys, tallies })
    }

    /// Takes in an answer. What is known already stays as it is: it may have been changed here.
    fn learn(&mut self, wanted: Wanted, mut read: Read) {
        let Some(known) = self.keys.as_mut() else { return };
        if wanted.home.has_log() && read.head.seq == 0 {
            return self.learn_nothing();
        }
        if known.is_empty() && self.tallies.is_empty() {
            self.data.head = read.head;
        }
        for key in wanted.keys {
            if known.insert(key.clone())
                && let Some(stored) = read.records.remove(&key)
            {
                self.data.records.insert(key, Arc::new(stored));
            }
        }
        for tally in wanted.tallies {
            if self.tallies.insert(tally) {
                self.data.tallies.insert(tally, read.tallies.get(&tally).copied().unwrap_or(0));
            }
        }
    }

    /// Takes in that nothing is there: so everything is known of it.
    fn learn_nothing(&mut self) {
        self.keys = None;
    }

    /// Takes in the whole home.
    fn learn_all(&mut self, dump: Dump) {
        let Some(known) = self.keys.take() else { return };
        if known.is_empty() && self.tallies.is_empty() {
            self.data.head = dump.head;
        }
        for stored in dump.records {
            let key = stored.record.key();
            if !known.contains(&key) {
                self.data.records.insert(key, Arc::new(stored));
            }
        }
        for (tally, sum) in dump.tallies {
            if !self.tallies.contains(&tally) {
                self.data.tallies.insert(tally, sum);
            }
        }
    }

    /// Commits, as a store does. The log is not kept: nobody reads it here.
    fn commit(&mut self, changes: &ChangeSet, clock: Timestamp) -> Result<Committed, CommitError> {
        let done = self.data.commit(changes, clock);
        self.data.log.clear();
        done
    }
}

impl Overlay {
    /// An overlay without commits.
    pub fn new(base: Arc<dyn Store>) -> Self {
        Self { base, layer: Mutex::default(), whole: true, refused: AtomicBool::new(false) }
    }

    /// One that takes in no whole organization, and not more than there is room for: what would need that is an error, and
    /// to be asked of the store below.
    pub fn in_parts(base: Arc<dyn Store>) -> Self {
        Self { whole: false, ..Self::new(base) }
    }

    /// One that comes after what is under way to the store below. What needs a whole home is an error until that has
    /// arrived.
    pub(crate) fn after(base: Arc<dyn Store>, under_way: Arc<UnderWay>) -> Self {
        let overlay = Self::new(base);
        overlay.layer().under_way = Some(under_way);
        overlay
    }

    /// Whether it has refused something that the store below would have answered. Not everybody who asked may have said so.
    pub fn has_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn refuse(&self, operation: &'static str) -> StoreError {
        self.refused.store(true, Ordering::Relaxed);
        let detail = "this overlay takes in so much and no more: ask the store below".into();
        StoreError { kind: StoreErrorKind::Unavailable, operation, detail }
    }

    /// The store below.
    pub fn base(&self) -> Arc<dyn Store> {
        Arc::clone(&self.base)
    }

    /// How many seats commits here took in a home: those that came free beside that may be others' by the time of a flush.
    pub(crate) fn seats_taken(&self, home: &Home) -> i64 {
        self.layer().seats_taken.get(home).copied().unwrap_or(0)
    }

    fn layer(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the instant of the store below afresh: everything until the next call is judged by it.
    pub async fn tick(&self) -> Result<Timestamp, StoreError> {
        let read = self.base.read(&Home::Deployment, &[], &[]).await?;
        self.layer().clock = Some(read.now());
        Ok(read.now())
    }

    /// Gives up what was to be flushed: for one that never will be.
    pub fn forget(&self) {
        let mut layer = self.layer();
        (layer.pending, layer.forgotten, layer.bytes) = (Vec::new(), Vec::new(), 0);
    }

    /// The cards that are put of people whose own record is not: it may change before all is flushed.
    pub(crate) fn cards(&self) -> Vec<(OrganizationId, UserId, Card)> {
        let (mut own, mut cards) = (BTreeSet::new(), BTreeMap::new());
        for set in &self.layer().pending {
            for write in &set.writes {
                match (&set.home, write) {
                    (Home::User(user), Write::Put(Record::User(_))) => drop(own.insert(*user)),
                    (Home::Organization(organization), Write::Put(Record::Member(member))) => {
                        cards.insert((*organization, member.user), member.card.clone());
                    }
                    _ => {}
                }
            }
        }
        let others = cards.into_iter().filter(|((_, user), _)| !own.contains(user));
        others.map(|((organization, user), card)| (organization, user, card)).collect()
    }

    /// Where posts are put that wait for somebody, by whom they wait for.
    pub(crate) fn waiting(&self) -> BTreeMap<ExternalId, Vec<(OrganizationId, Option<AccountId>)>> {
        let mut waiting: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for set in &self.layer().pending {
            let Home::Organization(organization) = set.home else { continue };
            for write in &set.writes {
                let (account, posts) = match write {
                    Write::Put(Record::Account(it)) => (Some(it.id), &it.posts),
                    Write::Put(Record::Organization(it)) => (None, &it.posts),
                    Write::Put(_) | Write::Remove(_) | Write::Add { .. } => continue,
                };
                if let Some(Post::Mapping { external_id, user: None, .. }) = &posts.account_owner {
                    waiting.entry(external_id.clone()).or_default().push((organization, account));
                }
            }
        }
        waiting
    }

    /// The version of a key in the deployment and in organizations, where it was looked for.
    pub(crate) fn versions(&self, key: &Key) -> Vec<(Home, Option<Version>)> {
        let layer = self.layer();
        let asked = layer.homes.iter().filter(|(home, it)| {
            matches!(home, Home::Deployment | Home::Organization(_))
                && it.keys.as_ref().is_none_or(|keys| keys.contains(key))
        });
        asked
            .map(|(home, it)| (home.clone(), it.data.records.get(key).map(|stored| stored.version)))
            .collect()
    }

    /// Looks at what is known of a home.
    fn with<T>(&self, home: &Home, look: impl FnOnce(&HomeData) -> T) -> T {
        match self.layer().homes.get(home) {
            Some(known) => look(&known.data),
            None => look(&HomeData::new(home)),
        }
    }

    /// Reads ahead, much at a time, what is going to be asked for one by one.
    pub async fn fetch(&self, wanted: Vec<Wanted>) -> Result<(), StoreError> {
        let unknown: Vec<Wanted> = {
            let layer = self.layer();
            let missing = |wanted: Wanted| match layer.homes.get(&wanted.home) {
                Some(known) => known.unknown(&wanted),
                None => Some(wanted),
            };
            wanted.into_iter().filter_map(missing).collect()
        };
        let unknown = self.spare(unknown).await?;
        let reads = stream::iter(unknown).map(|wanted| async move {
            let read = self.base.read(&wanted.home, &wanted.keys, &wanted.tallies).await?;
            Ok::<_, StoreError>((wanted, read))
        });
        let mut reads = pin!(reads.buffer_unordered(READS));
        while let Some((wanted, mut read)) = reads.try_next().await? {
            let mut layer = self.layer();
            layer.clock.get_or_insert(read.clock);
            if let Some(under_way) = &layer.under_way {
                under_way.foresee(&wanted, &mut read);
            }
            let home = wanted.home.clone();
            layer.homes.entry(home).or_insert_with_key(Layered::new).learn(wanted, read);
        }
        Ok(())
    }

    /// Takes for granted that nothing is under a key, where it is not known yet, so that it need not be read: where that is
    /// wrong, the store below refuses what was decided by it. Only for homes without a log.
    pub(crate) fn presume_none(&self, home: &Home, key: Key) {
        debug_assert!(!home.has_log(), "what is decided by a log rests on its end");
        let mut layer = self.layer();
        if let Some(known) = &mut layer.homes.entry(home.clone()).or_insert_with_key(Layered::new).keys {
            known.insert(key);
        }
    }

    /// Takes in of homes that were never made that nothing is there, and gives back the others.
    async fn spare(&self, wanted: Vec<Wanted>) -> Result<Vec<Wanted>, StoreError> {
        if wanted.len() < FEW {
            return Ok(wanted);
        }
        let homes: Vec<Home> = {
            let layer = self.layer();
            let coming = |home: &Home| layer.under_way.as_ref().is_some_and(|it| it.is_about(home));
            wanted.iter().map(|wanted| wanted.home.clone()).filter(|home| !coming(home)).collect()
        };
        let missing = self.base.missing(&homes).await?;
        let (none, some): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| missing.contains(&wanted.home));
        let mut layer = self.layer();
        for Wanted { home, .. } in none {
            layer.homes.entry(home).or_insert_with_key(Layered::new).learn_nothing();
        }
        Ok(some)
    }

    /// Brings what a commit looks at into memory. Where all is known, nothing is read.
    async fn ground(&self, changes: &ChangeSet) -> Result<Timestamp, StoreError> {
        let (mut keys, mut tallies) = (changes.guards.keys().cloned().collect::<Vec<_>>(), Vec::new());
        for write in &changes.writes {
            match write {
                Write::Put(record) => keys.push(record.key()),
                Write::Remove(key) => keys.push(key.clone()),
                Write::Add { tally, .. } => tallies.push(*tally),
            }
        }
        self.know(&changes.home, keys, tallies).await
    }

    /// The instant by which all is judged, once so much of a home is known.
    async fn know(&self, home: &Home, keys: Vec<Key>, tallies: Vec<Tally>) -> Result<Timestamp, StoreError> {
        self.fetch(vec![Wanted { home: home.clone(), keys, tallies }]).await?;
        if let Some(clock) = self.layer().clock {
            return Ok(clock);
        }
        self.tick().await
    }

    /// A page of what ends by time or of invitations, of which there are few beside everything else in a home: of the store
    /// below, but for what is known here, and of that.
    async fn merged(&self, home: &Home, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let clock = self.know(home, Vec::new(), Vec::new()).await?;
        let (mut rows, mut from) = (Vec::new(), page.clone());
        let more = loop {
            let below = self.base.list(listing, &from).await?;
            from.after = below.rows.last().map(|row| row.position.clone()).or(from.after);
            let layer = self.layer();
            let known = layer.homes.get(home).and_then(|layered| layered.keys.as_ref());
            let is_known = |row: &Row| known.is_some_and(|keys| keys.contains(&row.stored.record.key()));
            rows.extend(below.rows.into_iter().filter(|row| !is_known(row)));
            if !below.more || rows.len() > usize::from(page.limit) {
                break below.more;
            }
        };
        let whole = PageRequest { after: page.after.clone(), limit: u16::MAX };
        let mut own = self.with(home, |data| page_of(&[data], listing, &whole, clock));
        own.rows.retain(|row| !more || Some(&row.position) <= from.after.as_ref());
        rows.append(&mut own.rows);
        rows.sort_by(|a, b| a.position.cmp(&b.position));
        if matches!(listing, Listing::Due { .. }) {
            self.layer().listed.extend(rows.iter().map(|row| (home.clone(), row.stored.record.key())));
        }
        let more = more || rows.len() > usize::from(page.limit);
        rows.truncate(usize::from(page.limit));
        Ok(Page { rows, more, ..own })
    }

    /// Whether everything of a home is in memory, or else may be brought there.
    fn may_list(&self, home: &Home) -> Result<bool, StoreError> {
        let (known, coming) = {
            let layer = self.layer();
            let known = layer.homes.get(home).is_some_and(|known| known.keys.is_none());
            (known, layer.under_way.is_some())
        };
        if !known && (coming || !self.whole && matches!(home, Home::Organization(_))) {
            return Err(self.refuse("list"));
        }
        Ok(known)
    }

    /// Brings a home into memory, once.
    async fn hold(&self, home: &Home) -> Result<Timestamp, StoreError> {
        if !self.may_list(home)? {
            let dump = self.base.dump(home).await?;
            self.layer().homes.entry(home.clone()).or_insert_with_key(Layered::new).learn_all(dump);
        }
        self.know(home, Vec::new(), Vec::new()).await
    }
}

/// The same roster on an overlay.
pub(crate) fn on_overlay(
    roster: &Roster,
    overlay: impl FnOnce(Arc<dyn Store>) -> Overlay,
) -> (Roster, Arc<Overlay>) {
    let overlay = Arc::new(overlay(Arc::clone(&roster.store)));
    (Roster { store: Arc::<Overlay>::clone(&overlay), ..roster.clone() }, overlay)
}

#[async_trait]
impl Store for Overlay {
    async fn read(&self, home: &Home, keys: &[Key], tallies: &[Tally]) -> Result<Read, StoreError> {
        let clock = self.know(home, keys.to_vec(), tallies.to_vec()).await?;
        Ok(self.with(home, |data| data.read(clock, keys, tallies)))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Committed, CommitError> {
        let clock = self.ground(changes).await?;
        let mut layer = self.layer();
        let bytes = layer.bytes + changes.entry.as_ref().map_or(0, |entry| entry.body.len());
        if !self.whole && bytes > MOST_BYTES {
            return Err(self.refuse("commit").into());
        }
        let home = layer.homes.entry(changes.home.clone()).or_insert_with_key(Layered::new);
        let done = home.commit(changes, clock)?;
        layer.pending.push(changes.clone());
        layer.bytes = bytes;
        for write in &changes.writes {
            if let Write::Add { tally: Tally::Seats, by: by @ 1.., .. } = write {
                *layer.seats_taken.entry(changes.home.clone()).or_default() += by;
            }
        }
        Ok(done)
    }

    async fn commit_all(&self, sets: &[ChangeSet]) -> Vec<Result<Committed, CommitError>> {
        let mut outcomes = Vec::with_capacity(sets.len());
        for set in sets {
            outcomes.push(self.commit(set).await);
        }
        outcomes
    }

    async fn list(&self, listing: &Listing, page: &PageRequest) -> Result<Page, StoreError> {
        let Some(home) = listing.home() else {
            return self.base.list(listing, page).await;
        };
        let few = matches!(listing, Listing::Due { .. } | Listing::Invitations { .. });
        if few && !self.may_list(&home)? {
            return self.merged(&home, listing, page).await;
        }
        let clock = self.hold(&home).await?;
        Ok(self.with(&home, |data| page_of(&[data], listing, page, clock)))
    }

    async fn access(&self, _: &[AccessKey]) -> Result<Vec<AccessFacts>, StoreError> {
        Err(StoreError {
            kind: StoreErrorKind::Unavailable,
            operation: "access",
            detail: "an overlay answers no checks: ask the store below".into(),
        })
    }

    async fn log(
        &self,
        home: &Home,
        after: u64,
        limit: u16,
        filter: &LogFilter,
    ) -> Result<Vec<Logged>, StoreError> {
        self.base.log(home, after, limit, filter).await
    }

    async fn homes(&self, after: Option<&Home>, limit: u16) -> Result<Vec<Home>, StoreError> {
        self.base.homes(after, limit).await
    }

    async fn dump(&self, home: &Home) -> Result<Dump, StoreError> {
        self.hold(home).await?;
        Ok(self.with(home, HomeData::dump))
    }

    async fn records(&self, home: &Home, after: Option<&Key>, limit: u16) -> Result<Vec<Stored>, StoreError> {
        self.hold(home).await?;
        Ok(self.with(home, |data| data.records_after(after, limit)))
    }

    async fn load(&self, _: Load<'_>) -> Result<(), StoreError> {
        Err(refused("an overlay is not filled: fill the store below".into()))
    }

    fn was_looked_through(&self, home: &Home) -> bool {
        !self.layer().looked_through.insert(home.clone())
    }

    async fn forget(&self, home: &Home, subject: UserId) -> Result<(), StoreError> {
        self.layer().forgotten.push((home.clone(), subject));
        Ok(())
    }

    fn stands_still(&self) -> bool {
        true
    }

    async fn enter(&self, presence: Presence) -> Result<Option<Stay>, StoreError> {
        self.base.enter(presence).await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.base.describe().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.base.ping().await
    }
}
