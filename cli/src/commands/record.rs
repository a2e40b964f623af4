//! `roster record`: who owns what in the vendor's product.

use clap::{Args, Subcommand};
use roster_api::shapes;
use roster_core::flows::{self, Reassign};
use roster_core::model::HoldingName;
use roster_core::op::run as run_operation;
use roster_core::ops::record::{DeleteRecord, PutRecord};
use roster_core::reads;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::text::{ExternalId, Name, RecordType};
use serde_json::json;

use super::{job, open, open_to_destroy};
use crate::args::{Global, InOrganization, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List records.
    List(List),
    /// Show one record.
    Show(One),
    /// Register a record, or change what is registered of it.
    Put {
        #[command(flatten)]
        one: One,
        /// Who owns it, by id or `ext:VALUE`.
        #[arg(long, value_name = "USER")]
        owner: UserRef,
        /// The account on which it lies, by id or `ext:VALUE`.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<AccountRef>,
        /// What people call it.
        #[arg(long)]
        title: Option<Name>,
    },
    /// Take a record off.
    Delete(One),
    /// Hand all records of one person to another; a job rewrites them.
    Reassign {
        /// Whose they are, by id or `ext:VALUE`.
        #[arg(long, value_name = "USER")]
        from: UserRef,
        /// Whose they will be, by id or `ext:VALUE`.
        #[arg(long, value_name = "USER")]
        to: UserRef,
        /// Only of this type.
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<RecordType>,
        /// Only on this account, by id or `ext:VALUE`.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<AccountRef>,
        #[command(flatten)]
        within: InOrganization,
    },
}

/// One record.
#[derive(Debug, Args)]
pub struct One {
    /// What kind of thing, such as `deal`.
    #[arg(value_name = "TYPE")]
    kind: RecordType,
    /// Your own id for it.
    #[arg(value_name = "ID")]
    external_id: ExternalId,
    #[command(flatten)]
    within: InOrganization,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only records of this user, by id or `ext:VALUE`.
    #[arg(long, value_name = "USER")]
    owner: Option<UserRef>,
    /// Only records of this type.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<RecordType>,
    #[command(flatten)]
    within: InOrganization,
    #[command(flatten)]
    limit: Limit,
}

const COLUMNS: &[Column] = &[
    ("TYPE", "/type"),
    ("ID", "/external_id"),
    ("TITLE", "/title"),
    ("OWNER", "/owner"),
    ("ACCOUNT", "/account"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("type", "/type"),
    ("external id", "/external_id"),
    ("title", "/title"),
    ("owner", "/owner"),
    ("account", "/account"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::List(asked) => list(open(global).await?, asked).await,
        Command::Show(one) => show(open(global).await?, &one).await,
        Command::Put { one, owner, account, title } => {
            let session = open(global).await?;
            let owner = flows::find_user(&session.roster, &owner).await?;
            let operation = PutRecord {
                organization: session.organization(&one.within.organization).await?,
                kind: one.kind,
                external_id: one.external_id,
                owner: owner.id,
                cuts: owner.cuts,
                account,
                title,
            };
            let done = run_operation(&session.roster, &session.request(), &operation).await?;
            session.out.one(&shapes::record(&done.output.holding), FIELDS)
        }
        Command::Delete(one) => {
            let question = format!("Take off {} {}?", one.kind, one.external_id);
            delete(open_to_destroy(global, &question).await?, &one).await
        }
        Command::Reassign { from, to, kind, account, within } => {
            let session = open(global).await?;
            let organization = session.organization(&within.organization).await?;
            let asked = Reassign { from, to, kind, account };
            let done =
                flows::reassign_records(&session.roster, &session.request(), organization, &asked).await?;
            job::work_off(&session, done.output.id).await
        }
    }
}

async fn list(session: Session, asked: List) -> Result<(), Failure> {
    let organization = session.organization(&asked.within.organization).await?;
    let (request, owner) = (session.request(), asked.owner.as_ref());
    let fetch = async |page| {
        reads::records(&session.roster, &request, organization, owner, asked.kind.clone(), &page).await
    };
    let Listed { rows, next } = all_pages(&asked.limit, fetch).await?;
    let rows = rows.iter().map(|row| shapes::record(&row.value)).collect();
    session.out.list("Record", &Listed { rows, next }, COLUMNS, "There are no such records.")
}

async fn show(session: Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let name = HoldingName::new(&one.kind, &one.external_id);
    let shown = reads::record(&session.roster, &session.request(), organization, &name).await?;
    session.out.one(&shapes::record(&shown.value), FIELDS)
}

async fn delete(session: Session, one: &One) -> Result<(), Failure> {
    let organization = session.organization(&one.within.organization).await?;
    let name = HoldingName::new(&one.kind, &one.external_id);
    let operation = DeleteRecord { organization, name: name.clone() };
    run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.say(&format!("{name} is taken off."), &json!({"changed": true}))
}
