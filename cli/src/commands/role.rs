//! `roster role`: roles and their permissions.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::delete_role;
use roster_core::op::run as run_operation;
use roster_core::ops::role::{CreateRole, RolePatch, UpdateRole};
use roster_core::permission::{Permission, RoleRef, SystemRole};
use roster_core::reads;
use roster_core::reference::OrganizationRef;
use roster_core::refusal::Refusal;
use roster_core::text::Name;
use serde_json::{Value, json};

use super::{open, open_to_destroy};
use crate::args::{Global, InOrganization};
use crate::failure::{Failure, some_change};
use crate::output::{Column, Printer};
use crate::session::{Listed, Session};

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
    /// List the permissions that are Roster's own; any other `resource:action` is the vendor's.
    Permissions,
    /// Make a role of an organization's own.
    Create(Create),
    /// Change a role's name, or all that it holds.
    Update(Update),
    /// Delete a role.
    Delete {
        /// By id.
        role: RoleRef,
        /// What those who hold it hold from now on: a system role, or a `rol_` id.
        #[arg(long, value_name = "ROLE")]
        replace_with: Option<RoleRef>,
        #[command(flatten)]
        within: InOrganization,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What people call it.
    #[arg(long)]
    name: Name,
    /// What it holds, as `resource:action`. Once per permission.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<Permission>,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id.
    role: RoleRef,
    /// What people call it.
    #[arg(long)]
    name: Option<Name>,
    /// All that it holds from now on. Once per permission.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Option<Vec<Permission>>,
    #[command(flatten)]
    within: InOrganization,
}

const COLUMNS: &[Column] = &[("ROLE", "/name"), ("ID", "/id"), ("SYSTEM", "/system")];

const FIELDS: &[Column] = &[("id", "/id"), ("name", "/name"), ("permissions", "/permissions")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::List { organization } => list(&open(global).await?, organization.as_ref()).await,
        Command::Show { role, organization } => show(&open(global).await?, role, organization.as_ref()).await,
        Command::Permissions => permissions(global),
        Command::Create(new) => create(&open(global).await?, new).await,
        Command::Update(asked) => update(&open(global).await?, asked).await,
        Command::Delete { role, replace_with, within } => {
            let question = format!("Delete the role {role} of {}?", within.organization);
            let session = open_to_destroy(global, &question).await?;
            let organization = session.organization(&within.organization).await?;
            delete_role(&session.roster, &session.request(), organization, role, replace_with).await?;
            session.out.say(&format!("{role} is deleted."), &json!({}))
        }
    }
}

/// The catalogue, which needs no store.
fn permissions(global: &Global) -> Result<(), Failure> {
    let listed = Listed { rows: shapes::permissions(), next: None };
    let columns: &[Column] = &[("PERMISSION", "/permission")];
    Printer::new(global.output).list("Permission", &listed, columns, "There are none.")
}

async fn list(session: &Session, organization: Option<&OrganizationRef>) -> Result<(), Failure> {
    let mut rows: Vec<Value> = SystemRole::ALL.into_iter().map(shapes::role).collect();
    if let Some(named) = organization {
        let id = session.organization(named).await?;
        let own = reads::roles(&session.roster, &session.request(), id).await?;
        rows.extend(own.iter().map(shapes::custom_role));
    }
    session.out.list("Role", &Listed { rows, next: None }, COLUMNS, "There are no roles.")
}

async fn show(
    session: &Session,
    role: RoleRef,
    organization: Option<&OrganizationRef>,
) -> Result<(), Failure> {
    let within = match organization {
        Some(named) => Some(session.organization(named).await?),
        None => None,
    };
    let shape = match (role, within) {
        (RoleRef::System(role), None) => shapes::role(role),
        (RoleRef::System(role), Some(id)) => {
            reads::require_roles(&session.roster, &session.request(), id).await?;
            shapes::role(role)
        }
        (RoleRef::Custom(_), None) => return Err(Refusal::NotFound.into()),
        (RoleRef::Custom(role), Some(id)) => {
            let shown = reads::role(&session.roster, &session.request(), id, role).await?;
            shapes::custom_role(&shown.value)
        }
    };
    let held = shape["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    session.out.say(&held.collect::<Vec<_>>().join("\n"), &shape)
}

async fn create(session: &Session, new: Create) -> Result<(), Failure> {
    let organization = session.organization(&new.within.organization).await?;
    let permissions: BTreeSet<Permission> = new.permissions.into_iter().collect();
    let operation = CreateRole { organization, name: new.name, permissions };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.one(&shapes::custom_role(&done.output), FIELDS)
}

async fn update(session: &Session, asked: Update) -> Result<(), Failure> {
    let organization = session.organization(&asked.within.organization).await?;
    let permissions = asked.permissions.map(|held| held.into_iter().collect());
    let patch = some_change(RolePatch { name: asked.name, permissions }, "--name or --permission")?;
    let operation = UpdateRole { organization, role: asked.role, patch };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.one(&shapes::custom_role(&done.output), FIELDS)
}
