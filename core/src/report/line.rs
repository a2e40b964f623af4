//! A line of a survey: what was read of an account or an organization, and the value of each column.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::cell::Cell;
use super::field::Field;
use crate::id::{OrganizationId, UserId};
use crate::model::customer::Presence;
use crate::model::{Account, FormerMembers, Member, MemberStatus, Organization, Post, Posts};
use crate::time::Timestamp;

/// What is known of an organization.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The organization.
    pub organization: Organization,
    /// The instant by which all in it is judged.
    pub now: Timestamp,
    /// Seats in use; nothing that time has ended holds one.
    pub seats: i64,
    /// Accounts that are not archived.
    pub accounts: i64,
    /// Its members.
    pub counts: Counts,
}

/// How many members an organization has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// In.
    pub active: i64,
    /// Out for now.
    pub deactivated: i64,
    /// Out.
    pub former: i64,
    /// Active, then deactivated ones with access to every account.
    pub wide: [i64; 2],
}

/// People of an organization whom lines name: memberships as time has made them, and when they were seen, as far as it
/// counts still (rule L4).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct People {
    members: BTreeMap<UserId, Member>,
    seen: BTreeMap<UserId, Presence>,
}

/// An account or an organization, as far as it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    place: Arc<Place>,
    account: Option<Account>,
    /// Active, then deactivated members with access to the account by name.
    members: Option<[i64; 2]>,
    named: Option<Named>,
}

/// Who is named.
#[derive(Clone, PartialEq, Debug)]
struct Named {
    owner: Option<Owner>,
    governor: Option<Member>,
}

/// Whoever holds the post of the owner.
#[derive(Clone, PartialEq, Debug)]
struct Owner {
    state: &'static str,
    source: &'static str,
    external: Option<String>,
    member: Option<Member>,
    presence: Option<Presence>,
}

impl Counts {
    /// Adds so many members of a status, with access to every account or not.
    pub fn add(&mut self, status: MemberStatus, wide: bool, number: i64) {
        let wide = if wide { number } else { 0 };
        match status {
            MemberStatus::Active => {
                self.active += number;
                self.wide[0] += wide;
            }
            MemberStatus::Deactivated => {
                self.deactivated += number;
                self.wide[1] += wide;
            }
            MemberStatus::Former => self.former += number,
        }
    }
}

impl People {
    /// Adds somebody, as time has made them.
    pub fn add(&mut self, member: Member, presence: Option<Presence>) {
        let counts = |it: &Presence| !member.is_deleted() && it.since >= member.deleted_at;
        if let Some(presence) = presence.filter(counts) {
            self.seen.insert(member.user, presence);
        }
        self.members.insert(member.user, member);
    }

    /// When somebody was seen.
    pub fn seen(&self, user: UserId) -> Option<&Presence> {
        self.seen.get(&user)
    }

    fn owner(&self, posts: &Posts) -> Option<Owner> {
        // One who has left holds it no more, whether or not it was written down.
        let post = posts.as_held(&self.members).account_owner?;
        let (source, external) = match &post {
            Post::Manual { .. } => ("manual", None),
            Post::Mapping { external_id, .. } => ("mapping", Some(external_id.to_string())),
        };
        let state = if post.holder().is_some() { "resolved" } else { "unresolved" };
        let member = post.holder().and_then(|user| self.members.get(&user).cloned());
        let presence = post.holder().and_then(|user| self.seen.get(&user).cloned());
        Some(Owner { state, source, external, member, presence })
    }
}

impl Line {
    /// A line of which nobody is known yet.
    pub const fn new(place: Arc<Place>, account: Option<Account>) -> Self {
        Self { place, account, members: None, named: None }
    }

    /// Puts in who holds posts on the account, where they were not read with it.
    pub fn set_posts(&mut self, posts: Posts) {
        if let Some(account) = &mut self.account {
            account.posts = posts;
        }
    }

    /// Whom it names.
    pub fn users(&self) -> impl Iterator<Item = UserId> {
        let governor = self.account.is_none().then_some(self.place.organization.owner);
        self.posts().account_owner.as_ref().and_then(Post::holder).into_iter().chain(governor)
    }

    /// Puts in whom it names, from all who were found in the organization.
    pub fn meet(&mut self, people: &People) {
        let governor = self.account.is_none().then_some(self.place.organization.owner);
        let governor = governor.and_then(|user| people.members.get(&user).cloned());
        self.named = Some(Named { owner: people.owner(self.posts()), governor });
    }

    /// Puts in how many active, then deactivated members have access to the account by name.
    pub const fn count(&mut self, members: [i64; 2]) {
        self.members = Some(members);
    }

    fn posts(&self) -> &Posts {
        self.account.as_ref().map_or(&self.place.organization.posts, |account| &account.posts)
    }

    /// The id of the account or the organization.
    pub fn id(&self) -> Uuid {
        self.account.as_ref().map_or_else(|| self.place.organization.id.uuid(), |account| account.id.uuid())
    }

