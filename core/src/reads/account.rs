//! Accounts.

use super::organization::{somewhere, visible_standing};
use super::post::as_held;
use super::{Rows, Shown};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{AccountId, OrganizationId};
use crate::listing::{Listing, PageRequest};
use crate::model::{Account, AccountStatus};
use crate::op::{Roster, View};
use crate::ops::member::find_accounts;
use crate::permission::Permission;
use crate::policy::Reach;
use crate::reference::AccountRef;
use crate::refusal::{OpError, Refusal};

/// One account: 404 for an unknown one, 403 for one out of reach.
pub async fn account(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &AccountRef,
) -> Result<Shown<Account>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let (id, _) = find_accounts(&mut view, &[named]).await?.pop().flatten().ok_or(Refusal::NotFound)?;
    roster.policies.access.require(&standing, "accounts:read", Reach::Account(id))?;
    let value = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    let posts = as_held(&mut view, &value.posts).await?;
    let version = view.shown_version(&Key::Account(id)).ok_or(Refusal::NotFound)?;
    let value = Account { posts, ..value };
    Ok(Shown { value, version })
}

/// The account that a request names; 404 for an unknown one. Whether the actor may act on it is for the act to say.
pub async fn account_id(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    named: &AccountRef,
) -> Result<AccountId, OpError> {
    let mut view = View::new(roster, Home::Organization(organization), request);
    let found = find_accounts(&mut view, &[named]).await?.pop().flatten();
    Ok(found.map(|(id, _)| id).ok_or(Refusal::NotFound)?)
}

/// The accounts that the actor may see.
pub async fn accounts(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    status: Option<AccountStatus>,
    page: &PageRequest,
) -> Result<Rows<Shown<Account>>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    somewhere(&standing, "accounts:read")?;
    let scope = standing.scope(&Permission::of("accounts:read"));
    let found = roster.store.list(&Listing::Accounts { organization, status, scope }, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let accounts = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::Account(value) => Some(Shown { value, version: row.stored.version }),
        _ => None,
    });
    let mut rows: Vec<Shown<Account>> = accounts.collect();
    let mut view = View::new(roster, Home::Organization(organization), request);
    let holders: Vec<Key> = rows.iter().flat_map(|row| row.value.posts.holders()).map(Key::Member).collect();
    if !holders.is_empty() {
        view.fetch(holders).await?;
    }
    for row in &mut rows {
        row.value.posts = as_held(&mut view, &row.value.posts).await?;
    }
    Ok(Rows { rows, next })
}
