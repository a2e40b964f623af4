//! One organization, two replicas, and acts that run on one of them by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use roster_core::actor::{Actor, Via};
use roster_core::facts::Request;
use roster_core::flows::{
    NewMember, NewOrganization, NewUser, Who, add_member, create_organization, create_user, set_role,
};
use roster_core::home::{Home, Record, Tally};
use roster_core::id::{AccountId, OrganizationId, UserId};
use roster_core::log::{Body, LogFilter};
use roster_core::op::{Operation, Roster, run};
use roster_core::ops::member::{AccessAsk, Joining, RemoveMember};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reference::{AccountRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::store::{ChangeSet, CommitError, Committed, Store};
use roster_core::verify::{verify_all, verify_home};
use tokio::task::JoinHandle;

use super::{GUARDS, Race};
use crate::gate::{Between, Hook};
use crate::http::roster_on;
use crate::replicas::again;
use crate::stores::{CountingEntropy, ManualClock, TestStore, fresh};

pub(super) const MEMBER: RoleRef = RoleRef::System(SystemRole::Member);
pub(super) const VIEWER: RoleRef = RoleRef::System(SystemRole::Viewer);

/// How an act ended: done, or the code of the refusal.
pub(super) type Outcome = Result<(), &'static str>;

/// Who is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct People {
    /// The owner.
    pub olga: UserId,
    /// An admin.
    pub anna: UserId,
    /// An admin too.
    pub bert: UserId,
    /// A member on both accounts.
    pub mia: UserId,
}

/// A store with an organization in it, and two replicas over it.
#[derive(Debug)]
pub(super) struct Scene {
    pub replicas: [Roster; 2],
    pub organization: OrganizationId,
    pub one: AccountId,
    pub two: AccountId,
    pub people: People,
    /// Four who are no members.
    pub guests: Vec<UserId>,
    /// Fifty who are no members, if they were asked for.
    pub crowd: Vec<UserId>,
    /// Their links, once they are invited.
    pub doors: Vec<String>,
    an_adding: Duration,
    pub round: u32,
    // Dropped last.
    test: TestStore,
}

impl Scene {
    /// A new one on a fresh store, with whom the race needs.
    pub async fn on(store: &'static str, race: Race) -> Self {
        let test = fresh(store).await;
        let entropy = Arc::new(CountingEntropy::new(test.clock.clone()));
        let roster = |store| roster_on(store, entropy.clone());
        let replicas = [roster(guarded(Arc::clone(&test.store))), roster(guarded(again(&test).await))];
        let mut users = Vec::new();
        for name in ["olga", "anna", "bert", "mia"] {
            users.push(person(&replicas[0], name).await);
        }
        let people = People { olga: users[0], anna: users[1], bert: users[2], mia: users[3] };
        let (mut guests, mut crowd) = (Vec::new(), Vec::new());
        for n in 0..4 {
            guests.push(person(&replicas[0], &format!("guest{n}")).await);
        }
        for n in 0..if race == Race::FiftyForOneSeat { 50 } else { 0 } {
            crowd.push(person(&replicas[0], &format!("crowd{n}")).await);
        }
        let nothing = (OrganizationId::from_uuid(uuid::Uuid::nil()), AccountId::from_uuid(uuid::Uuid::nil()));
        let (organization, one, two) = (nothing.0, nothing.1, nothing.1);
        let mut scene = Self {
            replicas,
            organization,
            one,
            two,
            people,
            guests,
            crowd,
            doors: Vec::new(),
            an_adding: Duration::ZERO,
            round: 0,
            test,
        };
        scene.organize().await;
        scene.admit().await;
        if matches!(
            race,
            Race::DemotedGranting
                | Race::CloseAndAdd
                | Race::RemovalAndRole
                | Race::DeactivationAndRole
                | Race::RoleDeletedAndGiven
                | Race::PlanAndRole
                | Race::ReassignAndPut
                | Race::EraseAndAccept
                | Race::EraseAndAdd
                | Race::AcceptAndAccept
                | Race::AcceptAndRevoke
                | Race::AcceptAndResend
                | Race::OfferAndTransfer
                | Race::OfferAndRemoval
                | Race::ComingAndGoing
                | Race::MixedForOneSeat
                | Race::AcceptAndInviter
                | Race::AcceptAndRemoveEverywhere
                | Race::KeyEndsInUse
        ) {
            scene.know_the_guests().await;
        }
        if race == Race::CloseAndAdd {
            scene.organize().await;
        }
        scene
    }

