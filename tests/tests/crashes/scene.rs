//! The world before a crash, and what readers see after one.

use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::{Entropy, Request};
use roster_core::flows::{NewMember, Who, add_member, create_organization, create_user, invite};
use roster_core::home::{Home, Key, Record};
use roster_core::listing::{MemberSort, PageRequest};
use roster_core::log::{Body, LogFilter};
use roster_core::model::{Access, ClaimTarget, DirectoryId, PostName};
use roster_core::op::{Roster, run};
use roster_core::ops::invitation::{InviteAsk, InviteOutcome};
use roster_core::ops::leaving::LeavingMode;
use roster_core::ops::member::{AccessAsk, Joining};
use roster_core::ops::post::SetPost;
use roster_core::ops::record::PutRecord;
use roster_core::reads::{self, MemberFilter};
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::secret::InvitationLink;
use roster_tests::gate::{Between, Hook};
use roster_tests::http::roster_on;
use roster_tests::stores::{CountingEntropy, ManualClock, TestStore, copied, fresh};

use crate::flow::{Ids, MEMBER, external, new_organization, person};

/// A world and the way to it.
pub struct Scene {
    pub at: TestStore,
    pub entropy: Arc<dyn Entropy>,
    pub ids: Ids,
}

const PAGE: PageRequest = PageRequest { after: None, limit: 100 };

impl Scene {
    /// `ext:cloud` and `ext:other`, with people; always the same.
    pub async fn on(store: &str) -> Self {
        let at = fresh(store).await;
        let entropy: Arc<dyn Entropy> = Arc::new(CountingEntropy::new(at.clock.clone()));
        let roster = roster_on(at.store.clone(), Arc::clone(&entropy));
        let request = || Request::new(Actor::CLI, entropy.as_ref());
        let mut made = Vec::new();
        for (name, id, owner) in [("Cloud", "cloud", "olga"), ("Other", "other", "otto")] {
            let new = new_organization(name, id, owner);
            made.push(create_organization(&roster, &request(), &new).await.unwrap().output);
        }
        let fay = create_user(&roster, &request(), &person("fay", Some("fay"))).await.unwrap().id;
        let ute = create_user(&roster, &request(), &person("ute", None)).await.unwrap().id;
        let members = ["max", "mia", "moe"].map(|name| Who::Person(person(name, Some(name))));
        let both = [Who::Known(UserRef::Id(ute))];
        let joins = members.into_iter().chain(both.clone()).map(|who| (made[0], who));
        for (organization, who) in joins.chain(both.into_iter().map(|who| (made[1], who))) {
            let access = AccessAsk::Accounts(vec![(external("north"), MEMBER)]);
            let joining = Joining { access, starts_at: None, expires_at: None };
            let new = NewMember { who, joining };
            add_member(&roster, &request(), organization, &new, None).await.unwrap();
        }
        let cloud = made[0];
        let access = AccessAsk::Accounts(vec![(external("south"), MEMBER)]);
        let mut links = Vec::new();
        for name in ["fay", "rita.new"] {
            let (email, access) = (format!("{name}@example.com").parse().unwrap(), access.clone());
            let ask =
                InviteAsk { email, access, expires_in: None, name: None, user: None, cuts: 0, cut_at: None };
            let invited = invite(&roster, &request(), cloud, ask, None).await.unwrap().output;
            let [(_, InviteOutcome::Invited(it))] = invited.as_slice() else { panic!("{invited:?}") };
            links.push(InvitationLink { organization: cloud, invitation: it.id, number: it.link });
        }
        let (link, newcomer) = (links[0], links[1]);
        let moe = UserRef::External("moe".parse().unwrap());
        let owner = reads::user(&roster, &request(), &moe).await.unwrap().value.id;
        for n in 0..2 {
            let (kind, external_id) = ("deal".parse().unwrap(), format!("d{n}").parse().unwrap());
            let put = PutRecord {
                organization: cloud,
                kind,
                external_id,
                owner,
                cuts: 0,
                account: None,
                title: None,
            };
            run(&roster, &request(), &put).await.unwrap();
        }
        let post = SetPost {
            erased: false,
            only_known: false,
            organization: cloud,
            name: PostName { account: None, key_role: Some("csm".parse().unwrap()) },
            user: owner,
            cuts: 0,
        };
        run(&roster, &request(), &post).await.unwrap();
        let plan = reads::leaving_plan(&roster, &request(), cloud, &moe, LeavingMode::Remove).await.unwrap();
        let revision = u128::from_str_radix(&plan.revision, 16).unwrap();
        let olga = UserRef::External("olga".parse().unwrap());
        let plan = reads::leaving_plan(&roster, &request(), cloud, &olga, LeavingMode::Remove).await.unwrap();
        let owners_revision = u128::from_str_radix(&plan.revision, 16).unwrap();
        Self { at, entropy, ids: Ids { cloud, ute, fay, link, revision, owners_revision, newcomer } }
    }

