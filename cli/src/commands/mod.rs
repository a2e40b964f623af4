//! One file a noun: its verbs as the command line takes them, and what they do.

mod access;
pub mod account;
pub mod activity;
pub mod api_key;
pub mod audit;
pub mod check;
pub mod config;
pub mod dead_letter;
mod demo;
mod doctor;
pub mod events;
pub mod import;
pub mod indicator;
pub mod invitation;
pub mod job;
pub mod member;
pub mod operator_key;
pub mod organization;
pub mod post;
pub mod record;
pub mod report;
pub mod role;
mod serve;
pub mod shell;
pub mod source;
pub mod storage;
pub mod trait_mappings;
pub mod user;
pub mod verify;
pub mod view;
pub mod webhook;

use crate::args::{Cli, Command, Global};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::session::Session;

/// Does what the command line asks.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Serve { demo } => Box::pin(serve::run(global, demo)).await,
        Command::Worker { metrics } => Box::pin(serve::work(global, metrics)).await,
        Command::Migrate => migrate(global).await,
        Command::Config(command) => config::run(&command, global),
        Command::OperatorKey(command) => operator_key::run(command, global).await,
        Command::Organization(command) => Box::pin(organization::run(command, global)).await,
        Command::Account(command) => account::run(command, global).await,
        Command::Member(command) => Box::pin(member::run(command, global)).await,
        Command::User(command) => user::run(command, global).await,
        Command::Role(command) => role::run(command, global).await,
        Command::ApiKey(command) => api_key::run(command, global).await,
        Command::Invitation(command) => invitation::run(command, global).await,
        Command::Post(command) => post::run(command, global).await,
        Command::Record(command) => record::run(command, global).await,
        Command::Check(check) => check::run(check, global).await,
        Command::Audit(command) => audit::run(command, global).await,
        Command::Events(command) => events::run(command, global).await,
        Command::Verify { repair } => verify::run(global, repair).await,
        Command::Job(command) => job::run(command, global).await,
        Command::Import(command) => import::run(command, global).await,
        Command::Report(command) => report::run(command, global).await,
        Command::View(command) => view::run(command, global).await,
        Command::Indicator(command) => indicator::run(command, global).await,
        Command::Webhook(command) => webhook::run(command, global).await,
        Command::Activity(asked) => activity::run(asked, global).await,
        Command::TraitMappings(command) => trait_mappings::run(command, global).await,
        Command::Source(command) => source::run(command, global).await,
        Command::DeadLetter(command) => dead_letter::run(command, global).await,
        Command::Storage(command) => storage::run(command, global).await,
        Command::Doctor => doctor::run(global).await,
        Command::Completions { shell } => shell::completions(shell),
        Command::Man { folder } => shell::man(folder),
    }
}

/// Opens the store of a command that destroys nothing.
async fn open(global: &Global) -> Result<Session, Failure> {
    Session::open(global).await
}

/// Opens the store of a command that cannot be taken back, once somebody has said yes.
async fn open_to_destroy(global: &Global, question: &str) -> Result<Session, Failure> {
    confirm(global.yes, question)?;
    Session::open(global).await
}

async fn migrate(global: &Global) -> Result<(), Failure> {
    let session = Session::open_and_migrate(global).await?;
    session.roster.store.ping().await?;
    session.out.say("The store is there and its schema is current.", &serde_json::json!({"migrated": true}))
}
