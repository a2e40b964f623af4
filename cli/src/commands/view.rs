//! `roster view`: questions under a name.

use clap::{Args, Subcommand, ValueEnum};
use roster_api::shapes::customer as shapes;
use roster_core::id::ViewId;
use roster_core::model::customer::ReportKind;
use roster_core::op::run as run_operation;
use roster_core::ops::customer::{CreateView, DeleteView, UpdateView, ViewPatch};
use roster_core::reads;
use roster_core::report::{Filter, columns_of, order_of};
use roster_core::text::Name;
use serde_json::json;

use super::report::{columns, filter, show, sort};
use super::{open, open_to_destroy};
use crate::args::{Global, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Save a view.
    Create(Create),
    /// List views.
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Report what is in a view.
    Show {
        /// By id.
        view: ViewId,
        #[command(flatten)]
        limit: Limit,
    },
    /// Change a view; what it has a row for stays.
    Update(Update),
    /// Delete a view.
    Delete {
        /// By id.
        view: ViewId,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What you call it.
    name: Name,
    /// What it has a row for.
    #[arg(long, value_enum, default_value_t = Kind::Accounts)]
    kind: Kind,
    /// Which rows, as `roster report` takes it.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// The columns, with commas [default: the usual ones].
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    /// By which columns, with commas; `-` in front turns the order round.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id.
    view: ViewId,
    /// What you call it.
    #[arg(long)]
    name: Option<Name>,
    /// Which rows, as `roster report` takes it.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    /// All rows.
    #[arg(long, conflicts_with = "filter")]
    no_where: bool,
    /// The columns, with commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// By which columns, with commas; `-` in front turns the order round.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Option<Vec<String>>,
}

/// What a view has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Each account.
    Accounts,
    /// Each organization.
    Organizations,
}

const COLUMNS: &[Column] = &[("ID", "/id"), ("NAME", "/name"), ("KIND", "/kind"), ("FILTER", "/filter")];
const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("kind", "/kind"),
    ("filter", "/filter"),
    ("columns", "/columns"),
    ("sort", "/sort"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(asked) => create(asked, global).await,
        Command::List { limit } => {
            let session = open(global).await?;
            let request = session.request();
            let fetch = async |page| reads::views(&session.roster, &request, &page).await;
            let Listed { rows, next } = all_pages(&limit, fetch).await?;
            let rows = rows.iter().map(shapes::view).collect();
            let none = "There are no views. Save one: roster view create NAME --where FILTER";
            session.out.list("View", &Listed { rows, next }, COLUMNS, none)
        }
        Command::Show { view, limit } => {
            let session = open(global).await?;
            let view = reads::view(&session.roster, &session.request(), view).await?.value;
            let wrong = |wrong: String| Failure::Failed(format!("the view cannot be read: {wrong}"));
            let columns = columns_of(view.kind, &view.columns).map_err(|bad| wrong(bad.detail))?;
            let sort = order_of(view.kind, &view.sort).map_err(|bad| wrong(bad.detail))?;
            let filter = match &view.filter {
                Some(text) => {
                    let value = serde_json::from_str(text).map_err(|bad| wrong(bad.to_string()))?;
                    Some(Filter::read(view.kind, &value, "/filter").map_err(|bad| wrong(bad.to_string()))?)
                }
                None => None,
            };
            drop(session);
            show(view.kind, columns, filter, sort, &limit, global).await
        }
        Command::Update(asked) => update(asked, global).await,
        Command::Delete { view } => {
            let question = format!("Delete the view {view}? Indicators on it see nothing any more.");
            let session = open_to_destroy(global, &question).await?;
            run_operation(&session.roster, &session.request(), &DeleteView { view }).await?;
            session.out.say(&format!("The view {view} is deleted."), &json!({"changed": true}))
        }
    }
}

async fn create(asked: Create, global: &Global) -> Result<(), Failure> {
    let kind = match asked.kind {
        Kind::Accounts => ReportKind::Accounts,
        Kind::Organizations => ReportKind::Organizations,
    };
    columns(kind, &asked.columns)?;
    sort(kind, &asked.sort)?;
    let filter = filter(kind, asked.filter.as_deref())?.map(|filter| filter.shown().to_string());
    let session = open(global).await?;
    let operation = CreateView { name: asked.name, kind, filter, columns: asked.columns, sort: asked.sort };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.one(&shapes::view(&done.output), FIELDS)
}

async fn update(asked: Update, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let kind = reads::view(&session.roster, &session.request(), asked.view).await?.value.kind;
    columns(kind, asked.columns.as_deref().unwrap_or_default())?;
    sort(kind, asked.sort.as_deref().unwrap_or_default())?;
    let wanted = filter(kind, asked.filter.as_deref())?.map(|filter| filter.shown().to_string());
    let patch = ViewPatch {
        name: asked.name,
        filter: if asked.no_where { Some(None) } else { wanted.map(Some) },
        columns: asked.columns,
        sort: asked.sort,
    };
    let operation = UpdateView { view: asked.view, patch };
    let done = run_operation(&session.roster, &session.request(), &operation).await?;
    session.out.one(&shapes::view(&done.output), FIELDS)
}