    /// The same on a copy of its store. What is drawn by chance there was not drawn before.
    pub async fn copied(&self) -> Self {
        let at = copied(&self.at).await;
        let entropy: Arc<dyn Entropy> = Arc::new(CountingEntropy::after(at.clock.clone(), 1 << 32));
        Self { at, entropy, ids: self.ids }
    }

    /// On the store itself.
    pub fn roster(&self) -> Roster {
        roster_on(self.at.store.clone(), Arc::clone(&self.entropy))
    }

    /// On the store behind a hook.
    pub fn behind(&self, hook: Arc<dyn Hook>) -> Roster {
        roster_on(Between::new(self.at.store.clone(), hook), Arc::clone(&self.entropy))
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.at.clock
    }

    /// What operators see, without ids: people, organizations, accounts, members, in lists and by name.
    pub async fn seen(&self) -> Vec<String> {
        let roster = self.roster();
        let request = Request::new(Actor::CLI, self.entropy.as_ref());
        let mut seen = Vec::new();
        let users = reads::users(&roster, &request, None, &PAGE).await.unwrap();
        for user in users.rows.into_iter().map(|shown| shown.value) {
            if let Some(id) = &user.external_id {
                let found = reads::user(&roster, &request, &UserRef::External(id.clone())).await.unwrap();
                assert_eq!(found.value, user, "the name leads to the person");
            }
            seen.push(format!("user {:?} {:?} {:?}", user.name, user.email, user.external_id));
            let accounts = reads::user_accounts(&roster, &request, &UserRef::Id(user.id), &PAGE).await;
            seen.extend(
                accounts.unwrap().rows.into_iter().map(|row| {
                    format!("reach {:?} {:?} {:?}", user.email, row.account.external_id, row.role)
                }),
            );
        }
        let organizations = reads::organizations(&roster, &request, None, None, &PAGE).await.unwrap();
        for shown in organizations.rows {
            seen.extend(self.organization(&roster, &request, shown).await);
        }
        seen.sort();
        seen
    }

    async fn organization(
        &self,
        roster: &Roster,
        request: &Request,
        shown: reads::OrganizationShown,
    ) -> Vec<String> {
        let organization = shown.organization.value;
        let external_id = organization.external_id.clone().unwrap();
        let named = OrganizationRef::External(external_id.clone());
        let found = roster_core::flows::resolve_organization(roster, &named).await.unwrap();
        assert_eq!(found, organization.id, "the name leads to the organization");
        assert!(shown.owner.email.is_some() && !shown.owner_unavailable, "the owner is there");
        let mut seen = vec![format!(
            "organization {} {external_id} {} {:?} {}",
            organization.name, organization.slug, organization.status, shown.used
        )];
        let accounts = reads::accounts(roster, request, organization.id, None, &PAGE).await.unwrap().rows;
        assert!(!accounts.is_empty(), "an organization has an account");
        let name_of = |account| {
            let account = accounts.iter().find(|shown| shown.value.id == account);
            account.and_then(|shown| shown.value.external_id.clone())
        };
        let filter = MemberFilter {
            status: None,
            account: None,
            role: None,
            q: None,
            sort: MemberSort::Id,
            by_last_seen: false,
            descending: false,
        };
        let members = reads::members(roster, request, organization.id, &filter, &PAGE).await.unwrap();
        for member in members.rows.into_iter().map(|shown| shown.value) {
            let user = reads::user(roster, request, &UserRef::Id(member.user)).await.unwrap().value;
            let access = match &member.access {
                Access::Organization(role) => format!("{role}"),
                Access::Accounts(roles) => {
                    let mut roles: Vec<String> =
                        roles.iter().map(|(id, role)| format!("{:?} {role}", name_of(*id))).collect();
                    roles.sort();
                    roles.join(", ")
                }
            };
            seen.push(format!("member {external_id} {:?} {:?} {access}", user.email, member.status));
        }
        let records = reads::records(roster, request, organization.id, None, None, &PAGE).await.unwrap();
        for record in records.rows.into_iter().map(|shown| shown.value) {
            let owner = reads::user(roster, request, &UserRef::Id(record.owner)).await.unwrap().value;
            seen.push(format!("record {external_id} {} {:?}", record.name(), owner.email));
        }
        for post in organization.posts.holders() {
            let holder = reads::user(roster, request, &UserRef::Id(post)).await.unwrap().value;
            seen.push(format!("post {external_id} {:?}", holder.email));
        }
        let invitations = reads::invitations(roster, request, organization.id, None, &PAGE).await.unwrap();
        seen.extend(
            invitations.rows.into_iter().map(|shown| {
                format!("invitation {external_id} {} {:?}", shown.value.email, shown.value.status)
            }),
        );
        seen.extend(accounts.iter().map(|shown| {
            format!(
                "account {external_id} {:?} {} {:?}",
                shown.value.external_id, shown.value.name, shown.value.status
            )
        }));
        seen
    }

