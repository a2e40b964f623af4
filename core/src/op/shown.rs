//! The version that is shown of a record. It is the record's own, until time, a hand-over or somebody's leaving has
//! changed what is shown of it and nobody has written that down.

use std::collections::BTreeMap;

use super::View;
use crate::home::{Key, Record};
use crate::id::{UserId, Version};
use crate::model::{Account, Holding, Member, Organization, Posts};
use crate::store::StoreError;
use crate::time::Timestamp;

impl View<'_> {
    /// Reads a record with what changes what is shown of it.
    pub(crate) async fn fetch_shown(&mut self, key: Key) -> Result<(), StoreError> {
        self.fetch([key.clone()]).await?;
        let beside: Vec<Key> = match self.seen.get(&key).and_then(Option::as_ref).map(|found| &found.record) {
            Some(Record::Holding(_)) => vec![Key::Successions],
            Some(Record::Account(it)) => it.posts.holders().map(Key::Member).collect(),
            Some(Record::Organization(it)) => it.posts.holders().map(Key::Member).collect(),
            Some(_) | None => return Ok(()),
        };
        if beside.is_empty() { Ok(()) } else { self.fetch(beside).await }
    }

    /// Whether a record that was read has posts that somebody holds, so that their leaving changes what is shown of it.
    pub(crate) fn has_holders(&self, key: &Key) -> bool {
        match self.seen.get(key).and_then(Option::as_ref).map(|found| &found.record) {
            Some(Record::Account(it)) => it.posts.holders().next().is_some(),
            Some(Record::Organization(it)) => it.posts.holders().next().is_some(),
            Some(_) | None => false,
        }
    }

    /// The version that is shown of a record that was read, by what was read with it.
    pub(crate) fn shown_version(&self, key: &Key) -> Option<Version> {
        let stored = self.seen.get(key)?.as_ref()?;
        Some(self.showing(stored.version, &stored.record))
    }

    /// A member who was read, as they are shown, with the version that is shown; `cuts` is how often they have been removed
    /// from everything, and when last.
    pub(crate) fn shown_member(
        &self,
        user: UserId,
        (cuts, cut_at): (u32, Timestamp),
    ) -> Option<(Member, Version)> {
        let key = Key::Member(user);
        let stored = self.seen.get(&key)?.as_ref()?;
        let Record::Member(member) = stored.record.clone().at(self.now()) else { return None };
        // Who has been removed from everything is out, though nobody has written it down here.
        let shown = member.after_cuts(cuts, cut_at.max(member.joined_at));
        if shown == member {
            return Some((shown, self.showing(stored.version, &stored.record)));
        }
        let version = stored.version.showing(&serde_json::to_vec(&shown).unwrap_or_default());
        Some((shown, version))
    }

    /// The version that is shown of what an operation acts on.
    pub(crate) fn shown_subject(&self, key: &Key) -> Option<Version> {
        match (key, self.subject) {
            (Key::Member(user), Some((subject, cut))) if *user == subject => {
                self.shown_member(*user, cut).map(|(_, version)| version)
            }
            _ => self.shown_version(key),
        }
    }

    /// The version that is shown of a record of a version.
    pub(crate) fn showing(&self, version: Version, record: &Record) -> Version {
        let shown = self.shown(record.clone());
        if shown == *record {
            return version;
        }
        version.showing(&serde_json::to_vec(&shown).unwrap_or_default())
    }

    fn shown(&self, record: Record) -> Record {
        match record.at(self.now()) {
            Record::Holding(it) => {
                let successions = match self.seen.get(&Key::Successions) {
                    Some(Some(found)) => match &found.record {
                        Record::Successions(successions) => Some(successions),
                        _ => None,
                    },
                    Some(None) | None => None,
                };
                let owner = successions.map_or(it.owner, |successions| successions.resolve(&it).0);
                Record::Holding(Holding { owner, ..it })
            }
            Record::Account(it) => Record::Account(Account { posts: self.held(&it.posts), ..it }),
            Record::Organization(it) => {
                Record::Organization(Organization { posts: self.held(&it.posts), ..it })
            }
            other => other,
        }
    }

    /// Posts without those of holders who are known to have left.
    fn held(&self, posts: &Posts) -> Posts {
        let member = |user: UserId| match self.seen.get(&Key::Member(user)) {
            Some(Some(found)) => match &found.record {
                Record::Member(member) => Some((user, member.at(self.now()))),
                _ => None,
            },
            Some(None) | None => None,
        };
        let members: BTreeMap<UserId, Member> = posts.holders().filter_map(member).collect();
        posts.as_held(&members)
    }
}
