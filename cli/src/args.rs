//! The command line: noun, then verb. Each noun's verbs stand with what they do, in `commands/<noun>.rs`.

use std::fmt;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use roster_core::reference::OrganizationRef;
use serde::de::DeserializeOwned;

use crate::commands::shell::Shell;
use crate::commands::{
    account, activity, api_key, audit, check, config, dead_letter, events, import, indicator, invitation,
    job, member, operator_key, organization, post, record, report, role, source, storage, trait_mappings,
    user, view, webhook,
};
use crate::config::Flags;
use crate::cursor::Cursor;
use crate::failure::Failure;

/// Who is in which account, as what, who owns the account, and how people leave.
///
/// Without a server: every command acts on the store that the configuration names, also while a server runs on it.
/// Where an id is asked for, `ext:VALUE` names the thing by your own id.
#[derive(Debug, Parser)]
#[command(name = "roster", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Start here:
  roster serve                         run the server
  roster operator-key create laptop    make a key for the API
  roster organization create --name Acme --owner-email ada@example.com

Exit status: 0 done, 1 refused or failed, 2 bad usage, 3 store unreachable.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags that stand anywhere.
    #[command(flatten)]
    pub global: Global,
}

/// Flags that stand anywhere on the line.
#[derive(Debug, Args)]
pub struct Global {
    /// How to print the answer.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
    /// Go on without asking.
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Configuration file [default: roster.toml in this folder, if it is there].
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS)]
    config: Option<PathBuf>,
    /// Folder for the database and the generated master key.
    #[arg(long, global = true, value_name = "FOLDER", help_heading = SETTINGS)]
    data_dir: Option<PathBuf>,
    /// Address and port of the server.
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = SETTINGS)]
    listen: Option<String>,
    /// Address at which people reach the server.
    #[arg(long, global = true, value_name = "URL", help_heading = SETTINGS)]
    public_url: Option<String>,
    /// How a log line looks: text or json.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = SETTINGS)]
    log_format: Option<String>,
    /// The least important level that is logged: error, warn, info, debug or trace.
    #[arg(long, global = true, value_name = "LEVEL", help_heading = SETTINGS)]
    log_level: Option<String>,
}

const SETTINGS: &str = "Settings (also in roster.toml and the environment)";

impl Global {
    /// The settings among the flags.
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            listen: self.listen.clone(),
            public_url: self.public_url.clone(),
            data_dir: self.data_dir.clone(),
            log_format: self.log_format.clone(),
            log_level: self.log_level.clone(),
        }
    }
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For machines, with the names of the HTTP API.
    Json,
    /// For spreadsheets, with the columns of the HTTP API; no cell is taken for a formula.
    Csv,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server, on a store that is made if there is none.
    Serve {
        /// On a store with sample data that is thrown away at the end, with a key and commands to try.
        #[arg(long)]
        demo: bool,
    },
    /// Do jobs, keep the feed and send mail and events without answering requests, beside servers on the same store.
    Worker {
        /// Tell of this process there too: `/healthz`, `/readyz` and, for Prometheus, `/metrics`.
        #[arg(long, value_name = "ADDRESS:PORT")]
        metrics: Option<std::net::SocketAddr>,
    },
    /// Make the store, or bring it up to this program's schema.
    Migrate,
    /// Look at the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Keys of the deployment, which hold every right.
    #[command(subcommand)]
    OperatorKey(operator_key::Command),
    /// Organizations, their owners and seats.
    #[command(subcommand)]
    Organization(organization::Command),
    /// Accounts of an organization.
    #[command(subcommand)]
    Account(account::Command),
    /// Members of an organization and what they reach.
    #[command(subcommand)]
    Member(member::Command),
    /// People, once per deployment.
    #[command(subcommand)]
    User(user::Command),
    /// Roles and their permissions.
    #[command(subcommand)]
    Role(role::Command),
    /// Keys of an organization.
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Invitations into an organization.
    #[command(subcommand)]
    Invitation(invitation::Command),
    /// Account owners and key roles, which confer no permission.
    #[command(subcommand)]
    Post(post::Command),
    /// Who owns what in the vendor's product.
    #[command(subcommand)]
    Record(record::Command),
    /// May this user do this here?
    Check(check::Check),
    /// What was done, by whom.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Every change as it happens.
    #[command(subcommand)]
    Events(events::Command),
    /// Check every invariant of the store.
    Verify {
        /// First put right what leads from one thing to another: names, directories, cards.
        #[arg(long)]
        repair: bool,
    },
    /// Read a CSV file into an organization.
    #[command(subcommand)]
    Import(import::Command),
    /// What takes long, and how far it is.
    #[command(subcommand)]
    Job(job::Command),
    /// Which customers are how.
    #[command(subcommand)]
    Report(report::Command),
    /// Questions about customers, under a name.
    #[command(subcommand)]
    View(view::Command),
    /// What enters and leaves a view.
    #[command(subcommand)]
    Indicator(indicator::Command),
    /// Who is told of events, and what became of what was sent.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// What people did, by user, event and day.
    Activity(activity::Activity),
    /// Which traits name the owners of accounts and organizations.
    #[command(subcommand)]
    TraitMappings(trait_mappings::Command),
    /// Where events about customers come from.
    #[command(subcommand)]
    Source(source::Command),
    /// What sources sent and could not be applied.
    #[command(subcommand)]
    DeadLetter(dead_letter::Command),
    /// Move a deployment to another store.
    #[command(subcommand)]
    Storage(storage::Command),
    /// Look at everything that must be so for this deployment to work; changes nothing.
    Doctor,
    /// Print what completes this command line in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man {
        /// Write a page for each command into this folder instead.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// In which organization.
#[derive(Debug, Clone, Args)]
pub struct InOrganization {
    /// The organization, by id or `ext:VALUE`.
    #[arg(long, value_name = "ORG")]
    pub organization: OrganizationRef,
}

/// How much of a list.
#[derive(Args)]
pub struct Limit {
    /// At most so many rows [default: all].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Go on where an earlier call of this list was cut: it said so on stderr, and in `next_cursor` for machines.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<Cursor>,
}

/// Which part of a list is asked for does not make it another one: see [`crate::cursor::bind`].
impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").finish_non_exhaustive()
    }
}

impl Limit {
    /// The number of rows.
    pub fn rows(&self) -> Option<usize> {
        self.limit.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// Behind which place the list begins; none at its beginning.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.cursor.as_ref().map(Cursor::place).transpose()
    }
}

/// Traits to merge.
#[derive(Debug, Args)]
pub struct TraitArgs {
    /// A trait to set; VALUE is JSON, or else text; `null` removes it. Once per trait.
    #[arg(long = "trait", value_name = "NAME=VALUE", action = ArgAction::Append, value_parser = parse_trait)]
    traits: Vec<(String, serde_json::Value)>,
}

impl TraitArgs {
    /// As core takes them.
    pub fn patch(&self) -> roster_core::model::TraitPatch {
        roster_core::model::TraitPatch(self.traits.iter().cloned().collect())
    }
}

/// A length of time.
pub fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a whole number of seconds, such as 86400 for a day".to_owned())
}

fn parse_trait(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn traits_are_json_or_text() {
        for (text, value) in [
            ("plan=pro", serde_json::json!("pro")),
            ("seats=12", serde_json::json!(12)),
            ("gone=null", serde_json::Value::Null),
            ("formula=a=b", serde_json::json!("a=b")),
        ] {
            assert_eq!(parse_trait(text).unwrap().1, value, "{text}");
        }
        assert!(parse_trait("plan").is_err());
    }
}
