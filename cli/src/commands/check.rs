//! `roster check`: may this user do this here?

use clap::Args;
use roster_core::flows::{self, CheckAsk, CheckReason, resolve_account, resolve_organization, resolve_user};
use roster_core::id::{AccountId, OrganizationId};
use roster_core::permission::Permission;
use roster_core::reference::{AccountRef, OrganizationRef, UserRef};
use roster_core::refusal::{OpError, Refusal};

use super::open;
use crate::args::Global;
use crate::failure::Failure;
use crate::session::Session;
use crate::shapes;

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Who, by id or `ext:VALUE`.
    #[arg(long)]
    user: UserRef,
    /// What, as `resource:action`.
    #[arg(long)]
    permission: Permission,
    /// In which organization, by id or `ext:VALUE`.
    #[arg(long, value_name = "ORG")]
    organization: OrganizationRef,
    /// On which account, by id or `ext:VALUE` [default: on the whole].
    #[arg(long)]
    account: Option<AccountRef>,
}

/// Prints the answer; a no is an answer too.
pub async fn run(asked: Check, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let roster = &session.roster;
    let organization = known(resolve_organization(roster, &asked.organization).await)?;
    let account = match &asked.account {
        None => None,
        Some(named) => Some(account(&session, named, organization).await?),
    };
    let ask = CheckAsk {
        user: known(resolve_user(roster, &asked.user).await)?,
        organization,
        account,
        permission: asked.permission,
    };
    let answers = flows::check(roster, std::slice::from_ref(&ask)).await?;
    let Some(answer) = answers.first() else {
        return Err(Failure::Failed("the store gave no answer".to_owned()));
    };
    let text = match answer.role {
        Some((role, source)) => {
            format!(
                "{} (role {role}, from the {})",
                words(answer.reason),
                source.name()
            )
        }
        None => words(answer.reason).to_owned(),
    };
    session.out.say(&text, &shapes::check(answer))
}

async fn account(
    session: &Session,
    named: &AccountRef,
    organization: Option<OrganizationId>,
) -> Result<Option<AccountId>, Failure> {
    match (named, organization) {
        (AccountRef::Id(id), _) => Ok(Some(*id)),
        (AccountRef::External(_), None) => Ok(None),
        (AccountRef::External(_), Some(organization)) => {
            let found = resolve_account(&session.roster, named, &[organization]).await;
            Ok(known(found)?.map(|(_, account)| account))
        }
    }
}

/// What is not there is part of the answer.
fn known<T>(found: Result<T, OpError>) -> Result<Option<T>, OpError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(OpError::Refused(Refusal::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn words(reason: CheckReason) -> &'static str {
    match reason {
        CheckReason::Granted => "allowed",
        CheckReason::NotFound => "denied: no such user, organization or account",
        CheckReason::NoMembership => "denied: not a member, not any more, or not yet",
        CheckReason::Deactivated => "denied: the membership is deactivated",
        CheckReason::Expired => "denied: the membership has ended",
        CheckReason::Suspended => "denied: the user is suspended",
        CheckReason::NoAccess => "denied: the account is not reached",
        CheckReason::RoleLacksPermission => "denied: the role does not hold this permission",
    }
}
