//! `roster check`: may this user do this here?

use clap::Args;
use roster_api::shapes;
use roster_core::flows::{Asked, CheckReason, check_named};
use roster_core::permission::Permission;
use roster_core::reference::{AccountRef, OrganizationRef, UserRef};

use super::open;
use crate::args::Global;
use crate::failure::Failure;

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
    let Check { user, permission, organization, account } = asked;
    let one = Asked { user, permission, organization: Some(organization), account, pointer: String::new() };
    let answers = check_named(&session.roster, &session.request(), std::slice::from_ref(&one)).await?;
    let Some(answer) = answers.first() else {
        return Err(Failure::Failed("the store gave no answer".to_owned()));
    };
    let text = match answer.role {
        Some((role, source)) => {
            format!("{} (role {role}, from the {})", words(answer.reason), source.name())
        }
        None => words(answer.reason).to_owned(),
    };
    session.out.say(&text, &shapes::check(answer))
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
