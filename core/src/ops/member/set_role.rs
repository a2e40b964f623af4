//! Giving a role on one account: adds, re-adds or changes (rules M3, M6, M11).

use serde_json::json;

use super::add::added;
use super::grant::{custom, find_accounts, known_role};
use super::scene::{Scene, SceneRead};
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{Access, AccountStatus, Card, Invitation, MAX_ACCOUNTS, Member, MemberStatus};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::invitation::overtaken;
use crate::permission::{Permission, RoleRef};
use crate::policy::Reach;
use crate::reference::AccountRef;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Gives a member a role on an account.
#[derive(Debug)]
pub struct SetRole {
    /// Where.
    pub organization: OrganizationId,
    /// On which account.
    pub account: AccountRef,
    /// To whom.
    pub user: UserId,
    /// What lists show of them, if they join now.
    pub card: Card,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// Which.
    pub role: RoleRef,
    /// Only one who was a member before may be named this way; others answer 404.
    pub only_known: bool,
}

/// What [`SetRole`] did.
#[derive(Clone, PartialEq, Debug)]
pub struct RoleSet {
    /// The member after it, with as much of their access as the actor may see.
    pub member: Member,
    /// The account.
    pub account: AccountId,
    /// The role that the member had there.
    pub previous: Option<RoleRef>,
    /// Whether they were no member before, or not any more.
    pub joined: bool,
}

impl Operation for SetRole {
    type State = (SceneRead, Option<(AccountId, AccountStatus)>, Option<Invitation>);
    type Output = RoleSet;

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
        let account = find_accounts(view, &[&self.account]).await?.pop().flatten();
        view.fetch_roles(custom(&[self.role]).collect::<Vec<_>>()).await?;
        let scene = SceneRead::load_to_return(view, self.user, self.cuts).await?;
        let pending = scene.pending(view, self.card.email.as_ref(), self.cuts).await?;
        Ok((scene, account, pending))
    }

    fn decide(
        &self,
        (scene, account, pending): Self::State,
        facts: &Facts,
    ) -> Result<Decision<RoleSet>, Refusal> {
        let scene = scene.after_cuts(self.cuts, facts.now)?.open()?;
        let (account, status) = account.ok_or(Refusal::NotFound)?;
        known_role(scene.standing.roles(), self.role)?;
        if self.only_known && scene.member.is_none() {
            return Err(Refusal::NotFound);
        }
        let previous = self.judge(&scene, account, facts)?;
        let seen = scene.standing.scope(&Permission::of("members:read"));
        let shown = |member: &Member| match facts.actor.user() {
            Some(own) if own == self.user => member.clone(),
            _ => Member { access: seen.of(&member.access), ..member.clone() },
        };
        if previous == Some(self.role) {
            let member = shown(scene.known()?);
            return Ok(Decision::unchanged(RoleSet { member, account, previous, joined: false }));
        }
        if status == AccountStatus::Archived {
            return Err(Refusal::AccountGone);
        }
        let joined = !scene.is_active();
        let decision = match &scene.member {
            Some(member) if member.status == MemberStatus::Active => self.changed(member, account)?,
            before => {
                let access = Access::Accounts([(account, self.role)].into());
                let member = Member::joining(self.user, self.card.clone(), access, facts.now);
                let joined = added(Member { epoch: self.cuts, ..member.after(before.as_ref()) });
                let joined = scene.held.left_vacated(joined, before.as_ref(), facts.now);
                overtaken(joined, pending.as_ref(), facts.now)
            }
        };
        let output = RoleSet { member: shown(&decision.output), account, previous, joined };
        Ok(decision.giving(output))
    }
}

impl SetRole {
    /// Who may, and on whom; the role that the member has on the account.
    fn judge(&self, scene: &Scene, account: AccountId, facts: &Facts) -> Result<Option<RoleRef>, Refusal> {
        let (policy, reach) = (facts.policies.access.as_ref(), Reach::Account(account));
        let held = scene.member.as_ref().map_or(Access::NONE, |member| member.access.clone());
        let previous = held.role_on(account);
        let permission = if previous.is_some() { "members:update" } else { "members:add" };
        policy.require(&scene.standing, permission, reach)?;
        scene.not_the_owner(self.user)?;
        let grant = Access::Accounts([(account, self.role)].into());
        policy.may_grant(&scene.standing, &grant)?;
        policy.may_manage(&scene.standing, &held, reach)?;
        if previous.is_some() {
            policy.may_change_own(&scene.standing, &facts.actor, self.user, &held, &grant)?;
        }
        if scene.member.as_ref().is_some_and(|member| member.status == MemberStatus::Deactivated) {
            return Err(Refusal::MemberDeactivated);
        }
        if let Some(role) = held.organization_role() {
            return Err(Refusal::ImplicitAccess(role));
        }
        Ok(previous)
    }

    fn changed(&self, member: &Member, account: AccountId) -> Result<Decision<Member>, Refusal> {
        let mut after = member.clone();
        if let Access::Accounts(roles) = &mut after.access {
            roles.insert(account, self.role);
            if roles.len() > MAX_ACCOUNTS {
                return Err(Refusal::invalid("", crate::model::AccessOverLimit.to_string()));
            }
        }
        let event = Event::member("member.access_changed", self.user)
            .before(json!({"access": member.access}))
            .after(json!({"access": after.access, "account": account}));
        Ok(Decision::unchanged(after.clone()).put(Record::Member(after)).event(event))
    }
}
