//! Replacing the whole access in one act (rules M3, M4, T4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::add::added;
use super::grant::{AccessAsk, AskRead};
use super::scene::{Scene, SceneRead};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{Access, Invitation, Member, MemberStatus, Post, PostName};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::invitation::overtaken;
use crate::permission::RoleRef;
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Gives a member exactly this access.
#[derive(Debug)]
pub struct ReplaceAccess {
    /// Where.
    pub organization: OrganizationId,
    /// To whom.
    pub user: UserId,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// What.
    pub access: AccessAsk,
}

/// A role on an account, or on all of them (`None`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GrantLine {
    /// Which; `None` for organization-wide.
    pub account: Option<AccountId>,
    /// The role.
    pub role: RoleRef,
}

/// A role that became another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GrantChange {
    /// The line after.
    pub now: GrantLine,
    /// The role before.
    pub previous_role: RoleRef,
}

/// What an access became another by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccessDiff {
    /// Given.
    pub added: Vec<GrantLine>,
    /// Taken.
    pub removed: Vec<GrantLine>,
    /// Another role than before.
    pub changed: Vec<GrantChange>,
    /// As before.
    pub unchanged: Vec<GrantLine>,
}

impl AccessDiff {
    /// Line by line.
    pub fn between(before: &Access, after: &Access) -> Self {
        let (before, after) = (lines(before), lines(after));
        let mut diff = Self::default();
        let accounts: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        for account in accounts {
            match (before.get(&account).copied(), after.get(&account).copied()) {
                (None, Some(role)) => diff.added.push(GrantLine { account, role }),
                (Some(role), None) => diff.removed.push(GrantLine { account, role }),
                (Some(old), Some(role)) if old == role => diff.unchanged.push(GrantLine { account, role }),
                (Some(previous_role), Some(role)) => {
                    diff.changed.push(GrantChange { now: GrantLine { account, role }, previous_role });
                }
                (None, None) => {}
            }
        }
        diff
    }

    /// The permission that each line of the answer needs, and where.
    fn needs(&self) -> impl Iterator<Item = (&'static str, Reach)> + '_ {
        let reach = |line: &GrantLine| line.account.map_or(Reach::Organization, Reach::Account);
        let added = self.added.iter().map(move |line| ("members:add", reach(line)));
        let removed = self.removed.iter().map(move |line| ("members:remove", reach(line)));
        let changed = self.changed.iter().map(move |change| ("members:update", reach(&change.now)));
        added.chain(removed).chain(changed)
    }
}

fn lines(access: &Access) -> BTreeMap<Option<AccountId>, RoleRef> {
    match access {
        Access::Organization(role) => [(None, *role)].into(),
        Access::Accounts(roles) => roles.iter().map(|(account, role)| (Some(*account), *role)).collect(),
    }
}

impl Operation for ReplaceAccess {
    type State = (SceneRead, AskRead, Option<Invitation>);
    type Output = (Member, AccessDiff);

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    fn knows_cuts(&self) -> bool {
        true
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let asked = self.access.load(view).await?;
        let scene = SceneRead::load_with_posts(view, self.user).await?;
        // What is given is read as it is asked for; what is taken, here.
        let accounts = scene.accounts();
        let scene = scene.on_accounts(view, accounts).await?;
        let pending = scene.pending(view, scene.address().as_ref(), self.cuts).await?;
        Ok((scene, asked, pending))
    }

    fn decide(
        &self,
        (scene, asked, pending): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let scene = scene.after_cuts(self.cuts, facts.now)?.open()?;
        let granting = self.access.resolve(&asked)?;
        let member = scene.known()?;
        let diff = AccessDiff::between(&member.access, &granting.access);
        self.judge(&scene, member, &granting.access, &diff, facts)?;
        if member.status == MemberStatus::Deactivated {
            return Err(Refusal::MemberDeactivated);
        }
        granting.none_archived_anew(&member.access)?;
        let decision = if member.status == MemberStatus::Former {
            let back = Member::joining(self.user, member.card.clone(), granting.access, facts.now);
            let back = added(Member { epoch: self.cuts, ..back.after(Some(member)) });
            let back = scene.held.left_vacated(back, Some(member), facts.now);
            overtaken(back, pending.as_ref(), facts.now)
        } else if granting.access == member.access {
            Decision::unchanged(member.clone())
        } else {
            let lost = |name: &PostName, _: &Post| {
                name.account.is_some_and(|account| {
                    member.access.role_on(account).is_some() && granting.access.role_on(account).is_none()
                })
            };
            scene.held.vacated(changed(member, granting.access.clone()), facts.now, lost)
        };
        let output = (decision.output.clone(), diff);
        Ok(decision.giving(output))
    }
}

impl ReplaceAccess {
    fn judge(
        &self,
        scene: &Scene,
        member: &Member,
        after: &Access,
        diff: &AccessDiff,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let policy = facts.policies.access.as_ref();
        diff.needs()
            .try_for_each(|(permission, reach)| policy.require(&scene.standing, permission, reach))?;
        if diff.needs().next().is_none() {
            // A former member comes in by it, with or without access.
            let needed = if member.status == MemberStatus::Former { "members:add" } else { "members:update" };
            policy.require(&scene.standing, needed, Reach::Organization)?;
        }
        scene.not_the_owner(self.user)?;
        let anew = match after {
            Access::Organization(_) => after.clone(),
            Access::Accounts(roles) => Access::Accounts(
                roles
                    .iter()
                    .filter(|(account, role)| member.access.role_on(**account) != Some(**role))
                    .map(|(account, role)| (*account, *role))
                    .collect(),
            ),
        };
        policy.may_grant(&scene.standing, &anew)?;
        let touched = |line: &GrantLine, role: RoleRef| match line.account {
            None => (Access::Organization(role), Reach::Organization),
            Some(account) => (Access::Accounts([(account, role)].into()), Reach::Account(account)),
        };
        let taken = diff.removed.iter().map(|line| touched(line, line.role));
        let turned = diff.changed.iter().map(|change| touched(&change.now, change.previous_role));
        for (held, reach) in taken.chain(turned) {
            policy.may_manage(&scene.standing, &held, reach)?;
        }
        policy.may_change_own(&scene.standing, &facts.actor, self.user, &member.access, after)
    }
}

fn changed(member: &Member, access: Access) -> Decision<Member> {
    let after = Member { access, ..member.clone() };
    let event = Event::member("member.access_changed", member.user)
        .before(json!({"access": member.access}))
        .after(json!({"access": after.access}));
    Decision::unchanged(after.clone()).put(Record::Member(after)).event(event)
}
