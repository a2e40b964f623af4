//! Putting whom a trait names into the post of the owner (rules T2, T3).

use super::held::put_list;
use super::set::{place, predecessor, without};
use super::{HeldRead, Place, event, subject};
use crate::facts::Facts;
use crate::home::{Home, Key, TheMember, TypedKey};
use crate::id::{OrganizationId, UserId, Version};
use crate::ingest::as_external_id;
use crate::model::customer::{Mapped, TheMapped};
use crate::model::{HeldPosts, MAX_POSTS, Member, Post, PostName};
use crate::op::{Decision, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::ExternalId;

/// Has the owner of an account, or of an organization, follow a trait. A manual setting stays until the trait changes.
#[derive(Debug)]
pub struct MapOwner {
    /// Where.
    pub organization: OrganizationId,
    /// The post of the owner, of an account or of the organization.
    pub name: PostName,
    /// The trait that names the owner; none if nothing is mapped.
    pub mapped_by: Option<String>,
    /// Whom the trait named when it was read.
    pub external: Option<ExternalId>,
    /// Whether that was an erased person, whom nothing names any more (rule L5).
    pub erased: bool,
    /// Who bears that id, with how often they have been removed from everything.
    pub user: Option<(UserId, u32)>,
    /// The version of the note of what the trait said, as it was read before the person was looked for: an erasure leaves
    /// another wherever the trait names them.
    pub last: Option<Version>,
    /// Whether the trait was just set.
    pub set: bool,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub enum MappedOwner {
    /// The post is another now.
    Changed(Place),
    /// It is as it was.
    Unchanged,
    /// The trait names somebody else by now, or others have looked for its person meanwhile.
    Outdated,
}

/// What it reads.
#[derive(Debug)]
pub struct MapOwnerRead {
    visible: Visible,
    place: Option<Place>,
    member: Option<Member>,
    held: Option<HeldRead>,
    predecessor: Option<HeldPosts>,
    last: Option<Mapped>,
    version: Option<Version>,
}

impl MapOwner {
    fn mapped(&self) -> TheMapped {
        TheMapped::of(self.organization, self.name.account)
    }
}

impl Operation for MapOwner {
    type State = MapOwnerRead;
    type Output = MappedOwner;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(subject(&self.name))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<MapOwnerRead, StoreError> {
        let visible = view.open_organization().await?;
        let place = place(view, &self.name).await?;
        let last = view.get(&self.mapped()).await?;
        let version = view.version(&self.mapped().key());
        let (member, held) = match self.user {
            Some((user, _)) => (view.get(&TheMember(user)).await?, Some(HeldRead::load(view, user).await?)),
            None => (None, None),
        };
        let predecessor = predecessor(view, place.as_ref(), &self.name).await?;
        Ok(MapOwnerRead { visible, place, member, held, predecessor, last, version })
    }

    fn decide(&self, read: MapOwnerRead, facts: &Facts) -> Result<Decision<MappedOwner>, Refusal> {
        let unchanged = Decision::unchanged(MappedOwner::Unchanged);
        let (Ok(_), Some(place)) = (read.visible.open(), read.place) else { return Ok(unchanged) };
        let traits = match &place {
            Place::Account(it) => &it.traits,
            Place::Organization(it) => &it.traits,
        };
        let named = self.mapped_by.as_ref().and_then(|name| traits.get(name)).and_then(as_external_id);
        if named != self.external || read.version != self.last {
            return Ok(Decision::unchanged(MappedOwner::Outdated));
        }
        let named = named.filter(|_| !self.erased);
        let TheMapped(subject) = self.mapped();
        let now = Mapped { subject, by: self.mapped_by.clone(), external: named.clone() };
        let news = read.last.as_ref() != Some(&now);
        // That another trait counts now, or one at all, is no news of the trait.
        let is_mapped_anew = !self.set && read.last.as_ref().is_none_or(|last| last.by != now.by);
        let named_before =
            read.last.as_ref().is_some_and(|last| last.by == now.by && last.external.is_some());
        let is_gone = named_before && now.by.is_some() && now.external.is_none() && !self.erased;
        let noted = if news { unchanged.put(now.into()) } else { unchanged };
        let before = place.posts().account_owner.clone();
        let (member, cuts) = (read.member, self.user.map_or(0, |(_, cuts)| cuts));
        if member.as_ref().is_some_and(|member| member.epoch > cuts) {
            return Ok(Decision::unchanged(MappedOwner::Outdated));
        }
        let member = member.map(|member| member.after_cuts(cuts, facts.now));
        let in_place = member.filter(|member| {
            let reaches = self.name.account.is_none_or(|id| member.access.role_on(id).is_some());
            member.is_in(facts.now) && reaches
        });
        // One who holds as many posts as anybody can is waited for until they hold fewer.
        let room = |held: &HeldRead| held.posts().contains(&self.name) || held.posts().len() < MAX_POSTS;
        let user = in_place.map(|member| member.user).filter(|_| read.held.as_ref().is_some_and(room));
        let after = match (&before, named) {
            // By hand, until the trait says something else, or nothing any more.
            (Some(Post::Manual { .. }), None) if !is_gone => return Ok(noted),
            // Emptied by hand as well.
            (None, Some(_)) if !news => return Ok(noted),
            (Some(Post::Manual { .. }), Some(_)) if !news || is_mapped_anew => return Ok(noted),
            (Some(Post::Mapping { external_id, user: held, .. }), Some(named))
                if *external_id == named && *held == user =>
            {
                return Ok(noted);
            }
            (_, None) => None,
            (_, Some(external_id)) => Some(Post::Mapping { external_id, user, since: facts.now }),
        };
        if before.is_none() && after.is_none() {
            return Ok(noted);
        }
        let event = event(&self.name, &place, before.as_ref(), after.as_ref());
        let mut decision = without(noted, read.predecessor, &self.name);
        if let (Some(user), Some(held)) = (user, read.held) {
            let mut list = held.posts().clone();
            list.insert(self.name.clone());
            decision = put_list(decision, user, list);
        }
        let place = place.with(None, after);
        Ok(decision.put(place.clone().record()).event(event).giving(MappedOwner::Changed(place)))
    }
}