    /// A new organization takes the place of the old, with nobody in it but the owner.
    pub async fn organize(&mut self) {
        let roster = &self.replicas[0];
        let request = || Request::new(Actor::CLI, roster.entropy.as_ref());
        let account = |name: &str| (name.parse().expect("a name"), name.parse().ok());
        let new = NewOrganization {
            name: "Cloud".parse().expect("a name"),
            external_id: None,
            slug: None,
            owner: named("olga"),
            purchased: None,
            accounts: vec![account("one"), account("two")],
        };
        let made = create_organization(roster, &request(), &new).await.expect("an organization");
        self.organization = made.output;
        let dump = roster.store.dump(&self.home()).await.expect("a dump");
        let mut accounts = dump.records.iter().filter_map(|stored| match &stored.record {
            Record::Account(account) => Some(account.id),
            _ => None,
        });
        (self.one, self.two) = (accounts.next().expect("one"), accounts.next().expect("two"));
    }

    /// Makes the others members.
    async fn admit(&self) {
        let admin = || AccessAsk::Organization(RoleRef::ADMIN);
        for (user, access) in
            [(self.people.anna, admin()), (self.people.bert, admin()), (self.people.mia, self.on_both())]
        {
            let added = spawn_add(&self.replicas[0], Actor::CLI, self.organization, user, access);
            assert_eq!(added.await.expect("the act ends"), Ok(()));
        }
    }

    /// Waits before the shorter of two acts, so that from round to round it falls into another place of the longer one,
    /// which takes as long as so many addings.
    pub async fn stagger(&mut self, addings: u32) {
        self.round += 1;
        tokio::time::sleep(self.an_adding * addings * (self.round % 8) / 6).await;
    }

    /// Makes the guests members and removes them: an admin may name those who were members before, and it shows how
    /// long an adding takes.
    async fn know_the_guests(&mut self) {
        for user in &self.guests {
            let (access, begun) = (AccessAsk::Organization(VIEWER), Instant::now());
            let added = spawn_add(&self.replicas[0], Actor::CLI, self.organization, *user, access);
            assert_eq!(added.await.expect("the act ends"), Ok(()));
            self.an_adding = begun.elapsed();
            self.act(RemoveMember { organization: self.organization, user: *user }).await;
        }
    }

    /// The clock of both replicas.
    pub fn clock(&self) -> &ManualClock {
        &self.test.clock
    }

    /// The organization's home.
    pub fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    /// A member's access to both accounts.
    pub fn on_both(&self) -> AccessAsk {
        AccessAsk::Accounts([self.one, self.two].map(|account| (AccountRef::Id(account), MEMBER)).into())
    }

    /// An operator's act between two rounds, which must go well.
    pub async fn act<O: Operation + 'static>(&self, operation: O)
    where
        O::Output: 'static,
        O::State: 'static,
    {
        let done = spawn_run(&self.replicas[0], Actor::CLI, operation).await.expect("the act ends");
        assert_eq!(done, Ok(()), "what puts the scene back");
    }

    /// How many seats the tally counts.
    pub async fn seats_used(&self) -> i64 {
        let read = self.replicas[1].store.read(&self.home(), &[], &[Tally::Seats]).await.expect("a read");
        read.tallies[&Tally::Seats]
    }

    /// The end of the log.
    pub async fn seq(&self) -> u64 {
        self.replicas[1].store.read(&self.home(), &[], &[]).await.expect("a read").head.seq
    }

    /// What the log says since then: actions and their targets.
    pub async fn actions_since(&self, seq: u64) -> Vec<(String, String)> {
        let log =
            self.replicas[1].store.log(&self.home(), seq, u16::MAX, &LogFilter::ALL).await.expect("the log");
        let bodies = log.iter().map(|logged| serde_json::from_slice::<Body>(&logged.body).expect("a body"));
        bodies.flat_map(|body| body.changes).map(|change| (change.action, change.target_id)).collect()
    }

