//! `check` as requests ask it: things by their names, and only what the caller may ask.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::check::{CheckAnswer, CheckAsk, CheckOn, check};
use super::{resolve_account, resolve_organization, resolve_user};
use crate::facts::Request;
use crate::home::{Home, Key};
use crate::id::{AccountId, OrganizationId};
use crate::op::Roster;
use crate::permission::Permission;
use crate::policy::{Reach, Standing};
use crate::reads::visible_standing;
use crate::reference::{AccountRef, OrganizationRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// One question as it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Who.
    pub user: UserRef,
    /// What.
    pub permission: Permission,
    /// In which organization; the key's own where it is left out.
    pub organization: Option<OrganizationRef>,
    /// On which account; organization-wide where it is left out.
    pub account: Option<AccountRef>,
    /// Where the question stands in the request, for its refusal.
    pub pointer: String,
}

/// Answers questions for a caller who holds `check:ask` there, or who asks about themselves. What is not there, and
/// what the caller cannot see, answers `not_found` alike.
pub async fn check_named(
    roster: &Roster,
    request: &Request,
    asked: &[Asked],
) -> Result<Vec<CheckAnswer>, OpError> {
    let mut seen = Seen { roster, request, standings: BTreeMap::new() };
    let mut asks = Vec::with_capacity(asked.len());
    for one in asked {
        asks.push(seen.ask(one).await?);
    }
    check(roster, &asks, request.actor.is_operator()).await
}

/// How the caller stands in the organizations asked about.
struct Seen<'a> {
    roster: &'a Roster,
    request: &'a Request,
    standings: BTreeMap<OrganizationId, Option<Standing>>,
}

impl Seen<'_> {
    async fn ask(&mut self, asked: &Asked) -> Result<CheckAsk, OpError> {
        let user = known(resolve_user(self.roster, &asked.user).await)?;
        let permission = asked.permission.clone();
        let mut ask = CheckAsk { user, organization: None, on: CheckOn::Organization, permission };
        let named = match (&asked.organization, self.request.actor.bound_to()) {
            (Some(named), _) => known(resolve_organization(self.roster, named).await)?,
            (None, Some(own)) => Some(own),
            (None, None) => {
                let pointer = format!("{}/organization", asked.pointer);
                return Err(Refusal::invalid(pointer, "name the organization").into());
            }
        };
        let Some(organization) = named else { return Ok(ask) };
        self.look(organization).await?;
        let Some(Some(standing)) = self.standings.get(&organization) else { return Ok(ask) };
        ask.organization = Some(organization);
        if let Some(named) = &asked.account {
            ask.on = CheckOn::Account(account(self.roster, named, organization).await?);
        }
        let own = user.is_some() && user == self.request.actor.user();
        if own || may_ask(standing, ask.on) {
            return Ok(ask);
        }
        // An account that is not there is nobody's to be forbidden.
        let unknown = ask.on.unknown();
        if let CheckOn::Account(Some(account)) = ask.on
            && may_ask(standing, unknown)
            && !self.is_there(organization, account).await?
        {
            return Ok(CheckAsk { on: unknown, ..ask });
        }
        Err(Refusal::lacks("check:ask").into())
    }

    async fn is_there(&self, organization: OrganizationId, account: AccountId) -> Result<bool, OpError> {
        let (home, key) = (Home::Organization(organization), Key::Account(account));
        let read = self.roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
        Ok(read.records.contains_key(&key))
    }

    async fn look(&mut self, organization: OrganizationId) -> Result<(), OpError> {
        if let Entry::Vacant(place) = self.standings.entry(organization) {
            let found = known(visible_standing(self.roster, self.request, organization).await)?;
            place.insert(found.map(|(_, standing)| standing));
        }
        Ok(())
    }
}

/// Whether a caller who stands so may ask.
pub(super) fn may_ask(standing: &Standing, on: CheckOn) -> bool {
    let permission = Permission::of("check:ask");
    match on {
        CheckOn::Organization => standing.holds(&permission, Reach::Organization),
        CheckOn::Account(Some(account)) => standing.holds(&permission, Reach::Account(account)),
        CheckOn::Account(None) => standing.holds_somewhere(&permission),
    }
}

async fn account(
    roster: &Roster,
    named: &AccountRef,
    organization: OrganizationId,
) -> Result<Option<AccountId>, OpError> {
    match named {
        AccountRef::Id(id) => Ok(Some(*id)),
        AccountRef::External(_) => {
            Ok(known(resolve_account(roster, named, &[organization]).await)?.map(|(_, id)| id))
        }
    }
}

/// What is there; nothing for a 404.
fn known<T>(found: Result<T, OpError>) -> Result<Option<T>, OpError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(OpError::Refused(Refusal::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}
