//! Roster itself, driven by the same steps.

use std::sync::Arc;

use roster_core::actor::{Actor, Via};
use roster_core::facts::{Entropy, Request};
use roster_core::flows::{
    CheckAsk, CheckOn, NewAccount, NewMember, NewOrganization, NewUser, RemovalRow, Who, add_member, check,
    close_organization, create_account, create_organization, create_user, remove_many, require_removal,
    set_role, update_user,
};
use roster_core::home::{Home, Record, Tally};
use roster_core::id::{AccountId, CommitId, OrganizationId, UserId};
use roster_core::log::{Body, Head, LogFilter, Logged};
use roster_core::model::{AccountStatus, Card, TraitPatch};
use roster_core::op::{Roster, run};
use roster_core::ops::account::{AccountPatch, ArchiveAccount, UpdateAccount};
use roster_core::ops::member::{
    AccessAsk, Joining, LeaveOrganization, MemberPatch, RemoveFromAccount, RemoveMember, ReplaceAccess,
    UpdateMember,
};
use roster_core::ops::organization::SetSeats;
use roster_core::ops::ownership::TransferOwnership;
use roster_core::ops::user::UserPatch;
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reference::{AccountRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::store::{Clock, Dump};
use roster_core::time::Timestamp;
use roster_core::verify::verify_all;
use roster_tests::stores::{CountingEntropy, TestStore, copied, fresh};

use crate::reference::{Account, User, beginning};
use crate::step::{Access, Act, Role, Step, USERS};

/// One store with the organization of the model, and another beside it that nothing may touch.
pub struct System {
    at: TestStore,
    roster: Roster,
    entropy: Arc<dyn Entropy>,
    ids: Ids,
    /// The log of the organization when it was made.
    born: u64,
}

#[derive(Clone)]
struct Ids {
    organization: OrganizationId,
    other: OrganizationId,
    users: Vec<UserId>,
    accounts: Vec<AccountId>,
}

/// The code of a refusal, or done, with what was answered.
pub type Outcome = (Result<(), &'static str>, String);

impl System {
    /// The world as it begins.
    pub async fn build(store: &str) -> Self {
        let at = fresh(store).await;
        let entropy = CountingEntropy::new(at.clock.clone());
        let roster = make(&at, 0);
        let request = || Request::new(Actor::CLI, &entropy);
        let mut users = Vec::new();
        for n in 0..USERS {
            users.push(create_user(&roster, &request(), &person(n)).await.unwrap().id);
        }
        let new = |name: &str, owner, purchased| NewOrganization {
            name: name.parse().unwrap(),
            external_id: None,
            slug: None,
            owner: person(owner),
            purchased,
            accounts: vec![("one".parse().unwrap(), None), ("two".parse().unwrap(), None)],
        };
        let created = create_organization(&roster, &request(), &new("Cloud", 0, Some(5))).await;
        let organization = created.unwrap().output;
        let created = create_organization(&roster, &request(), &new("Other", 1, None)).await;
        let other = created.unwrap().output;
        let dump = roster.store.dump(&Home::Organization(organization)).await.unwrap();
        let mut accounts: Vec<_> = accounts(&dump).collect();
        accounts.sort_by(|(_, name, _), (_, other, _)| name.cmp(other));
        let accounts = accounts.into_iter().map(|(id, ..)| id).collect();
        let world = Self::on(at, Ids { organization, other, users, accounts }, 1_000_000).await;
        let everywhere = Access::Organization(Role::Admin);
        for (user, access) in beginning().into_iter().skip(1) {
            world.join(&request(), organization, user, &access).await;
        }
        for user in 2..USERS {
            world.join(&request(), other, user, &everywhere).await;
        }
        Self::on(world.at, world.ids, 2_000_000).await
    }

    async fn join(&self, request: &Request, organization: OrganizationId, user: User, access: &Access) {
        let joining = Joining { access: self.access(access), starts_at: None, expires_at: None };
        let new = NewMember { who: Who::Known(UserRef::Id(self.ids.users[user])), joining };
        add_member(&self.roster, request, organization, &new, None).await.unwrap();
    }

    /// The same world on a store of its own.
    pub async fn like(template: &Self) -> Self {
        match template.at.name {
            "memory" => Self::build("memory").await,
            _ => Self::on(copied(&template.at).await, template.ids.clone(), 2_000_000).await,
        }
    }

    /// Nothing that was drawn before may be drawn again: a commit with the id of another is not done.
    async fn on(at: TestStore, ids: Ids, drawn: u64) -> Self {
        let roster = make(&at, drawn);
        let entropy = Arc::new(CountingEntropy::after(at.clock.clone(), drawn + 500_000));
        let home = Home::Organization(ids.organization);
        let born = roster.store.read(&home, &[], &[]).await.unwrap().head.seq;
        Self { at, roster, entropy, ids, born }
    }

    /// Does a step.
    pub async fn apply(&mut self, step: &Step) -> Vec<Outcome> {
        let actor = match step.actor {
            Some(user) => Actor::User { user: self.ids.users[user], via: Via::Operator { key: None } },
            None => Actor::CLI,
        };
        let request = Request::new(actor, self.entropy.as_ref());
        match &step.act {
            Act::Advance(seconds) => {
                self.at.clock.advance_seconds(i64::from(*seconds));
                vec![(Ok(()), String::new())]
            }
            Act::RemoveMany(account, users) => self.remove_many(&request, *account, users).await,
            act => {
                let answer = Box::pin(self.act(&request, step.actor, act)).await;
                vec![match answer {
                    Ok(answer) => (Ok(()), answer),
                    Err(OpError::Refused(refusal)) => (Err(refusal.code()), format!("{refusal:?}")),
                    Err(error) => panic!("{step:?}: {error}"),
                }]
            }
        }
    }

    async fn remove_many(&self, request: &Request, account: Account, users: &[User]) -> Vec<Outcome> {
        let Ids { organization, .. } = self.ids;
        let account = self.account(account);
        let names: Vec<String> = users.iter().map(|user| self.ids.users[*user].to_string()).collect();
        let checked = require_removal(&self.roster, request, organization, &account, names.len()).await;
        if let Err(OpError::Refused(refusal)) = checked {
            return vec![(Err(refusal.code()), format!("{refusal:?}"))];
        }
        let rows = remove_many(&self.roster, request, organization, &account, &names).await.unwrap();
        rows.iter()
            .map(|row| match row {
                RemovalRow::Removed | RemovalRow::Unchanged => (Ok(()), format!("{row:?}")),
                RemovalRow::Refused(refusal) => (Err(refusal.code()), format!("{row:?}")),
            })
            .collect()
    }

    async fn act(&mut self, request: &Request, actor: Option<User>, act: &Act) -> Result<String, OpError> {
        let (roster, organization) = (&self.roster, self.ids.organization);
        let id = |user: &User| self.ids.users[*user];
        Ok(match act {
            Act::Advance(_) | Act::RemoveMany(..) => unreachable!("done elsewhere"),
            Act::Add { user, access, expires_in } => {
                let expires_at = expires_in.map(|seconds| self.in_seconds(seconds));
                let joining = Joining { access: self.access(access), starts_at: None, expires_at };
                let new = NewMember { who: Who::Known(UserRef::Id(id(user))), joining };
                format!("{:?}", add_member(roster, request, organization, &new, None).await?)
            }
            Act::SetRole(account, user, role) => {
                let (account, user) = (self.account(*account), UserRef::Id(id(user)));
                let role = role_ref(*role);
                format!("{:?}", set_role(roster, request, organization, &account, &user, role).await?)
            }
            Act::ReplaceAccess(user, access) => {
                let (user, access) = (id(user), self.access(access));
                format!(
                    "{:?}",
                    run(roster, request, &ReplaceAccess { organization, user, cuts: 0, access }).await?
                )
            }
            Act::RemoveFromAccount(account, user) => {
                let (user, account) = (id(user), self.account(*account));
                let operation = RemoveFromAccount { organization, account, user };
                format!("{:?}", run(roster, request, &operation).await?)
            }
            Act::Remove(user) => {
                format!("{:?}", run(roster, request, &RemoveMember { organization, user: id(user) }).await?)
            }
            Act::Leave => match actor {
                Some(user) => {
                    let operation = LeaveOrganization { organization, user: id(&user) };
                    format!("{:?}", run(roster, request, &operation).await?)
                }
                None => String::new(),
            },
            Act::Transfer(to, role) => {
                let operation = TransferOwnership::new(organization, (id(to), 0), role_ref(*role));
                format!("{:?}", run(roster, request, &operation).await?)
            }
            Act::SetSeats(purchased) => {
                let operation = SetSeats { organization, purchased: *purchased };
                format!("{:?}", run(roster, request, &operation).await?)
            }
            Act::SetActive(account, true) => {
                let account = self.account_id(*account);
                let patch = AccountPatch { status: Some(AccountStatus::Active), ..AccountPatch::default() };
                format!("{:?}", run(roster, request, &UpdateAccount { organization, account, patch }).await?)
            }
            Act::SetActive(account, false) => {
                let account = self.account_id(*account);
                format!("{:?}", run(roster, request, &ArchiveAccount { organization, account }).await?)
            }
            Act::CreateAccount => {
                let new = NewAccount {
                    name: "more".parse().unwrap(),
                    external_id: None,
                    traits: TraitPatch::default(),
                };
                let done = create_account(roster, request, organization, &new, None).await?;
                let answer = format!("{done:?}");
                self.ids.accounts.push(done.output.id);
                answer
            }
            Act::SetExpiry(user, expires) => {
                let expires_at = Some(expires.map(|seconds| self.in_seconds(seconds)));
                let patch = MemberPatch { expires_at, ..MemberPatch::default() };
                let operation = UpdateMember { organization, user: id(user), patch };
                format!("{:?}", run(roster, request, &operation).await?)
            }
            Act::Close => format!("{:?}", close_organization(roster, request, organization, true).await?),
            Act::ChangeEmail(user, email) => {
                let email = Some(Some(format!("e{email}@example.com").parse().unwrap()));
                let patch = UserPatch { email, ..UserPatch::default() };
                let request = Request { actor: Actor::CLI, ..request.clone() };
                format!("{:?}", update_user(roster, &request, id(user), &patch).await?)
            }
        })
    }

    fn in_seconds(&self, seconds: u8) -> Timestamp {
        self.at.clock.now().plus_seconds(i64::from(seconds))
    }

    fn account_id(&self, account: Account) -> AccountId {
        self.ids.accounts[account % self.ids.accounts.len()]
    }

    fn account(&self, account: Account) -> AccountRef {
        AccountRef::Id(self.account_id(account))
    }

    fn access(&self, access: &Access) -> AccessAsk {
        match access.within(self.ids.accounts.len()) {
            Access::Organization(role) => AccessAsk::Organization(role_ref(role)),
            Access::Accounts(roles) => AccessAsk::Accounts(
                roles.into_iter().map(|(account, role)| (self.account(account), role_ref(role))).collect(),
            ),
        }
    }

    /// The answers of `check` for `records:manage`: each person on the whole, then on each account.
    pub async fn checks(&self) -> Vec<&'static str> {
        let places = std::iter::once(CheckOn::Organization)
            .chain(self.ids.accounts.iter().map(|account| CheckOn::Account(Some(*account))));
        let asks: Vec<CheckAsk> = self
            .ids
            .users
            .iter()
            .flat_map(|user| places.clone().map(move |on| (user, on)))
            .map(|(user, on)| CheckAsk {
                user: Some(*user),
                organization: Some(self.ids.organization),
                on,
                permission: "records:manage".parse().unwrap(),
            })
            .collect();
        let answers = check(&self.roster, &asks, true).await.unwrap();
        answers.into_iter().map(|answer| answer.reason.name()).collect()
    }

    /// Owner, seats paid for and used as they count now.
    pub async fn figures(&self) -> (User, Option<u32>, i64) {
        let home = Home::Organization(self.ids.organization);
        let dump = self.roster.store.dump(&home).await.unwrap();
        let organization = dump.records.iter().find_map(|stored| match &stored.record {
            Record::Organization(organization) => Some(organization),
            _ => None,
        });
        let organization = organization.unwrap();
        let owner = self.ids.users.iter().position(|user| *user == organization.owner).unwrap();
        let now = self.at.clock.now();
        let ended: i64 = dump.due.iter().filter(|due| due.at <= now).map(|due| due.seats).sum();
        let used = dump.tallies.get(&Tally::Seats).copied().unwrap_or(0) - ended;
        (owner, organization.purchased, used)
    }

    /// Everything that is kept of both organizations, and their logs to the byte.
    pub async fn kept(&self) -> [(Dump, Vec<Logged>); 2] {
        let kept = async |organization| {
            let home = Home::Organization(organization);
            let mut dump = self.roster.store.dump(&home).await.unwrap();
            dump.records.sort_by_key(|stored| stored.record.key());
            dump.due.sort();
            (dump, self.roster.store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap())
        };
        [kept(self.ids.organization).await, kept(self.ids.other).await]
    }

    /// What the log of the organization says since it was made, without what time did.
    pub async fn actions(&self) -> Vec<String> {
        let home = Home::Organization(self.ids.organization);
        let log = self.roster.store.log(&home, self.born, u16::MAX, &LogFilter::ALL).await.unwrap();
        let bodies = log.iter().map(|logged| serde_json::from_slice::<Body>(&logged.body).unwrap());
        let actions = bodies.flat_map(|body| body.changes).map(|change| change.action);
        actions.filter(|action| action != "member.expired").collect()
    }

    /// The organization beside it, without what its members are called.
    pub async fn beside(&self) -> Dump {
        let [_, (mut dump, _)] = self.kept().await;
        for stored in &mut dump.records {
            if let Record::Member(member) = &mut stored.record {
                member.card = Card::default();
                stored.version = CommitId::from_uuid(uuid::Uuid::nil());
            }
        }
        dump.head = Head::start(&Home::Organization(self.ids.other));
        dump
    }

    /// What `verify` finds.
    pub async fn findings(&self) -> Vec<String> {
        let verdict = verify_all(&self.roster, &mut |_| {}).await.unwrap();
        verdict.findings.iter().map(ToString::to_string).collect()
    }
}

fn make(at: &TestStore, drawn: u64) -> Roster {
    let entropy = Arc::new(CountingEntropy::after(at.clock.clone(), drawn));
    Roster::new(at.store.clone(), entropy)
}

fn person(n: usize) -> NewUser {
    NewUser { email: Some(format!("p{n}@example.com").parse().unwrap()), ..NewUser::default() }
}

fn accounts(dump: &Dump) -> impl Iterator<Item = (AccountId, String, AccountStatus)> {
    dump.records.iter().filter_map(|stored| match &stored.record {
        Record::Account(account) => Some((account.id, account.name.to_string(), account.status)),
        _ => None,
    })
}

fn role_ref(role: Role) -> RoleRef {
    RoleRef::System(match role {
        Role::Owner => SystemRole::Owner,
        Role::Admin => SystemRole::Admin,
        Role::Member => SystemRole::Member,
        Role::Viewer => SystemRole::Viewer,
    })
}