    /// Every invariant of the organization, or of the whole store: one owner, tallies that count right, a log without
    /// gaps, links.
    pub async fn verify(&self, whole: bool) -> Result<(), String> {
        let verdict = if whole {
            verify_all(&self.replicas[1], &mut |_| {}).await
        } else {
            verify_home(&self.replicas[1], &self.home()).await
        };
        let findings = verdict.expect("the store answers").findings;
        let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
        if found.is_empty() { Ok(()) } else { Err(format!("verify: {}", found.join("; "))) }
    }
}

/// A user, through the vendor's backend.
pub(super) fn as_user(user: UserId) -> Actor {
    Actor::User { user, via: Via::Operator { key: None } }
}

/// The code of a refusal.
pub(super) fn told<T>(ended: Result<T, OpError>) -> Outcome {
    match ended {
        Ok(_) => Ok(()),
        Err(OpError::Refused(refusal)) => Err(refusal.code()),
        Err(other) => panic!("the store failed: {other}"),
    }
}

/// An operation in a task of its own.
pub(super) fn spawn_run<O: Operation + 'static>(
    roster: &Roster,
    actor: Actor,
    operation: O,
) -> JoinHandle<Outcome>
where
    O::Output: 'static,
    O::State: 'static,
{
    let roster = roster.clone();
    tokio::spawn(async move {
        let request = Request::new(actor, roster.entropy.as_ref());
        told(run(&roster, &request, &operation).await)
    })
}

/// An adding in a task of its own.
pub(super) fn spawn_add(
    roster: &Roster,
    actor: Actor,
    organization: OrganizationId,
    user: UserId,
    access: AccessAsk,
) -> JoinHandle<Outcome> {
    let roster = roster.clone();
    tokio::spawn(async move {
        let request = Request::new(actor, roster.entropy.as_ref());
        let joining = Joining { access, starts_at: None, expires_at: None };
        let new = NewMember { who: Who::Known(UserRef::Id(user)), joining };
        told(add_member(&roster, &request, organization, &new, None).await)
    })
}

/// A change of role to viewer in a task of its own.
pub(super) fn spawn_set_role(
    roster: &Roster,
    actor: Actor,
    organization: OrganizationId,
    account: AccountId,
    user: UserId,
) -> JoinHandle<Outcome> {
    let roster = roster.clone();
    tokio::spawn(async move {
        let request = Request::new(actor, roster.entropy.as_ref());
        let (account, user) = (AccountRef::Id(account), UserRef::Id(user));
        told(set_role(&roster, &request, organization, &account, &user, VIEWER).await)
    })
}

/// How they all ended.
pub(super) async fn joined(acts: impl Iterator<Item = JoinHandle<Outcome>>) -> Vec<Outcome> {
    join_all(acts).await.into_iter().map(|ended| ended.expect("the act ends")).collect()
}

/// The store; without the guards of what is committed, where it is to be shown that races see that.
fn guarded(store: Arc<dyn Store>) -> Arc<dyn Store> {
    let off = std::env::var(GUARDS).is_ok_and(|guards| guards == "off");
    if off { Between::new(store, Arc::new(NoGuards)) } else { store }
}

#[derive(Debug)]
struct NoGuards;

#[async_trait]
impl Hook for NoGuards {
    async fn commit(&self, store: &dyn Store, changes: &ChangeSet) -> Result<Committed, CommitError> {
        store.commit(&ChangeSet { guards: BTreeMap::new(), ..changes.clone() }).await
    }
}

fn named(name: &str) -> NewUser {
    NewUser { email: Some(format!("{name}@example.com").parse().expect("an address")), ..NewUser::default() }
}

pub(super) async fn person(roster: &Roster, name: &str) -> UserId {
    let request = Request::new(Actor::CLI, roster.entropy.as_ref());
    create_user(roster, &request, &named(name)).await.expect("a user").id
}
