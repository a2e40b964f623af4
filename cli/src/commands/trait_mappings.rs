//! `roster trait-mappings`: which traits name the owners of accounts and organizations (rule T2).

use clap::{Args, Subcommand};
use roster_api::shapes::customer as shapes;
use roster_core::flows::{put_mappings, shown_mappings};
use roster_core::home::Home;
use roster_core::model::customer::Mappings;
use roster_core::reads;
use roster_core::reference::OrganizationRef;

use super::{job, open};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Column;
use crate::session::Session;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show which traits name owners.
    Show(Whose),
    /// Say which traits name owners; what is left out names none. A job looks at everything again.
    Set {
        /// The trait of an account that holds the external id of its owner.
        #[arg(long, value_name = "TRAIT", value_parser = parse_name)]
        account_owner_trait: Option<String>,
        /// The trait of an organization that holds the external id of its owner.
        #[arg(long, value_name = "TRAIT", value_parser = parse_name)]
        organization_owner_trait: Option<String>,
        #[command(flatten)]
        whose: Whose,
    },
}

/// The deployment's, or an organization's own.
#[derive(Debug, Args)]
pub struct Whose {
    /// Those of this organization, which beat the deployment's, by id or `ext:VALUE` [default: the deployment's].
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
}

const FIELDS: &[Column] = &[
    ("owner of an account", "/account_owner_trait"),
    ("owner of an organization", "/organization_owner_trait"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    match command {
        Command::Show(whose) => {
            let home = home(&session, &whose).await?;
            show(&session, &home).await
        }
        Command::Set { account_owner_trait, organization_owner_trait, whose } => {
            let home = home(&session, &whose).await?;
            let new = Mappings { account_owner_trait, organization_owner_trait };
            let done = put_mappings(&session.roster, &session.request(), home.clone(), new).await?;
            let ended = job::worked_off(&session, done.output.id).await?;
            show(&session, &home).await?;
            job::ended_well(&session, &ended).await
        }
    }
}

async fn home(session: &Session, whose: &Whose) -> Result<Home, Failure> {
    let Some(named) = &whose.organization else { return Ok(Home::Deployment) };
    let id = session.organization(named).await?;
    reads::require_visible(&session.roster, &session.request(), id).await?;
    Ok(Home::Organization(id))
}

async fn show(session: &Session, home: &Home) -> Result<(), Failure> {
    session.out.one(&shapes::mappings(&shown_mappings(&session.roster, home).await?.0), FIELDS)
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err("a trait's name has 1 to 200 characters and no control characters".to_owned());
    }
    Ok(text.to_owned())
}
