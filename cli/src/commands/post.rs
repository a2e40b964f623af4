//! `roster post`: account owners and key roles.

use clap::{ArgGroup, Args, Subcommand};
use roster_api::shapes;
use roster_core::flows;
use roster_core::id::OrganizationId;
use roster_core::model::PostName;
use roster_core::op::run as run_operation;
use roster_core::ops::post::ClearPost;
use roster_core::reads;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::text::KeyRole;

use super::open;
use crate::args::{Global, InOrganization};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::Session;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put a person into a post; whoever held it holds it no more.
    Set {
        /// The person, by id or `ext:VALUE`.
        user: UserRef,
        #[command(flatten)]
        post: Which,
    },
    /// Empty a post.
    Clear {
        #[command(flatten)]
        post: Which,
    },
}

/// Which post.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("name").required(true).args(["account_owner", "key_role"]))]
pub struct Which {
    /// The account owner: the customer's side.
    #[arg(long)]
    account_owner: bool,
    /// A key role of the vendor's side, such as `csm`.
    #[arg(long, value_name = "NAME")]
    key_role: Option<KeyRole>,
    /// On this account, by id or `ext:VALUE` [default: on the organization itself].
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountRef>,
    #[command(flatten)]
    within: InOrganization,
}

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("account owner", "/account_owner/user_id"),
    ("looked for", "/account_owner/external_id"),
    ("key roles", "/key_roles"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Set { user, post } => {
            let session = open(global).await?;
            let (organization, name) = find(&session, &post).await?;
            flows::set_post(&session.roster, &session.request(), organization, name, &user).await?;
            show(&session, organization, &post).await
        }
        Command::Clear { post } => {
            let session = open(global).await?;
            let (organization, name) = find(&session, &post).await?;
            let operation = ClearPost { organization, name };
            run_operation(&session.roster, &session.request(), &operation).await?;
            show(&session, organization, &post).await
        }
    }
}

async fn find(session: &Session, post: &Which) -> Result<(OrganizationId, PostName), Failure> {
    let organization = session.organization(&post.within.organization).await?;
    let account = match &post.account {
        Some(named) => {
            Some(reads::account_id(&session.roster, &session.request(), organization, named).await?)
        }
        None => None,
    };
    Ok((organization, PostName { account, key_role: post.key_role.clone() }))
}

/// What the post is on, after the act.
async fn show(session: &Session, organization: OrganizationId, post: &Which) -> Result<(), Failure> {
    let request = session.request();
    let shape = match &post.account {
        Some(named) => {
            let shown = reads::account(&session.roster, &request, organization, named).await?;
            shapes::account(organization, &shown.value)
        }
        None => shapes::organization(&reads::organization(&session.roster, &request, organization).await?),
    };
    session.out.one(&shape, FIELDS)
}
