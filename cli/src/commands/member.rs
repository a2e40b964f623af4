//! `roster member`: people in an organization, how they come in, what they reach, how they leave.

mod act;
mod leaving;
mod list;
mod plan;
mod several;

use clap::{Args, Subcommand};
use roster_core::permission::RoleRef;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::text::{Email, ExternalId, Name};
use roster_core::time::Timestamp;

use super::access::{AccessArgs, WholeAccess};
use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization};
use crate::failure::Failure;
use crate::output::Column;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List members.
    List(list::List),
    /// Show one member, former ones too.
    Show(One),
    /// Add somebody; they are made if unknown.
    Add(Add),
    /// Give a role on one account.
    SetRole {
        #[command(flatten)]
        one: One,
        /// The account, by id or `ext:VALUE`.
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountRef,
        /// The role: admin, member, viewer or a `rol_` id.
        #[arg(long)]
        role: RoleRef,
    },
    /// Replace everything that a member reaches, in one step.
    SetAccess {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        access: WholeAccess,
    },
    /// Remove members from one account, or from the organization; of several, print what became of each.
    Remove {
        #[command(flatten)]
        whom: several::Several,
        /// Only from this account, by id or `ext:VALUE`.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<AccountRef>,
    },
    /// Leave the organization on a member's behalf.
    Leave(One),
    /// Take members out for now, with everything kept for the way back.
    Deactivate(several::Several),
    /// Bring deactivated members back with what they had.
    Reactivate(several::Several),
    /// Remove members, and what they did from the statistics, for good.
    Delete(several::Several),
    /// Show what goes with a member, and let them go in one step.
    LeavePlan(plan::LeavePlan),
    /// Change when a membership begins and ends.
    Update(Update),
}

/// One member.
#[derive(Debug, Args)]
pub struct One {
    /// The person, by id or `ext:VALUE`.
    user: UserRef,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `add`.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    who: Who,
    /// Their name, for one who is new here.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    access: AccessArgs,
    /// Not a member before this instant (RFC 3339).
    #[arg(long, value_name = "TIME")]
    starts_at: Option<Timestamp>,
    /// No member from this instant on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    #[command(flatten)]
    within: InOrganization,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Who {
    /// Somebody who exists, by id or `ext:VALUE`.
    #[arg(long, conflicts_with_all = ["email", "external_id"])]
    user: Option<UserRef>,
    /// Somebody by address.
    #[arg(long)]
    email: Option<Email>,
    /// Somebody by your own id.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    one: One,
    /// Not a member before this instant (RFC 3339).
    #[arg(long, value_name = "TIME")]
    starts_at: Option<Timestamp>,
    /// A member from now on.
    #[arg(long, conflicts_with = "starts_at")]
    no_starts_at: bool,
    /// No member from this instant on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    /// A member without end.
    #[arg(long, conflicts_with = "expires_at")]
    no_expires_at: bool,
}

const FIELDS: &[Column] = &[
    ("user", "/user_id"),
    ("organization", "/organization_id"),
    ("email", "/email"),
    ("name", "/name"),
    ("external id", "/external_id"),
    ("status", "/status"),
    ("access", "/access"),
    ("joined", "/joined_at"),
    ("starts", "/starts_at"),
    ("ends", "/expires_at"),
    ("left", "/left_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::List(asked) => list::list(open(global).await?, asked).await,
        Command::Show(one) => act::show(open(global).await?, &one).await,
        Command::Add(new) => act::add(open(global).await?, new).await,
        Command::SetRole { one, account, role } => {
            act::set_role(open(global).await?, &one, &account, role).await
        }
        Command::SetAccess { one, access } if access.is_nothing() => {
            let question =
                format!("Take everything that {} reaches in {}?", one.user, one.within.organization);
            act::set_access(open_to_destroy(global, &question).await?, &one, access).await
        }
        Command::SetAccess { one, access } => act::set_access(open(global).await?, &one, access).await,
        Command::Remove { whom, account: None } => {
            let question = format!("Remove {} from the whole of {}?", whom, whom.organization());
            let session = open_to_destroy(global, &question).await?;
            match whom.only() {
                Some(one) => act::remove(session, &one).await,
                None => several::run(session, &whom, several::Act::Remove).await,
            }
        }
        Command::Remove { whom, account: Some(account) } => {
            let question = format!("Remove {whom} from the account {account}?");
            let session = open_to_destroy(global, &question).await?;
            match whom.only() {
                Some(one) => act::remove_from_account(session, &one, account).await,
                None => several::run(session, &whom, several::Act::RemoveFrom(account)).await,
            }
        }
        Command::Leave(one) => {
            let question = format!("Let {} leave {}?", one.user, one.within.organization);
            act::leave(open_to_destroy(global, &question).await?, &one).await
        }
        Command::Deactivate(whom) => match whom.only() {
            Some(one) => leaving::deactivate(open(global).await?, &one).await,
            None => several::run(open(global).await?, &whom, several::Act::Deactivate).await,
        },
        Command::Reactivate(whom) => match whom.only() {
            Some(one) => leaving::reactivate(open(global).await?, &one).await,
            None => several::run(open(global).await?, &whom, several::Act::Reactivate).await,
        },
        Command::Delete(whom) => {
            let question = format!("Delete {whom} from {} for good?", whom.organization());
            let session = open_to_destroy(global, &question).await?;
            match whom.only() {
                Some(one) => leaving::delete(session, &one).await,
                None => several::run(session, &whom, several::Act::Delete).await,
            }
        }
        Command::LeavePlan(asked) => plan::run(global, asked).await,
        Command::Update(asked) => act::update(open(global).await?, asked).await,
    }
}
