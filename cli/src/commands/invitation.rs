//! `roster invitation`: asking people into an organization.

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::{invite, resend};
use roster_core::id::InvitationId;
use roster_core::model::InvitationStatus;
use roster_core::op::run as run_operation;
use roster_core::ops::invitation::{
    InvitationPatch, InviteAsk, InviteOutcome, RevokeInvitation, UpdateInvitation,
};
use roster_core::reads;
use roster_core::text::{Email, Name};
use serde_json::json;

use super::access::AccessArgs;
use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Invite somebody, and print the link.
    Create(Create),
    /// List invitations.
    List {
        #[command(flatten)]
        within: InOrganization,
        /// Only with this status: pending, accepted, declined, revoked or expired.
        #[arg(long, value_parser = parse_status)]
        status: Option<InvitationStatus>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one invitation.
    Show(One),
    /// Print the link that is good now.
    Link(One),
    /// Change what a pending invitation gives.
    Update {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        access: AccessArgs,
    },
    /// Make a new link with a new life, and print it; the one before is dead.
    Resend(One),
    /// Take an invitation back.
    Revoke(One),
}

/// One invitation.
#[derive(Debug, Args)]
pub struct One {
    /// The invitation's id.
    invitation: InvitationId,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The address.
    email: Email,
    /// What the person is called.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    access: AccessArgs,
    /// How long the link lives, in seconds [default: the organization's setting].
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,
    #[command(flatten)]
    within: InOrganization,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("EMAIL", "/email"),
    ("STATUS", "/status"),
    ("ACCESS", "/access"),
    ("ENDS", "/expires_at"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("email", "/email"),
    ("status", "/status"),
    ("access", "/access"),
    ("holds a seat", "/holds_seat"),
    ("ends", "/expires_at"),
    ("made", "/created_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(open(global).await?, new).await,
        Command::List { within, status, limit } => list(open(global).await?, &within, status, &limit).await,
        Command::Show(one) => show(&open(global).await?, &one).await,
        Command::Link(one) => link(&open(global).await?, &one).await,
        Command::Update { one, access } => update(open(global).await?, &one, access).await,
        Command::Resend(one) => {
            let session = open(global).await?;
            let organization = session.organization(&one.within.organization).await?;
            resend(&session.roster, &session.request(), organization, one.invitation, None).await?;
            link(&session, &one).await
        }
        Command::Revoke(one) => {
            let question = format!("Take the invitation {} back?", one.invitation);
            revoke(open_to_destroy(global, &question).await?, &one).await
        }
    }
}

async fn create(session: Session, new: Create) -> Result<(), Failure> {
    let organization = session.organization(&new.within.organization).await?;
    let ask = InviteAsk {
        email: new.email,
        access: new.access.ask(),
        expires_in: new.expires_in,
        name: new.name,
        user: None,
        cuts: 0,
    };
    let made = invite(&session.roster, &session.request(), organization, ask, None).await?.output;
    for (_, outcome) in made {
        if let InviteOutcome::Invited(it) = outcome {
            return link(&session, &One { invitation: it.id, within: new.within }).await;
        }
    }
    Ok(())
}

async fn list(
    session: Session,
    within: &InOrganization,
    status: Option<InvitationStatus>,
    limit: &Limit,
) -> Result<(), Failure> {
    let organization = session.organization(&within.organization).await?;
    let request = session.request();
    let fetch = async |page| reads::invitations(&session.roster, &request, organization, status, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(|row| shapes::invitation(organization, &row.value)).collect();
    session.out.list("Invitation", &Listed { rows, next }, COLUMNS, "There are no invitations.")
}

async fn show(session: &Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let shown = reads::invitation(&session.roster, &session.request(), organization, one.invitation).await?;
    session.out.one(&shapes::invitation(organization, &shown.value), FIELDS)
}

async fn link(session: &Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let (url, expires_at) =
        reads::invitation_link(&session.roster, &session.request(), organization, one.invitation).await?;
    let shown = json!({"id": one.invitation, "url": url, "expires_at": expires_at});
    let note = format!("Whoever is invited opens this link until {expires_at}; it works once.");
    session.out.secret(&url, &shown, &note)
}

async fn update(session: Session, one: &One, access: AccessArgs) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let patch = InvitationPatch { access: Some(access.ask()), ..InvitationPatch::default() };
    let operation = UpdateInvitation { organization, invitation: one.invitation, patch };
    run_operation(&session.roster, &session.request(), &operation).await?;
    show(&session, one).await
}

async fn revoke(session: Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let operation = RevokeInvitation { organization, invitation: one.invitation };
    run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.say(&format!("The invitation {} is revoked.", one.invitation), &json!({"changed": true}))
}

fn parse_status(text: &str) -> Result<InvitationStatus, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "is one of pending, accepted, declined, revoked, expired".to_owned())
}
