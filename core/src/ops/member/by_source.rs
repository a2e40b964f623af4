//! What sources say about who belongs to which account (rules G2, G4, G6, M9).

use std::collections::BTreeMap;

use super::grant::find_accounts;
use super::scene::SceneRead;
use super::{RemoveFromAccount, SetRole};
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{AccountId, Version};
use crate::model::customer::{LinkClock, LinkMark, TheLinkClock};
use crate::model::{AccountStatus, Member, MemberStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Gives a person the source's role on an account, if they have none there. It changes no role that they have.
#[derive(Debug)]
pub struct LinkBySource {
    /// The role, where, on what and to whom.
    pub set: SetRole,
    /// When the source said so.
    pub at: Timestamp,
    /// The membership as it was when the log was read for who took the account from them.
    pub seen: Option<Version>,
    /// Somebody else than a source has taken the account, or all, from them: they stay out.
    pub by_hand: bool,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linked {
    /// They have a role there now, or had one.
    Yes,
    /// A later message of a source said otherwise.
    Outdated,
    /// Somebody else than a source has removed them (rule M9).
    RemovedByHand,
}

/// What it reads.
#[derive(Debug)]
pub struct LinkRead {
    set: <SetRole as Operation>::State,
    member: Option<Member>,
    version: Option<Version>,
    clock: LinkClock,
}

impl Operation for LinkBySource {
    type State = LinkRead;
    type Output = Linked;

    fn home(&self) -> Home {
        self.set.home()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<LinkRead, StoreError> {
        let user = self.set.user;
        let clock = clock(view, user).await?;
        let set = self.set.load(view).await?;
        let member = view.get(&crate::home::TheMember(user)).await?;
        Ok(LinkRead { set, member, version: view.version(&Key::Member(user)), clock })
    }

    fn decide(&self, read: LinkRead, facts: &Facts) -> Result<Decision<Linked>, Refusal> {
        let LinkRead { set, member, version, clock } = read;
        let account = set.1.map(|(account, _)| account).ok_or(Refusal::NotFound)?;
        let Some(marked) = marked(&clock, account, self.at, true) else {
            return Ok(Decision::unchanged(Linked::Outdated));
        };
        let member = member.map(|member| member.after_cuts(self.set.cuts, facts.now));
        let status = member.as_ref().map(|member| member.status);
        if member.is_some_and(|member| member.access.role_on(account).is_some())
            && status == Some(MemberStatus::Active)
        {
            return Ok(keep(Decision::unchanged(Linked::Yes), &clock, marked));
        }
        if version != self.seen {
            return Err(Refusal::Conflict);
        }
        if self.by_hand || status == Some(MemberStatus::Former) {
            return Ok(Decision::unchanged(Linked::RemovedByHand));
        }
        let decision = self.set.decide(set, facts)?.giving(Linked::Yes);
        Ok(keep(decision, &clock, marked))
    }

    fn out_of_bounds(&self, tally: crate::home::Tally) -> Refusal {
        self.set.out_of_bounds(tally)
    }
}

/// Takes one account from a person, and nothing else. What is not linked stays so, and is remembered as unlinked.
#[derive(Debug)]
pub struct UnlinkBySource {
    /// From what, whom.
    pub remove: RemoveFromAccount,
    /// When the source said so.
    pub at: Timestamp,
}

impl Operation for UnlinkBySource {
    type State = (SceneRead, Option<(AccountId, AccountStatus)>, bool, LinkClock);
    type Output = bool;

    fn home(&self) -> Home {
        self.remove.home()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let user = self.remove.user;
        let clock = clock(view, user).await?;
        let member = view.get(&crate::home::TheMember(user)).await?.is_some();
        let scene = SceneRead::load_with_posts(view, user).await?;
        let account = find_accounts(view, &[&self.remove.account]).await?.pop().flatten();
        Ok((scene, account, member, clock))
    }

    fn decide(
        &self,
        (scene, found, member, clock): Self::State,
        facts: &Facts,
    ) -> Result<Decision<bool>, Refusal> {
        let account = found.map(|(account, _)| account).ok_or(Refusal::NotFound)?;
        let Some(marked) = marked(&clock, account, self.at, false) else {
            return Ok(Decision::unchanged(false));
        };
        if !member {
            return Ok(keep(Decision::unchanged(false), &clock, marked));
        }
        let decision = self.remove.decide((scene, found), facts)?;
        Ok(keep(decision, &clock, marked))
    }
}

async fn clock(view: &mut View<'_>, user: crate::id::UserId) -> Result<LinkClock, StoreError> {
    let found = view.get(&TheLinkClock(user)).await?;
    Ok(found.unwrap_or(LinkClock { user, accounts: BTreeMap::new() }))
}

/// The clock with what is said now; nothing where something later was said. Of two at the same instant, out wins.
fn marked(clock: &LinkClock, account: AccountId, at: Timestamp, linked: bool) -> Option<LinkClock> {
    let news = clock
        .accounts
        .get(&account)
        .is_none_or(|known| at > known.at || (at == known.at && (known.linked == linked || !linked)));
    news.then(|| {
        let mut accounts = clock.accounts.clone();
        accounts.insert(account, LinkMark { at, linked });
        LinkClock { user: clock.user, accounts }
    })
}

fn keep<T>(decision: Decision<T>, before: &LinkClock, after: LinkClock) -> Decision<T> {
    if *before == after { decision } else { decision.put(after.into()) }
}
