//! `roster member leave-plan`: what goes with a member, and the act that lets them go.

use clap::{Args, ValueEnum};
use roster_api::shapes;
use roster_core::flows::{self, Leave};
use roster_core::ops::leaving::{InvitationFate, LeavingMode};
use roster_core::reads;
use roster_core::reference::UserRef;

use super::One;
use crate::args::Global;
use crate::commands::{job, open};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Column, line};

/// Flags of `leave-plan`.
#[derive(Debug, Args)]
pub struct LeavePlan {
    #[command(flatten)]
    one: One,
    /// How they go.
    #[arg(long, value_name = "MODE", default_value = "deactivate")]
    mode: LeavingMode,
    /// Whose their records will be, by id or `ext:VALUE` [default: they stay theirs].
    #[arg(long, value_name = "USER")]
    records_to: Option<UserRef>,
    /// Whose their posts will be, by id or `ext:VALUE`.
    #[arg(long, value_name = "USER")]
    posts_to: Option<UserRef>,
    /// The new owner, where they are the owner, by id or `ext:VALUE`.
    #[arg(long, value_name = "USER")]
    owner_to: Option<UserRef>,
    /// What becomes of the invitations that they sent.
    #[arg(long, value_enum, default_value_t = Invitations::Revoke)]
    invitations: Invitations,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Show the plan and do nothing.
    #[arg(long)]
    show: bool,
}

/// What becomes of invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Invitations {
    /// They are taken back.
    Revoke,
    /// You stand for them from now on.
    HandOver,
}

const FIELDS: &[Column] = &[
    ("user", "/user_id"),
    ("mode", "/mode"),
    ("recommended", "/recommended_mode"),
    ("loses", "/accounts_lost"),
    ("owns", "/ownerships"),
    ("records", "/records"),
    ("keys", "/api_keys"),
    ("pending invitations", "/pending_invitations"),
    ("posts", "/posts"),
    ("seats freed", "/seats_freed"),
    ("revision", "/revision"),
];

const LEFT: &[Column] = &[
    ("user", "/member/user_id"),
    ("status", "/member/status"),
    ("new owner", "/transfer/to"),
    ("job", "/job/id"),
];

/// Shows the plan, and executes it once somebody has said yes.
pub async fn run(global: &Global, asked: LeavePlan) -> Result<(), Failure> {
    let session = open(global).await?;
    let organization = session.organization(&asked.one.within.organization).await?;
    let (request, user) = (session.request(), asked.one.user.clone());
    let plan = reads::leaving_plan(&session.roster, &request, organization, &user, asked.mode).await?;
    if asked.show || !session.out.is_for_machines() {
        session.out.one(&shapes::leaving_plan(organization, &plan), FIELDS)?;
    }
    if asked.show {
        return Ok(());
    }
    confirm(global.yes, &format!("Let {user} go ({})?", asked.mode))?;
    let fate = match asked.invitations {
        Invitations::Revoke => InvitationFate::Revoke,
        Invitations::HandOver => InvitationFate::HandOver,
    };
    let leave = Leave {
        user,
        mode: asked.mode,
        revision: plan.revision,
        records_to: asked.records_to,
        posts_to: asked.posts_to,
        owner_to: asked.owner_to,
        fate,
    };
    let request = roster_core::facts::Request { reason: asked.reason, ..session.request() };
    let done = flows::leave_by_plan(&session.roster, &request, organization, &leave, None).await?;
    if !session.out.is_for_machines() {
        line("")?;
    }
    session.out.one(&shapes::left(organization, &done.output), LEFT)?;
    match done.output.job {
        Some(begun) => job::finish(&session, begun.id).await,
        None => Ok(()),
    }
}
