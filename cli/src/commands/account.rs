//! `roster account`: workspaces inside one organization.

use clap::{Args, Subcommand, ValueEnum};
use roster_api::shapes;
use roster_core::flows::update_account;
use roster_core::flows::{self, NewAccount};
use roster_core::id::OrganizationId;
use roster_core::model::{Account, AccountStatus};
use roster_core::op::run as run_operation;
use roster_core::ops::account::{AccountPatch, ArchiveAccount, UpdateAccount};
use roster_core::reads;
use roster_core::reference::AccountRef;
use roster_core::text::{ExternalId, Name};

use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization, Limit, TraitArgs};
use crate::failure::{Failure, some_change};
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account.
    Create(Create),
    /// List accounts.
    List(List),
    /// Show one account.
    Show(One),
    /// Change name, external id (once) or traits.
    Update(Update),
    /// Archive an account: access through it ends.
    Archive(One),
    /// Bring an account back from the archive.
    Unarchive(One),
}

/// One account.
#[derive(Debug, Args)]
pub struct One {
    /// By id or `ext:VALUE`.
    account: AccountRef,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name.
    #[arg(long)]
    name: Name,
    /// Your own id for it.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    #[command(flatten)]
    traits: TraitArgs,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Which ones.
    #[arg(long, value_enum, default_value_t = Status::Active)]
    status: Status,
    #[command(flatten)]
    within: InOrganization,
    #[command(flatten)]
    limit: Limit,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    one: One,
    /// A new name.
    #[arg(long)]
    name: Option<Name>,
    /// Your own id for it; never changes once it is set.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    #[command(flatten)]
    traits: TraitArgs,
}

/// Which accounts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Archived,
    All,
}

const COLUMNS: &[Column] =
    &[("ID", "/id"), ("NAME", "/name"), ("EXTERNAL ID", "/external_id"), ("STATUS", "/status")];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("organization", "/organization_id"),
    ("name", "/name"),
    ("external id", "/external_id"),
    ("status", "/status"),
    ("traits", "/traits"),
    ("created", "/created_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(open(global).await?, new).await,
        Command::List(asked) => list(open(global).await?, asked).await,
        Command::Show(one) => {
            let session = open(global).await?;
            let (organization, account) = find(&session, &one).await?;
            print(&session, organization, &account)
        }
        Command::Update(asked) => {
            let Update { one, name, external_id, traits } = asked;
            let patch = AccountPatch { name, external_id, status: None, traits: traits.patch() };
            let patch = some_change(patch, "--name, --external-id or --trait")?;
            update(open(global).await?, &one, patch).await
        }
        Command::Archive(one) => {
            let question = format!("Archive the account {}? Access through it ends.", one.account);
            archive(open_to_destroy(global, &question).await?, &one).await
        }
        Command::Unarchive(one) => {
            let patch = AccountPatch { status: Some(AccountStatus::Active), ..AccountPatch::default() };
            update(open(global).await?, &one, patch).await
        }
    }
}

async fn create(session: Session, new: Create) -> Result<(), Failure> {
    let organization = session.organization(&new.within.organization).await?;
    let new = NewAccount { name: new.name, external_id: new.external_id, traits: new.traits.patch() };
    let done = flows::create_account(&session.roster, &session.request(), organization, &new, None).await?;
    print(&session, organization, &done.output)
}

async fn list(session: Session, asked: List) -> Result<(), Failure> {
    let organization = session.organization(&asked.within.organization).await?;
    let status = match asked.status {
        Status::Active => Some(AccountStatus::Active),
        Status::Archived => Some(AccountStatus::Archived),
        Status::All => None,
    };
    let request = session.request();
    let fetch = async |page| reads::accounts(&session.roster, &request, organization, status, &page).await;
    let Listed { rows, next } = all_pages(&asked.limit, fetch).await?;
    let rows = rows.iter().map(|row| shapes::account(organization, &row.value)).collect();
    session.out.list("Account", &Listed { rows, next }, COLUMNS, "There are no such accounts.")
}

async fn update(session: Session, one: &One, patch: AccountPatch) -> Result<(), Failure> {
    let (organization, account) = find(&session, one).await?;
    let operation = UpdateAccount { organization, account: account.id, patch };
    let done = update_account(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

async fn archive(session: Session, one: &One) -> Result<(), Failure> {
    let (organization, account) = find(&session, one).await?;
    let operation = ArchiveAccount { organization, account: account.id };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    print(&session, organization, &done.output)
}

async fn find(session: &Session, one: &One) -> Result<(OrganizationId, Account), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let shown = reads::account(&session.roster, &session.request(), organization, &one.account).await?;
    Ok((organization, shown.value))
}

fn print(session: &Session, organization: OrganizationId, account: &Account) -> Result<(), Failure> {
    session.out.one(&shapes::account(organization, account), FIELDS)
}
