//! One organization on which everything is contested: one seat is free, or was held by one whose time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use roster_core::actor::{Actor, Via};
use roster_core::facts::{Entropy, Request};
use roster_core::flows::{
    NewMember, NewOrganization, NewUser, Who, add_member, create_organization, create_user,
};
use roster_core::home::{Home, Record};
use roster_core::id::{AccountId, OrganizationId, UserId};
use roster_core::op::{Roster, run};
use roster_core::ops::member::{AccessAsk, Joining, RemoveMember};
use roster_core::ops::organization::SetSeats;
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reference::{AccountRef, UserRef};
use roster_core::store::Store;
use roster_core::time::Timestamp;
use roster_tests::stores::{CountingEntropy, START, TestStore, copied, fresh};

pub const MEMBER: RoleRef = RoleRef::System(SystemRole::Member);
pub const VIEWER: RoleRef = RoleRef::System(SystemRole::Viewer);

/// When the two meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Everybody is in, one seat is free.
    OneSeatFree,
    /// The temporary member's time is over, nobody has settled it, and all seats are held.
    OneHasExpired,
}

/// Who is there.
#[derive(Clone, Copy, Debug)]
pub struct People {
    pub organization: OrganizationId,
    pub one: AccountId,
    pub two: AccountId,
    pub olga: UserId,
    pub anna: UserId,
    pub bert: UserId,
    pub mia: UserId,
    pub tom: UserId,
    pub nina: UserId,
    /// A former member.
    pub nick: UserId,
    /// Paid for.
    pub seats: u32,
}

/// A store in which it all stands.
pub struct World {
    pub at: TestStore,
    pub people: People,
}

/// Randomness for what is not compared: numbers that make nobody wait.
#[derive(Debug)]
struct NoWaiting;

static DRAWN: AtomicU64 = AtomicU64::new(0);

impl Entropy for NoWaiting {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[1] = 1;
        bytes[24..].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    }

    fn millis(&self) -> u64 {
        (START.micros() / 1_000).unsigned_abs()
    }
}

/// A roster on a store.
pub fn roster(store: Arc<dyn Store>) -> Roster {
    Roster::new(store, Arc::new(NoWaiting))
}

/// A request of the operator's.
pub fn request() -> Request {
    Request::new(Actor::CLI, &NoWaiting)
}

/// A user, through the vendor's backend.
pub fn as_user(user: UserId) -> Actor {
    Actor::User { user, via: Via::Operator { key: None } }
}

/// Roles on accounts.
pub fn on(roles: &[(AccountId, RoleRef)]) -> AccessAsk {
    AccessAsk::Accounts(roles.iter().map(|(account, role)| (AccountRef::Id(*account), *role)).collect())
}

/// Worlds of one kind on one store. `SQLite`'s are copies of one that was built.
pub struct Builder {
    store: &'static str,
    moment: Moment,
    template: Option<World>,
}

impl Builder {
    /// Worlds of this kind.
    pub async fn new(store: &'static str, moment: Moment) -> Self {
        let template = if store == "memory" { None } else { Some(build(store, moment).await) };
        Self { store, moment, template }
    }

    /// A new world.
    pub async fn world(&self) -> World {
        let Some(template) = &self.template else {
            return build(self.store, self.moment).await;
        };
        World { at: copied(&template.at).await, people: template.people }
    }
}

async fn build(store: &str, moment: Moment) -> World {
    let at = fresh(store).await;
    let entropy = CountingEntropy::new(at.clock.clone());
    let roster = roster(at.store.clone());
    let request = || Request::new(Actor::CLI, &entropy);
    let person = |name: &str| NewUser {
        email: Some(format!("{name}@example.com").parse().unwrap()),
        name: Some(name.parse().unwrap()),
        ..NewUser::default()
    };
    let new = NewOrganization {
        name: "Cloud".parse().unwrap(),
        external_id: None,
        slug: None,
        owner: person("olga"),
        purchased: None,
        accounts: vec![("one".parse().unwrap(), None), ("two".parse().unwrap(), None)],
    };
    let organization = create_organization(&roster, &request(), &new).await.unwrap().output;
    let mut users = Vec::new();
    for name in ["anna", "bert", "mia", "tom", "nina", "nick"] {
        users.push(create_user(&roster, &request(), &person(name)).await.unwrap().id);
    }
    let dump = roster.store.dump(&Home::Organization(organization)).await.unwrap();
    let account = |name: &str| {
        let named = |record: &Record| match record {
            Record::Account(account) if account.name.as_str() == name => Some(account.id),
            _ => None,
        };
        dump.records.iter().find_map(|stored| named(&stored.record)).unwrap()
    };
    let owner = dump.records.iter().find_map(|stored| match &stored.record {
        Record::Organization(organization) => Some(organization.owner),
        _ => None,
    });
    let people = People {
        organization,
        one: account("one"),
        two: account("two"),
        olga: owner.unwrap(),
        anna: users[0],
        bert: users[1],
        mia: users[2],
        tom: users[3],
        nina: users[4],
        nick: users[5],
        seats: if moment == Moment::OneSeatFree { 6 } else { 5 },
    };
    let both = [(people.one, MEMBER), (people.two, MEMBER)];
    for (user, access, expires_at) in [
        (people.anna, AccessAsk::Organization(RoleRef::ADMIN), None),
        (people.bert, AccessAsk::Organization(RoleRef::ADMIN), None),
        (people.mia, on(&both), None),
        (people.tom, on(&both[..1]), Some(START.plus_seconds(100))),
    ] {
        join(&roster, &request(), organization, user, access, expires_at).await;
    }
    let former = AccessAsk::Organization(VIEWER);
    join(&roster, &request(), organization, people.nick, former, None).await;
    run(&roster, &request(), &RemoveMember { organization, user: people.nick }).await.unwrap();
    run(&roster, &request(), &SetSeats { organization, purchased: Some(people.seats) }).await.unwrap();
    if moment == Moment::OneHasExpired {
        at.clock.advance_seconds(200);
    }
    World { at, people }
}

async fn join(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: UserId,
    access: AccessAsk,
    expires_at: Option<Timestamp>,
) {
    let joining = Joining { access, starts_at: None, expires_at };
    let new = NewMember { who: Who::Known(UserRef::Id(user)), joining };
    add_member(roster, request, organization, &new, None).await.unwrap();
}
