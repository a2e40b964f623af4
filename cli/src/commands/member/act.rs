//! What the other verbs of `roster member` do.

use roster_api::shapes;
use roster_core::flows::{self, NewMember, NewUser};
use roster_core::id::{OrganizationId, UserId};
use roster_core::model::{Access, Member, TraitPatch};
use roster_core::op::run as run_operation;
use roster_core::ops::member::{Joining, LeaveOrganization, MemberPatch, RemoveMember, UpdateMember};
use roster_core::permission::RoleRef;
use roster_core::reads;
use roster_core::reference::AccountRef;
use serde_json::json;

use super::{Add, FIELDS, One, Update};
use crate::commands::access::WholeAccess;
use crate::failure::{Failure, some_change};
use crate::output::{line, table};
use crate::session::Session;

/// Shows one member, with each account by itself where several are named.
pub async fn show(session: Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let shown = reads::member(&session.roster, &session.request(), organization, &one.user).await?;
    print(&session, organization, &shown.value)?;
    let shape = shapes::member(organization, &shown.value);
    match (&shown.value.access, shape.pointer("/access/accounts").and_then(|rows| rows.as_array())) {
        (Access::Accounts(roles), Some(rows)) if roles.len() > 1 && !session.out.is_for_machines() => {
            line(&format!("\n{}", table(rows, &[("ACCOUNT", "/account"), ("ROLE", "/role")])))
        }
        _ => Ok(()),
    }
}

/// Adds somebody.
pub async fn add(session: Session, new: Add) -> Result<(), Failure> {
    let organization = session.organization(&new.within.organization).await?;
    let who = match new.who.user {
        Some(user) => flows::Who::Known(user),
        None => flows::Who::Person(NewUser {
            email: new.who.email,
            external_id: new.who.external_id,
            name: new.name,
            traits: TraitPatch::default(),
        }),
    };
    let joining = Joining { access: new.access.ask(), starts_at: new.starts_at, expires_at: new.expires_at };
    let new = NewMember { who, joining };
    let done = flows::add_member(&session.roster, &session.request(), organization, &new, None).await?;
    print(&session, organization, &done.output)
}

/// Gives a role on one account.
pub async fn set_role(
    session: Session,
    one: &One,
    account: &AccountRef,
    role: RoleRef,
) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let request = session.request();
    flows::set_role(&session.roster, &request, organization, account, &one.user, role).await?;
    let member = reads::member(&session.roster, &session.request(), organization, &one.user).await?;
    session.out.one(&shapes::account_member(organization, &member.value, role, false), FIELDS)
}

/// Replaces everything that a member reaches.
pub async fn set_access(session: Session, one: &One, access: WholeAccess) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let request = session.request();
    let done =
        flows::replace_access(&session.roster, &request, organization, &one.user, access.ask()).await?;
    let (_, diff) = done.output;
    let shape = shapes::access_diff(&diff);
    let mut rows = Vec::new();
    for outcome in ["added", "removed", "changed", "unchanged"] {
        for line in shape[outcome].as_array().into_iter().flatten() {
            let mut row = line.clone();
            row["outcome"] = json!(outcome);
            rows.push(row);
        }
    }
    if session.out.is_for_machines() {
        return session.out.rows(&shape, &["outcome", "account", "role", "previous_role"], &rows);
    }
    let columns =
        [("", "/outcome"), ("ACCOUNT", "/account"), ("ROLE", "/role"), ("BEFORE", "/previous_role")];
    let text =
        if rows.is_empty() { "Nothing is reached, as before.".to_owned() } else { table(&rows, &columns) };
    line(&text)
}

/// Removes a member from the organization.
pub async fn remove(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let operation = RemoveMember { organization, user };
    let changed = run_operation(&session.roster, &session.request(), &operation).await?.output;
    let text = if changed {
        format!("{user} is no member of {organization} any more.")
    } else {
        format!("{user} was no active member of {organization}; nothing was done.")
    };
    session.out.say(&text, &json!({"changed": changed}))
}

/// Removes a member from one account.
pub async fn remove_from_account(session: Session, one: &One, account: AccountRef) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let (roster, request) = (&session.roster, session.request());
    let done = flows::remove_from_account(roster, &request, organization, &account, &user.into()).await?;
    let changed = done.output;
    let text = if changed {
        format!("{user} does not reach the account {account} any more.")
    } else {
        format!("{user} did not reach the account {account}; nothing was done.")
    };
    session.out.say(&text, &json!({"changed": changed}))
}

/// Leaves on a member's behalf.
pub async fn leave(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, user) = ids(&session, one).await?;
    let operation = LeaveOrganization { organization, user };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

/// Changes when a membership begins and ends.
pub async fn update(session: Session, asked: Update) -> Result<(), Failure> {
    let (organization, user) = ids(&session, &asked.one).await?;
    let patch = MemberPatch {
        starts_at: if asked.no_starts_at { Some(None) } else { asked.starts_at.map(Some) },
        expires_at: if asked.no_expires_at { Some(None) } else { asked.expires_at.map(Some) },
    };
    let patch = some_change(patch, "--starts-at, --expires-at or one of --no-starts-at and --no-expires-at")?;
    let operation = UpdateMember { organization, user, patch };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

/// The ids that the line names.
pub(super) async fn ids(session: &Session, one: &One) -> Result<(OrganizationId, UserId), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    Ok((organization, session.user(&one.user).await?))
}

/// Prints a member.
pub(super) fn print(session: &Session, organization: OrganizationId, member: &Member) -> Result<(), Failure> {
    session.out.one(&shapes::member(organization, member), FIELDS)
}
