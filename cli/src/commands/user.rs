//! `roster user`: people, once per deployment.

use clap::{ArgGroup, Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::{self, NewUser};
use roster_core::model::User;
use roster_core::op::run as run_operation;
use roster_core::ops::user::{SuspendUser, UnsuspendUser, UserPatch};
use roster_core::reads;
use roster_core::reference::UserRef;
use roster_core::text::{Email, ExternalId, Name};
use serde_json::json;
use tokio::sync::mpsc;

use super::{job, open, open_to_destroy};
use crate::args::{Global, Limit, TraitArgs};
use crate::failure::{Failure, some_change};
use crate::output::{Column, part};
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a user, by e-mail address, external id or both.
    Create(Create),
    /// List users.
    List {
        /// The beginning of a word of the name or of the e-mail, or the whole external id.
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one user.
    Show {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Change name, e-mail address, external id (once) or traits.
    Update(Update),
    /// Remove a user from everything, except where they are the owner. Their access ends at once; the sweep is a job.
    RemoveEverywhere {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Shut a person out of everything; seats and roles are kept.
    Suspend {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Let a suspended person in again.
    Unsuspend {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Erase a person: their access ends at once, what names them goes everywhere. What they did stays under their id.
    Erase {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Show everything that is kept about a person, as JSON.
    Export {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// Make a link by which a person sets a new password, and print it; one made before is dead.
    PasswordReset {
        /// By id or `ext:VALUE`.
        user: UserRef,
    },
    /// List what a user reaches, in every organization.
    Accounts {
        /// By id or `ext:VALUE`.
        user: UserRef,
        #[command(flatten)]
        limit: Limit,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("who").args(["email", "external_id"]).required(true).multiple(true)))]
pub struct Create {
    /// Their address.
    #[arg(long)]
    email: Option<Email>,
    /// Your own id for them.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    /// Their name.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    traits: TraitArgs,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id or `ext:VALUE`.
    user: UserRef,
    /// A new name.
    #[arg(long)]
    name: Option<Name>,
    /// Forget the name.
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// A new address.
    #[arg(long)]
    email: Option<Email>,
    /// Forget the address.
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// Your own id for them; never changes once it is set.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    #[command(flatten)]
    traits: TraitArgs,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("EXTERNAL ID", "/external_id"),
    ("STATUS", "/status"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("email", "/email"),
    ("name", "/name"),
    ("external id", "/external_id"),
    ("status", "/status"),
    ("traits", "/traits"),
    ("created", "/created_at"),
];

const ACCOUNT_COLUMNS: &[Column] = &[
    ("ORGANIZATION", "/organization/name"),
    ("ACCOUNT", "/account/name"),
    ("ACCOUNT ID", "/account/id"),
    ("ROLE", "/role"),
    ("FROM", "/source"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    if let Command::RemoveEverywhere { user } = &command {
        return job::remove_everywhere(global, user).await;
    }
    if let Command::Erase { user } = &command {
        let question = format!("Erase {user} for good? Nothing that names them is left.");
        let session = open_to_destroy(global, &question).await?;
        let id = session.user(user).await?;
        let done = flows::erase_user(&session.roster, &session.request(), id).await?;
        return job::work_off(&session, done.output.id).await;
    }
    let session = open(global).await?;
    match command {
        Command::RemoveEverywhere { .. } | Command::Erase { .. } => Ok(()),
        Command::Export { user } => export(&session, &user).await,
        Command::Create(new) => create(&session, new).await,
        Command::List { q, limit } => list(&session, q, &limit).await,
        Command::Show { user } => {
            let shown = reads::user(&session.roster, &session.request(), &user).await?;
            print(&session, &shown.value)
        }
        Command::Update(asked) => update(&session, asked).await,
        Command::Suspend { user } => {
            let operation = SuspendUser { user: session.user(&user).await? };
            print(&session, &run_operation(&session.roster, &session.request(), &operation).await?.output)
        }
        Command::Unsuspend { user } => {
            let operation = UnsuspendUser { user: session.user(&user).await? };
            print(&session, &run_operation(&session.roster, &session.request(), &operation).await?.output)
        }
        Command::PasswordReset { user } => password_reset(&session, &user).await,
        Command::Accounts { user, limit } => accounts(&session, &user, &limit).await,
    }
}

async fn create(session: &Session, new: Create) -> Result<(), Failure> {
    let new = NewUser {
        email: new.email,
        external_id: new.external_id,
        name: new.name,
        traits: new.traits.patch(),
    };
    let user = flows::create_user(&session.roster, &session.request(), &new).await?;
    print(session, &user)
}

/// Piece by piece, so that much of it needs no memory; as a row for spreadsheets.
async fn export(session: &Session, named: &UserRef) -> Result<(), Failure> {
    let request = session.request();
    let user = reads::exported_user(&session.roster, &request, named).await?;
    let (out, mut pieces) = mpsc::channel(2);
    tokio::spawn(reads::export(session.roster.clone(), request, user, out));
    let (mut writer, mut whole) = (shapes::ExportWriter::default(), String::new());
    while let Some(piece) = pieces.recv().await {
        let written = writer.text(&piece?);
        if session.out.is_csv() {
            whole.push_str(&written);
        } else {
            part(&written)?;
        }
    }
    if !session.out.is_csv() {
        return Ok(());
    }
    let value = serde_json::from_str(&whole);
    session.out.value(&value.map_err(|bad| Failure::Failed(format!("the export cannot be read: {bad}")))?)
}

async fn list(session: &Session, q: Option<String>, limit: &Limit) -> Result<(), Failure> {
    let request = session.request();
    let fetch = async |page| reads::users(&session.roster, &request, q.clone(), &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(|row| shapes::user(&row.value)).collect();
    session.out.list("User", &Listed { rows, next }, COLUMNS, "There are no such users.")
}

async fn update(session: &Session, asked: Update) -> Result<(), Failure> {
    let user = session.user(&asked.user).await?;
    let patch = UserPatch {
        name: if asked.no_name { Some(None) } else { asked.name.map(Some) },
        email: if asked.no_email { Some(None) } else { asked.email.map(Some) },
        external_id: asked.external_id,
        traits: asked.traits.patch(),
    };
    let patch = some_change(patch, "--name, --email, --external-id or --trait")?;
    let done = flows::update_user(&session.roster, &session.request(), user, &patch).await?;
    print(session, &done.output)
}

async fn password_reset(session: &Session, user: &UserRef) -> Result<(), Failure> {
    let user = session.user(user).await?;
    let (url, expires_at) = flows::show_password_reset(&session.roster, &session.request(), user).await?;
    let note =
        format!("Hand this link to the person alone: it sets their password, once, until {expires_at}.");
    session.out.secret(&url, &json!({"user_id": user, "url": url, "expires_at": expires_at}), &note)
}

async fn accounts(session: &Session, user: &UserRef, limit: &Limit) -> Result<(), Failure> {
    let request = session.request();
    let fetch = async |page| reads::user_accounts(&session.roster, &request, user, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(shapes::user_account).collect();
    session.out.list("UserAccount", &Listed { rows, next }, ACCOUNT_COLUMNS, "This user reaches no account.")
}

fn print(session: &Session, user: &User) -> Result<(), Failure> {
    session.out.one(&shapes::user(user), FIELDS)
}