    /// In which organization.
    pub fn organization(&self) -> OrganizationId {
        self.place.organization.id
    }

    /// The instant by which it is judged.
    pub fn now(&self) -> Timestamp {
        self.place.now
    }

    /// The value in a column.
    pub fn cell(&self, field: &Field) -> Cell {
        self.known(field).unwrap_or(Cell::Nothing)
    }

    /// The value in a column, if what it rests on was put in already.
    pub(super) fn known(&self, field: &Field) -> Option<Cell> {
        let organization = &self.place.organization;
        Some(match (field, &self.account) {
            (Field::Trait(name), Some(account)) => Cell::json(account.traits.get(name)),
            (Field::Trait(name), None) | (Field::OrganizationTrait(name), _) => {
                Cell::json(organization.traits.get(name))
            }
            (Field::Own(name), _) => match name.split_once('.') {
                Some(("owner", name)) => self.named.as_ref()?.owner_cell(name),
                Some(("organization", name)) => organization_cell(organization, name),
                Some(("governor", "user_id")) => Cell::text(Some(organization.owner)),
                Some(("governor", _)) => {
                    let governor = self.named.as_ref()?.governor.as_ref();
                    Cell::text(governor.and_then(|member| member.card.email.as_ref()))
                }
                Some(("seats", "used")) => Cell::count(self.place.seats),
                Some(("seats", _)) => {
                    organization.purchased.map_or(Cell::Nothing, |it| Cell::count(it.into()))
                }
                Some(("members", name)) => self.members_cell(name)?,
                _ => self.own_cell(name)?,
            },
        })
    }

    fn own_cell(&self, name: &str) -> Option<Cell> {
        Some(match (name, &self.account) {
            ("owner", _) => self.named.as_ref()?.owner_cell("user_id"),
            ("members", _) => self.members_cell("active")?,
            ("accounts", _) => Cell::count(self.place.accounts),
            ("organization_id", _) => Cell::text(Some(self.place.organization.id)),
            ("id", Some(account)) => Cell::text(Some(account.id)),
            ("external_id", Some(account)) => Cell::text(account.external_id.as_ref()),
            ("name", Some(account)) => Cell::text(Some(&account.name)),
            ("status", Some(account)) => Cell::json(serde_json::to_value(account.status).ok().as_ref()),
            ("created_at", Some(account)) => Cell::Time(account.created_at),
            (name, _) => organization_cell(&self.place.organization, name),
        })
    }

    fn members_cell(&self, name: &str) -> Option<Cell> {
        let counts = &self.place.counts;
        if name == "former" && self.place.organization.settings.former_members == FormerMembers::Hide {
            return Some(Cell::Nothing);
        }
        let on = |n: usize| match self.account {
            Some(_) => self.members.map(|members| counts.wide[n] + members[n]),
            None => Some([counts.active, counts.deactivated][n]),
        };
        Some(Cell::count(match name {
            "active" => on(0)?,
            "deactivated" => on(1)?,
            _ => counts.former,
        }))
    }
}

impl Named {
    fn owner_cell(&self, name: &str) -> Cell {
        let Some(owner) = &self.owner else {
            return if name == "state" { Cell::text(Some("none")) } else { Cell::Nothing };
        };
        let (member, presence) = (owner.member.as_ref(), owner.presence.as_ref());
        let seen = |pick: &dyn Fn(&Presence) -> Option<Timestamp>| Cell::time(presence.and_then(pick));
        match name {
            "state" => Cell::text(Some(owner.state)),
            "source" => Cell::text(Some(owner.source)),
            "user_id" => Cell::text(member.map(|member| member.user)),
            "external_id" => {
                let own = member.and_then(|member| member.card.external_id.as_ref()).map(ToString::to_string);
                Cell::text(own.or_else(|| owner.external.clone()))
            }
            "email" => Cell::text(member.and_then(|member| member.card.email.as_ref())),
            "name" => Cell::text(member.and_then(|member| member.card.name.as_ref())),
            "joined_at" => Cell::time(member.map(|member| member.joined_at)),
            "first_seen_at" => seen(&|presence| presence.first_seen_at),
            "last_seen_at" => seen(&|presence| presence.last_seen_at),
            "last_message_received_at" => seen(&|presence| presence.last_message_received_at),
            "last_message_sent_at" => seen(&|presence| presence.last_message_sent_at),
            // Nobody's sessions are no number; somebody who was never seen had none.
            _ => member
                .map_or(Cell::Nothing, |_| Cell::count(presence.map_or(0, |presence| presence.sessions))),
        }
    }
}

fn organization_cell(it: &Organization, name: &str) -> Cell {
    match name {
        "id" => Cell::text(Some(it.id)),
        "external_id" => Cell::text(it.external_id.as_ref()),
        "name" => Cell::text(Some(&it.name)),
        "slug" => Cell::text(Some(&it.slug)),
        "status" => Cell::json(serde_json::to_value(it.status).ok().as_ref()),
        "created_at" => Cell::Time(it.created_at),
        _ => Cell::Nothing,
    }
}
