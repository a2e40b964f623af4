//! `roster operator-key`: keys of the deployment, which hold every right.

use clap::Subcommand;
use roster_api::shapes;
use roster_core::id::OperatorKeyId;
use roster_core::op::run as run_operation;
use roster_core::ops::operator_key::{CreateOperatorKey, RevokeOperatorKey};
use roster_core::reads;
use roster_core::text::Name;
use serde_json::json;

use super::{open, open_to_destroy};
use crate::args::{Global, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and print its secret, this once.
    Create {
        /// What you call it.
        name: Name,
    },
    /// List the keys, without their secrets.
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// End a key; it opens nothing from the next request on.
    Revoke {
        /// The key's id.
        key: OperatorKeyId,
    },
}

const COLUMNS: &[Column] =
    &[("ID", "/id"), ("NAME", "/name"), ("PREFIX", "/prefix"), ("CREATED", "/created_at")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create { name } => create(open(global).await?, name).await,
        Command::List { limit } => list(open(global).await?, &limit).await,
        Command::Revoke { key } => {
            let question = format!("End the operator key {key}? What uses it stops working at once.");
            revoke(open_to_destroy(global, &question).await?, key).await
        }
    }
}

async fn create(session: Session, name: Name) -> Result<(), Failure> {
    let done = run_operation(&session.roster, &session.request(), &CreateOperatorKey { name }).await?;
    let (key, token) = done.output;
    let mut shown = shapes::operator_key(&key);
    shown["secret"] = json!(token.reveal());
    let note = format!(
        "This is the only time that the secret of {} ({}) is shown. Send it as: Authorization: Bearer SECRET",
        key.name, key.id
    );
    session.out.secret(token.reveal(), &shown, &note)
}

async fn list(session: Session, limit: &Limit) -> Result<(), Failure> {
    let request = session.request();
    let fetch = async |page| reads::operator_keys(&session.roster, &request, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(shapes::operator_key).collect();
    let none = "There are no operator keys. Make one: roster operator-key create NAME";
    session.out.list("OperatorKey", &Listed { rows, next }, COLUMNS, none)
}

async fn revoke(session: Session, key: OperatorKeyId) -> Result<(), Failure> {
    run_operation(&session.roster, &session.request(), &RevokeOperatorKey { key }).await?;
    session.out.say(&format!("The key {key} is dead."), &json!({"changed": true}))
}
