//! Removing several people from one account: one outcome a row, in order (rule M2).

use std::collections::BTreeSet;

use super::{remove_from_account, resolve_user};
use crate::facts::Request;
use crate::home::Home;
use crate::id::OrganizationId;
use crate::op::{Roster, View};
use crate::ops::member::find_accounts;
use crate::policy::Reach;
use crate::reference::{AccountRef, UserRef};
use crate::refusal::{OpError, Refusal};

/// The outcome of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RemovalRow {
    /// Taken out.
    Removed,
    /// Was not in, or stood in the request before.
    Unchanged,
    /// Refused; the others go on.
    Refused(Refusal),
}

/// The most rows of one request.
pub const MAX_ROWS: usize = 1_000;

/// What a whole request is refused for before any row is looked at: how many rows, the account, the permission.
pub async fn require_removal(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    rows: usize,
) -> Result<(), OpError> {
    if rows == 0 || rows > MAX_ROWS {
        return Err(Refusal::invalid("/users", "name 1 to 1000 users").into());
    }
    let mut view = View::new(roster, Home::Organization(organization), request);
    let (_, standing) = view.open_organization().await?.open()?;
    let found = find_accounts(&mut view, &[account]).await?.pop().flatten();
    let (account, _) = found.ok_or(Refusal::NotFound)?;
    roster.policies.access.require(&standing, "members:remove", Reach::Account(account))?;
    Ok(())
}

/// Removes each user; a row that is no reference is refused as `invalid`. [`require_removal`] comes first.
pub async fn remove_many(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    account: &AccountRef,
    users: &[String],
) -> Result<Vec<RemovalRow>, OpError> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::with_capacity(users.len());
    for (n, text) in users.iter().enumerate() {
        rows.push(match text.parse::<UserRef>() {
            Err(bad) => RemovalRow::Refused(Refusal::invalid(format!("/users/{n}"), bad.to_string())),
            Ok(named) => match resolve_user(roster, &named).await {
                Ok(user) if seen.contains(&user) => RemovalRow::Unchanged,
                Ok(user) => {
                    let (step, named) = (request.step(&format!("row {n}")), user.into());
                    let done = remove_from_account(roster, &step, organization, account, &named).await;
                    let done = row(done.map(|done| done.output))?;
                    // Who is somewhere else is named as little as nobody, the second time too.
                    if !matches!(done, RemovalRow::Refused(Refusal::NotFound)) {
                        seen.insert(user);
                    }
                    done
                }
                Err(error) => row(Err(error))?,
            },
        });
    }
    Ok(rows)
}

fn row(outcome: Result<bool, OpError>) -> Result<RemovalRow, OpError> {
    match outcome {
        Ok(true) => Ok(RemovalRow::Removed),
        Ok(false) => Ok(RemovalRow::Unchanged),
        Err(OpError::Refused(refusal)) => Ok(RemovalRow::Refused(refusal)),
        Err(error) => Err(error),
    }
}
