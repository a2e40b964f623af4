//! Removing a member from one account (rules M1, M3, O2, T4).

use serde_json::json;

use super::grant::find_accounts;
use super::scene::SceneRead;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{Access, AccountStatus, Member, MemberStatus, Post, PostName};
use crate::op::{Decision, Event, Operation, View};
use crate::policy::Reach;
use crate::reference::AccountRef;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes one account from a member and nothing else. Says whether anything changed.
#[derive(Debug)]
pub struct RemoveFromAccount {
    /// Where.
    pub organization: OrganizationId,
    /// From which account.
    pub account: AccountRef,
    /// Whom.
    pub user: UserId,
}

impl Operation for RemoveFromAccount {
    type State = (SceneRead, Option<(AccountId, AccountStatus)>);
    type Output = bool;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let scene = SceneRead::load_with_posts(view, self.user).await?;
        let account = find_accounts(view, &[&self.account]).await?.pop().flatten();
        let scene = scene.on_accounts(view, account.map(|(id, _)| id)).await?;
        Ok((scene, account))
    }

    fn decide(&self, (scene, account): Self::State, facts: &Facts) -> Result<Decision<bool>, Refusal> {
        let scene = scene.open()?;
        let (account, _) = account.ok_or(Refusal::NotFound)?;
        let member = scene.known()?;
        let (policy, reach) = (facts.policies.access.as_ref(), Reach::Account(account));
        policy.require(&scene.standing, "members:remove", reach)?;
        scene.not_the_owner(self.user)?;
        policy.may_manage(&scene.standing, &member.access, reach)?;
        match &member.access {
            Access::Organization(role) => Err(Refusal::ImplicitAccess(*role)),
            Access::Accounts(roles) if roles.contains_key(&account) => {
                let on_it = |name: &PostName, _: &Post| name.account == Some(account);
                Ok(scene.held.vacated(without(member, account), facts.now, on_it))
            }
            Access::Accounts(_) => Ok(Decision::unchanged(false)),
        }
    }
}

fn without(member: &Member, account: AccountId) -> Decision<bool> {
    debug_assert_ne!(member.status, MemberStatus::Former, "a former member has no access");
    let mut left = member.clone();
    if let Access::Accounts(roles) = &mut left.access {
        roles.remove(&account);
    }
    let event = Event::member("member.access_changed", member.user)
        .before(json!({"access": member.access}))
        .after(json!({"access": left.access, "account": account}));
    Decision::unchanged(true).put(Record::Member(left)).event(event)
}