    /// Everything that is kept, version by version, and what the logs say.
    pub async fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        for home in self.at.store.homes(None, u16::MAX).await.unwrap() {
            let dump = self.at.store.dump(&home).await.unwrap();
            kept.extend(
                dump.records
                    .iter()
                    .filter(|stored| !is_receipt(&stored.record))
                    .map(|stored| format!("{home} {:?}", stored.record)),
            );
            kept.push(format!("{home} {:?} {:?}", dump.tallies, dump.due));
            for logged in self.at.store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap() {
                let body: Body = serde_json::from_slice(&logged.body).unwrap();
                kept.extend(body.changes.iter().map(|change| {
                    format!("{home} log {} {} by {:?}", change.action, change.target_id, body.actor)
                }));
            }
        }
        kept.sort();
        kept
    }

    /// Names that lead to what is not there, or does not bear them.
    pub async fn dead_names(&self) -> Vec<String> {
        let mut dead = Vec::new();
        for home in self.at.store.homes(None, u16::MAX).await.unwrap() {
            let Home::Claim(name) = &home else { continue };
            for stored in self.at.store.dump(&home).await.unwrap().records {
                let Record::Claim(claim) = stored.record else { continue };
                if !self.bears(claim.target, name).await {
                    dead.push(home.to_string());
                }
            }
        }
        dead
    }

    /// What directories show that does not exist.
    pub async fn never_made(&self) -> Vec<String> {
        let mut never = Vec::new();
        for home in self.at.store.homes(None, u16::MAX).await.unwrap() {
            for stored in self.at.store.dump(&home).await.unwrap().records {
                let Record::DirectoryEntry(entry) = stored.record else { continue };
                let (home, key) = match entry.id {
                    DirectoryId::User(user) => (Home::User(user), Key::User),
                    DirectoryId::Organization(it) => (Home::Organization(it), Key::Organization),
                    DirectoryId::Job(job) => (entry.home().unwrap(), Key::Job(job)),
                };
                if self.at.store.read(&home, &[key], &[]).await.unwrap().records.is_empty() {
                    never.push(home.to_string());
                }
            }
        }
        never
    }

    async fn bears(&self, target: ClaimTarget, name: &roster_core::model::ClaimName) -> bool {
        let home = match target {
            ClaimTarget::User(user) => Home::User(user),
            ClaimTarget::Organization(organization) => Home::Organization(organization),
        };
        let dump = self.at.store.dump(&home).await.unwrap();
        let value = name.value();
        dump.records.iter().any(|stored| match &stored.record {
            Record::User(user) => {
                user.email.as_ref().is_some_and(|email| email.key() == value)
                    || user.external_id.as_ref().is_some_and(|id| id.as_str() == value)
            }
            Record::Organization(it) => {
                it.slug.as_str() == value || it.external_id.as_ref().is_some_and(|id| id.as_str() == value)
            }
            Record::Account(account) => account.id.to_string() == value,
            _ => false,
        })
    }
}

fn is_receipt(record: &Record) -> bool {
    matches!(record, Record::Receipt(_))
}
