//! `roster indicator`: what enters and leaves a view, each told once.

use clap::{Args, Subcommand};
use roster_api::shapes::customer as shapes;
use roster_core::id::{IndicatorId, ViewId};
use roster_core::op::run as run_operation;
use roster_core::ops::customer::{CreateIndicator, IndicatorPatch, UpdateIndicator};
use roster_core::reads;
use roster_core::text::Name;
use roster_core::watch::{delete_indicator, evaluate};
use serde_json::json;

use super::{open, open_to_destroy};
use crate::args::{Global, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an indicator on a view; what is in the view now is no news.
    Create(Create),
    /// List indicators.
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one indicator.
    Show {
        /// By id.
        indicator: IndicatorId,
    },
    /// Change an indicator; its view stays.
    Update {
        /// By id.
        indicator: IndicatorId,
        /// What you call it.
        #[arg(long)]
        name: Option<Name>,
        /// For how many days something must be in the view before it counts.
        #[arg(long, value_name = "DAYS")]
        holds_for_days: Option<u32>,
    },
    /// List what entered and left.
    Alerts {
        /// By id.
        indicator: IndicatorId,
        #[command(flatten)]
        limit: Limit,
    },
    /// Delete an indicator.
    Delete {
        /// By id.
        indicator: IndicatorId,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What you call it.
    name: Name,
    /// On which view, by id.
    #[arg(long, value_name = "VIEW")]
    view: ViewId,
    /// For how many days something must be in the view before it counts.
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    holds_for_days: u32,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("VIEW", "/view_id"),
    ("DAYS", "/holds_for_days"),
    ("CREATED", "/created_at"),
];
const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("view", "/view_id"),
    ("holds for days", "/holds_for_days"),
    ("created", "/created_at"),
];
const ALERTS: &[Column] =
    &[("AT", "/at"), ("STATE", "/state"), ("KIND", "/subject/type"), ("SUBJECT", "/subject/id")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(asked) => {
            let session = open(global).await?;
            let Create { name, view, holds_for_days } = asked;
            let operation = CreateIndicator { name, view, holds_for_days };
            let done = run_operation(&session.roster, &session.request(), &operation).await?;
            evaluate(&session.roster, &done.output).await?;
            session.out.one(&shapes::indicator(&done.output), FIELDS)
        }
        Command::List { limit } => {
            let session = open(global).await?;
            let request = session.request();
            let fetch = async |page| reads::indicators(&session.roster, &request, &page).await;
            let Listed { rows, next } = all_pages(&limit, fetch).await?;
            let rows = rows.iter().map(shapes::indicator).collect();
            let none = "There are no indicators. Make one: roster indicator create NAME --view VIEW";
            session.out.list("Indicator", &Listed { rows, next }, COLUMNS, none)
        }
        Command::Show { indicator } => {
            let session = open(global).await?;
            let shown = reads::indicator(&session.roster, &session.request(), indicator).await?;
            session.out.one(&shapes::indicator(&shown.value), FIELDS)
        }
        Command::Update { indicator, name, holds_for_days } => {
            let session = open(global).await?;
            let operation = UpdateIndicator { indicator, patch: IndicatorPatch { name, holds_for_days } };
            let done = run_operation(&session.roster, &session.request(), &operation).await?;
            session.out.one(&shapes::indicator(&done.output), FIELDS)
        }
        Command::Alerts { indicator, limit } => {
            let session = open(global).await?;
            let request = session.request();
            let fetch = async |page| reads::alerts(&session.roster, &request, indicator, &page).await;
            let Listed { rows, next } = all_pages(&limit, fetch).await?;
            let rows = rows.iter().map(shapes::alert).collect();
            session.out.list("Alert", &Listed { rows, next }, ALERTS, "Nothing entered or left yet.")
        }
        Command::Delete { indicator } => {
            let session = open_to_destroy(global, &format!("Delete the indicator {indicator}?")).await?;
            delete_indicator(&session.roster, &session.request(), indicator).await?;
            session.out.say(&format!("The indicator {indicator} is deleted."), &json!({"changed": true}))
        }
    }
}
