//! `roster dead-letter`: what sources sent and could not be applied.

use clap::{Args, Subcommand};
use roster_api::shapes::customer as shapes;
use roster_core::flows::replay_letters;
use roster_core::id::{DeadLetterId, SourceId};
use roster_core::ingest;
use roster_core::model::OutcomeStatus;
use serde_json::json;

use super::{job, open};
use crate::args::{Global, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what could not be applied, with the reason.
    List {
        #[command(flatten)]
        of: OfSource,
        #[command(flatten)]
        limit: Limit,
    },
    /// Put it into the inbox again, all of it or what is named; a server or a worker applies it.
    Replay {
        #[command(flatten)]
        of: OfSource,
        /// Only these, by id.
        #[arg(conflicts_with = "all")]
        letters: Vec<DeadLetterId>,
        /// All that there are, as without a name.
        #[arg(long)]
        all: bool,
    },
}

/// Of which source.
#[derive(Debug, Args)]
pub struct OfSource {
    /// The source, by id.
    #[arg(long, value_name = "SOURCE")]
    source: SourceId,
}

const COLUMNS: &[Column] =
    &[("ID", "/id"), ("RECEIVED", "/received_at"), ("REASON", "/reason"), ("MESSAGE", "/payload")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let request = session.request();
    match command {
        Command::List { of, limit } => {
            let fetch = async |page| ingest::dead_letters(&session.roster, &request, of.source, &page).await;
            let Listed { rows, next } = all_pages(&limit, fetch).await?;
            let mut rows: Vec<_> = rows.iter().map(shapes::dead_letter).collect();
            if !session.out.is_for_machines() {
                // As it came, whatever it looks like.
                for row in &mut rows {
                    row["payload"] = row["payload"].to_string().into();
                }
            }
            let none = "There are none: everything was applied.";
            session.out.list("DeadLetter", &Listed { rows, next }, COLUMNS, none)
        }
        Command::Replay { of, letters, all: _ } => {
            let mut ended = None;
            let count = if letters.is_empty() {
                let done = replay_letters(&session.roster, &request, of.source).await?;
                let job = ended.insert(job::worked_off(&session, done.output.id).await?);
                job.summary.get(OutcomeStatus::Changed.name()).copied().unwrap_or_default()
            } else {
                ingest::replay(&session.roster, &request, of.source, &letters).await?
            };
            let said = format!("{count} in the inbox again.");
            session.out.say(&said, &json!({"replayed": count}))?;
            match &ended {
                Some(ended) => job::ended_well(&session, ended).await,
                None => Ok(()),
            }
        }
    }
}
