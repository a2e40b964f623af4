//! `roster invitation`: asking people into an organization.

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::{invite, invite_many, resend, update_invitation};
use roster_core::id::InvitationId;
use roster_core::model::InvitationStatus;
use roster_core::op::run as run_operation;
use roster_core::ops::invitation::{
    InvitationPatch, InviteAsk, InviteOutcome, RevokeInvitation, UpdateInvitation,
};
use roster_core::reads;
use roster_core::text::{Email, Name};
use serde_json::{Value, json};

use super::access::{AccessArgs, SomeAccess};
use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization, Limit, seconds};
use crate::failure::{Failure, note_refused, some_change};
use crate::output::{Column, line, table};
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Invite one, and print the link; or several, and print what became of each.
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
    /// Change what a pending invitation gives, whom it names, or how long it lives.
    Update(Update),
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

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    access: SomeAccess,
    /// What the person is called.
    #[arg(long)]
    name: Option<Name>,
    /// The invitation names nobody any more.
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// How long the link lives from now on, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    expires_in: Option<u32>,
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The address; several are invited to the same.
    #[arg(required = true, value_name = "EMAIL", num_args = 1..=1_000)]
    emails: Vec<Email>,
    /// What the person is called, where it is one.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    access: AccessArgs,
    /// How long the link lives, in seconds [default: the organization's setting].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
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
        Command::Update(change) => update(open(global).await?, change).await,
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
    let (access, expires_in, name) = (new.access.ask(), new.expires_in, new.name);
    let ask = |email: &Email| InviteAsk {
        email: email.clone(),
        access: access.clone(),
        expires_in,
        name: name.clone(),
        user: None,
        cuts: 0,
        cut_at: None,
    };
    let [email] = new.emails.as_slice() else {
        if name.is_some() {
            return Err(Failure::Usage(
                "--name is for one person: invite them by a line of their own".to_owned(),
            ));
        }
        let asks = new.emails.iter().map(ask).enumerate().collect();
        return create_many(&session, &new.within, &new.emails, asks).await;
    };
    let ask = ask(email);
    let made = invite(&session.roster, &session.request(), organization, ask, None).await?.output;
    for (_, outcome) in made {
        if let InviteOutcome::Invited(it) = outcome {
            return link(&session, &One { invitation: it.id, within: new.within }).await;
        }
    }
    Ok(())
}

async fn create_many(
    session: &Session,
    within: &InOrganization,
    emails: &[Email],
    asks: Vec<(usize, InviteAsk)>,
) -> Result<(), Failure> {
    let (roster, request) = (&session.roster, session.request());
    let organization = session.organization(&within.organization).await?;
    let (mut rows, mut refused, mut unread) = (Vec::new(), Vec::new(), None);
    for (number, outcome) in invite_many(roster, &request, organization, asks).await? {
        let mut row = match outcome {
            InviteOutcome::Invited(it) => {
                // The others are told of whatever comes of this one: `roster invitation link` shows it later.
                let link = reads::invitation_link(roster, &session.request(), organization, it.id).await;
                let url =
                    link.map(|(url, _)| url).map_err(|error| unread.get_or_insert(error).to_string()).ok();
                let shape = shapes::invitation(organization, &it);
                let mut row = shapes::invited_row(number, "invited", Some(&shape), None);
                row["url"] = json!(url);
                row
            }
            InviteOutcome::Unchanged => shapes::invited_row(number, "unchanged", None, None),
            InviteOutcome::Refused(refusal) => {
                refused.push((refusal.code(), format!("{}: {refusal}", emails[number])));
                shapes::invited_row(number, "refused", None, Some(refusal.code()))
            }
        };
        row["email"] = json!(emails[number]);
        rows.push(row);
    }
    if session.out.is_for_machines() {
        let flat: Vec<_> = rows.iter().map(flat).collect();
        session.out.rows(
            &json!({"results": rows}),
            &["index", "email", "status", "code", "id", "url"],
            &flat,
        )?;
    } else {
        line(&table(
            &rows,
            &[("EMAIL", "/email"), ("STATUS", "/status"), ("ID", "/invitation/id"), ("LINK", "/url")],
        ))?;
    }
    let any = !refused.is_empty();
    note_refused(refused);
    match unread {
        Some(error) => Err(error.into()),
        None if any => Err(Failure::Said),
        None => Ok(()),
    }
}

/// A row for a spreadsheet.
fn flat(row: &Value) -> Value {
    let mut flat = row.clone();
    flat["id"] = row["invitation"]["id"].clone();
    flat
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

async fn update(session: Session, change: Update) -> Result<(), Failure> {
    let Update { one, access, name, no_name, expires_in } = change;
    let name = if no_name { Some(None) } else { name.map(Some) };
    let patch = InvitationPatch { access: access.ask(), name, expires_in };
    let patch = some_change(patch, "a role with its accounts, --name or --expires-in")?;
    let organization = session.organization(&one.within.organization).await?;
    let operation = UpdateInvitation { organization, invitation: one.invitation, patch };
    update_invitation(&session.roster, &session.request(), &operation).await?;
    show(&session, &one).await
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
