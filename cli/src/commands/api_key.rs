//! `roster api-key`: keys of an organization.

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::{revoke_api_key, rotate_api_key, update_api_key};
use roster_core::id::{ApiKeyId, OrganizationId};
use roster_core::model::ApiKey;
use roster_core::op::run as run_operation;
use roster_core::ops::api_key::{ApiKeyPatch, CreateApiKey, RotateApiKey, UpdateApiKey};
use roster_core::reads::{self, SeenKey};
use roster_core::secret::Token;
use roster_core::text::Name;
use roster_core::time::Timestamp;
use serde_json::{Value, json};

use super::access::{AccessArgs, OtherAccess};
use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization, Limit, seconds};
use crate::failure::{Failure, some_change};
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and print its secret, this once.
    Create(Create),
    /// List the keys, without their secrets.
    List {
        #[command(flatten)]
        within: InOrganization,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one key, without its secret.
    Show(One),
    /// Change a key's name, what it reaches, or its end.
    Update(Update),
    /// Give a key a new secret and print it, this once.
    Rotate {
        #[command(flatten)]
        one: One,
        /// For so long the old secret opens too.
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = seconds)]
        overlap_seconds: u32,
    },
    /// End a key; it opens nothing from the next request on.
    Revoke(One),
}

/// One key.
#[derive(Debug, Args)]
pub struct One {
    /// The key's id.
    key: ApiKeyId,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What you call it.
    name: Name,
    #[command(flatten)]
    access: AccessArgs,
    /// Dead from this instant on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    one: One,
    /// A new name.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    access: OtherAccess,
    /// Dead from this instant on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    /// Without end.
    #[arg(long, conflicts_with = "expires_at")]
    no_expires_at: bool,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PREFIX", "/prefix"),
    ("ACCESS", "/access"),
    ("ENDS", "/expires_at"),
    ("LAST USED", "/last_used_at"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("kind", "/kind"),
    ("prefix", "/prefix"),
    ("access", "/access"),
    ("ends", "/expires_at"),
    ("last used", "/last_used_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(open(global).await?, new).await,
        Command::List { within, limit } => list(open(global).await?, &within, &limit).await,
        Command::Show(one) => {
            let session = open(global).await?;
            let organization = session.organization(&one.within.organization).await?;
            show(&session, organization, one.key).await
        }
        Command::Update(asked) => update(open(global).await?, asked).await,
        Command::Rotate { one, overlap_seconds } => rotate(open(global).await?, &one, overlap_seconds).await,
        Command::Revoke(one) => {
            let question = format!("End the key {}? What uses it stops working at once.", one.key);
            revoke(open_to_destroy(global, &question).await?, &one).await
        }
    }
}

async fn create(session: Session, new: Create) -> Result<(), Failure> {
    let organization = session.organization(&new.within.organization).await?;
    let operation =
        CreateApiKey { organization, name: new.name, access: new.access.ask(), expires_at: new.expires_at };
    let made = run_operation(&session.roster, &session.request(), &operation).await?.output;
    show_secret(&session, &made, None)
}

async fn rotate(session: Session, one: &One, overlap_seconds: u32) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let used = reads::last_used_at(&session.roster, organization, one.key).await?;
    let operation = RotateApiKey { organization, key: one.key, overlap_seconds };
    let made = rotate_api_key(&session.roster, &session.request(), &operation, None).await?.output;
    show_secret(&session, &made, used)
}

fn show_secret(
    session: &Session,
    (key, token): &(ApiKey, Token),
    last_used_at: Option<Timestamp>,
) -> Result<(), Failure> {
    let mut shown = shapes::api_key(key, last_used_at);
    shown["secret"] = json!(token.reveal());
    let note = format!(
        "This is the only time that the secret of {} ({}) is shown. Send it as: Authorization: Bearer SECRET",
        key.name, key.id
    );
    session.out.secret(token.reveal(), &shown, &note)
}

async fn list(session: Session, within: &InOrganization, limit: &Limit) -> Result<(), Failure> {
    let organization = session.organization(&within.organization).await?;
    let request = session.request();
    let fetch = async |page| reads::api_keys(&session.roster, &request, organization, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(seen).collect();
    session.out.list("ApiKey", &Listed { rows, next }, COLUMNS, "There are no keys.")
}

async fn show(session: &Session, organization: OrganizationId, key: ApiKeyId) -> Result<(), Failure> {
    let (shown, _) = reads::api_key(&session.roster, &session.request(), organization, key).await?;
    session.out.one(&seen(&shown.value), FIELDS)
}

fn seen(it: &SeenKey) -> Value {
    shapes::api_key(&it.key, it.last_used_at)
}

async fn update(session: Session, asked: Update) -> Result<(), Failure> {
    let organization = session.organization(&asked.one.within.organization).await?;
    let patch = ApiKeyPatch {
        name: asked.name,
        access: asked.access.ask(),
        expires_at: if asked.no_expires_at { Some(None) } else { asked.expires_at.map(Some) },
    };
    let patch = some_change(patch, "a role with its accounts, --name or --expires-at")?;
    let operation = UpdateApiKey { organization, key: asked.one.key, patch };
    update_api_key(&session.roster, &session.request(), &operation).await?;
    show(&session, organization, asked.one.key).await
}

async fn revoke(session: Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    revoke_api_key(&session.roster, &session.request(), organization, one.key).await?;
    session.out.say(&format!("The key {} is dead.", one.key), &json!({"changed": true}))
}
