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
    /// How they go [default: deactivate]; this flag, or one of those below, executes the plan.
    #[arg(long, value_name = "MODE")]
    mode: Option<LeavingMode>,
    /// Whose their records will be, by id or `ext:VALUE` [default: they stay theirs].
    #[arg(long, value_name = "USER")]
    records_to: Option<UserRef>,
    /// Whose their posts will be, by id or `ext:VALUE`.
    #[arg(long, value_name = "USER")]
    posts_to: Option<UserRef>,
    /// The new owner, where they are the owner, by id or `ext:VALUE`.
    #[arg(long, value_name = "USER")]
    owner_to: Option<UserRef>,
    /// What becomes of the invitations that they sent [default: revoke].
    #[arg(long, value_enum)]
    invitations: Option<Invitations>,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The revision that was shown before: where it is another by now, nothing is done [default: as it is now].
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// Show the plan and do nothing, whatever else is given.
    #[arg(long)]
    show: bool,
}

impl LeavePlan {
    /// Whether the plan is only to be read: nothing says how they go.
    const fn is_for_reading(&self) -> bool {
        let heirs = self.records_to.is_some() || self.posts_to.is_some() || self.owner_to.is_some();
        let how = self.mode.is_some()
            || self.invitations.is_some()
            || self.reason.is_some()
            || self.revision.is_some();
        self.show || !(heirs || how)
    }
}

/// What becomes of invitations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Invitations {
    /// They are taken back.
    Revoke,
    /// You stand for them from now on.
    #[value(alias = "hand_over")]
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
    ("webhooks", "/webhooks"),
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

/// Shows the plan; where it says how they go, executes it once somebody has said yes. Machines read one of the two.
pub async fn run(global: &Global, asked: LeavePlan) -> Result<(), Failure> {
    let session = open(global).await?;
    let organization = session.organization(&asked.one.within.organization).await?;
    let (request, user) = (session.request(), asked.one.user.clone());
    let (mode, reading) = (asked.mode.unwrap_or(LeavingMode::RECOMMENDED), asked.is_for_reading());
    let plan = reads::leaving_plan(&session.roster, &request, organization, &user, mode).await?;
    if reading || !session.out.is_for_machines() {
        session.out.one(&shapes::leaving_plan(organization, &plan), FIELDS)?;
    }
    if reading {
        return Ok(());
    }
    confirm(global.yes, &format!("Let {user} go ({mode})?"))?;
    let fate = match asked.invitations {
        None | Some(Invitations::Revoke) => InvitationFate::Revoke,
        Some(Invitations::HandOver) => InvitationFate::HandOver,
    };
    let leave = Leave {
        user,
        mode,
        revision: asked.revision.unwrap_or(plan.revision),
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
    let mut left = shapes::left(organization, &done.output);
    let Some(begun) = done.output.job else { return session.out.one(&left, LEFT) };
    let ended = job::worked_off(&session, begun.id).await?;
    left["job"] = shapes::job(&ended);
    session.out.one(&left, LEFT)?;
    job::ended_well(&session, &ended).await
}
