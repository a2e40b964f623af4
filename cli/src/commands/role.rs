//! `roster role`: roles and their permissions.

use clap::Subcommand;
use roster_api::shapes;
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reads;
use roster_core::reference::OrganizationRef;
use roster_core::refusal::Refusal;

use super::open;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Column;
use crate::session::Listed;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the roles; `show` says what one holds.
    List {
        /// The organization, by id or `ext:VALUE`.
        #[arg(long, value_name = "ORG")]
        organization: Option<OrganizationRef>,
    },
    /// Show which permissions a role holds.
    Show {
        /// By name, or by id for a role of an organization's own.
        role: RoleRef,
        /// The organization, by id or `ext:VALUE`.
        #[arg(long, value_name = "ORG")]
        organization: Option<OrganizationRef>,
    },
}

const COLUMNS: &[Column] = &[("ROLE", "/name"), ("ID", "/id"), ("SYSTEM", "/system")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let (Command::List { organization } | Command::Show { organization, .. }) = &command;
    if let Some(named) = organization {
        let id = session.organization(named).await?;
        reads::require_visible(&session.roster, &session.request(), id).await?;
    }
    match command {
        Command::List { .. } => {
            let rows = SystemRole::ALL.into_iter().map(shapes::role).collect();
            session.out.list("Role", &Listed { rows, more: false }, COLUMNS, "There are no roles.")
        }
        Command::Show { role: RoleRef::System(role), .. } => {
            let permissions: Vec<_> = role.catalogue().collect();
            session.out.say(&permissions.join("\n"), &shapes::role(role))
        }
        Command::Show { role: RoleRef::Custom(_), .. } => Err(Refusal::NotFound.into()),
    }
}
