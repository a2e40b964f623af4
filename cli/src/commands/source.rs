//! `roster source`: where events about customers come from.

use clap::{Args, Subcommand, ValueEnum};
use roster_api::shapes::customer as shapes;
use roster_core::flows::{create_source, update_source};
use roster_core::id::SourceId;
use roster_core::model::customer::{EventNames, Groups, NEW_ORGANIZATIONS_PER_DAY};
use roster_core::op::run as run_operation;
use roster_core::ops::source::{CreateSource, DeleteSource, SourcePatch};
use roster_core::permission::RoleRef;
use roster_core::reads;
use roster_core::reference::{OrganizationRef, UserRef};
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
    /// Make a source and print its write key, this once.
    Create(Create),
    /// List sources, without their write keys.
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a source.
    Show {
        /// By id.
        source: SourceId,
    },
    /// Change a source.
    Update(Update),
    /// Delete a source; its write key opens nothing from the next request on.
    Delete {
        /// By id.
        source: SourceId,
    },
}

/// Flags of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What you call it.
    name: Name,
    /// Where its groups go: accounts of one organization, an organization each, or by a trait of the group.
    #[arg(long, value_enum, default_value_t = To::One)]
    groups: To,
    /// For `--groups one`: the organization, by id or `ext:VALUE`.
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
    /// For `--groups trait`: the trait that holds the external id of the organization.
    #[arg(long = "trait", value_name = "NAME")]
    name_of_trait: Option<String>,
    /// For `--groups each` and `trait`: who owns the organizations that its groups make. None are made without it.
    #[arg(long, value_name = "USER")]
    organization_owner: Option<UserRef>,
    /// How many organizations they make a day at the most; what comes beyond is a dead letter.
    #[arg(long, value_name = "NUMBER", default_value_t = NEW_ORGANIZATIONS_PER_DAY)]
    new_organizations_per_day: u32,
    /// What it makes people in their accounts.
    #[arg(long, value_name = "ROLE", default_value = "member")]
    default_role: RoleRef,
    #[command(flatten)]
    events: Events,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id.
    source: SourceId,
    /// What you call it.
    #[arg(long)]
    name: Option<Name>,
    /// Where its groups go from now on: accounts of one organization, an organization each, or by a trait of the group.
    #[arg(long, value_enum)]
    groups: Option<To>,
    /// For `--groups one`: the organization, by id or `ext:VALUE`.
    #[arg(long, value_name = "ORG", requires = "groups")]
    organization: Option<OrganizationRef>,
    /// For `--groups trait`: the trait that holds the external id of the organization.
    #[arg(long = "trait", value_name = "NAME", requires = "groups")]
    name_of_trait: Option<String>,
    /// For `--groups each` and `trait`: who owns the organizations that its groups make from now on.
    #[arg(long, value_name = "USER")]
    organization_owner: Option<UserRef>,
    /// That its groups make no organizations any more.
    #[arg(long, conflicts_with = "organization_owner")]
    no_organization_owner: bool,
    /// How many organizations they make a day at the most.
    #[arg(long, value_name = "NUMBER")]
    new_organizations_per_day: Option<u32>,
    /// What it makes people in their accounts.
    #[arg(long, value_name = "ROLE")]
    default_role: Option<RoleRef>,
    #[command(flatten)]
    events: Events,
}

/// Which events are messages.
#[derive(Debug, Args)]
struct Events {
    /// An event that says that the person wrote to you. Once per event.
    #[arg(long, value_name = "EVENT")]
    message_received: Vec<String>,
    /// An event that says that you wrote to the person. Once per event.
    #[arg(long, value_name = "EVENT")]
    message_sent: Vec<String>,
}

impl Events {
    fn over(self, before: EventNames) -> EventNames {
        let other = |new: Vec<String>, old: Vec<String>| if new.is_empty() { old } else { new };
        EventNames {
            message_received: other(self.message_received, before.message_received),
            message_sent: other(self.message_sent, before.message_sent),
        }
    }
}

/// Where groups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Each is an account of one organization.
    One,
    /// Each is an organization.
    Each,
    /// A trait of the group names the organization.
    Trait,
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("GROUPS", "/groups/to"),
    ("ROLE", "/default_role"),
    ("CREATED", "/created_at"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("groups go to", "/groups/to"),
    ("organization", "/groups/organization"),
    ("trait", "/groups/trait"),
    ("owner of new organizations", "/organization_owner"),
    ("new organizations a day", "/new_organizations_per_day"),
    ("default role", "/default_role"),
    ("messages received", "/events/message_received"),
    ("messages sent", "/events/message_sent"),
    ("created", "/created_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(asked) => create(open(global).await?, asked).await,
        Command::List { limit } => list(open(global).await?, &limit).await,
        Command::Show { source } => {
            let session = open(global).await?;
            let shown = reads::source(&session.roster, &session.request(), source).await?;
            session.out.one(&shapes::source(&shown.value), FIELDS)
        }
        Command::Update(asked) => update(open(global).await?, asked).await,
        Command::Delete { source } => {
            let question = format!("Delete the source {source}? What it sends is refused at once.");
            let session = open_to_destroy(global, &question).await?;
            run_operation(&session.roster, &session.request(), &DeleteSource { source }).await?;
            session.out.say(&format!("The source {source} is deleted."), &json!({"changed": true}))
        }
    }
}

async fn create(session: Session, asked: Create) -> Result<(), Failure> {
    let groups = groups(&session, asked.groups, asked.organization, asked.name_of_trait).await?;
    let events = asked.events.over(EventNames::default());
    let new = CreateSource {
        name: asked.name,
        groups,
        organization_owner: None,
        new_organizations_per_day: asked.new_organizations_per_day,
        default_role: asked.default_role,
        events,
    };
    let owner = asked.organization_owner.as_ref();
    let done = create_source(&session.roster, &session.request(), new, owner, None).await?;
    let (source, token) = done.output;
    let mut shown = shapes::source(&source);
    shown["write_key"] = json!(token.reveal());
    let note = format!(
        "This is the only time that the write key of {} ({}) is shown. Libraries of Segment take it as it is; curl takes \
         it as: -u WRITE_KEY:",
        source.name, source.id
    );
    session.out.secret(token.reveal(), &shown, &note)
}

async fn groups(
    session: &Session,
    to: To,
    organization: Option<OrganizationRef>,
    name_of_trait: Option<String>,
) -> Result<Groups, Failure> {
    Ok(match (to, organization, name_of_trait) {
        (To::One, Some(named), None) => Groups::One(session.organization(&named).await?),
        (To::One, None, _) => {
            return Err(Failure::Usage("say which organization: --organization ORG".to_owned()));
        }
        (To::Each, None, None) => Groups::Each,
        (To::Trait, None, Some(name)) => Groups::Trait(name),
        (To::Trait, None, None) => return Err(Failure::Usage("name the trait: --trait NAME".to_owned())),
        _ => {
            let usage = "--organization goes with `--groups one`, --trait with `--groups trait`";
            return Err(Failure::Usage(usage.to_owned()));
        }
    })
}

async fn update(session: Session, asked: Update) -> Result<(), Failure> {
    let before = reads::source(&session.roster, &session.request(), asked.source).await?.value;
    let events = Some(asked.events.over(before.events));
    let groups = match asked.groups {
        Some(to) => Some(groups(&session, to, asked.organization, asked.name_of_trait).await?),
        None => None,
    };
    let owner = asked.organization_owner.as_ref();
    let owner = if asked.no_organization_owner { Some(None) } else { owner.map(Some) };
    let patch = SourcePatch {
        name: asked.name,
        groups,
        organization_owner: None,
        new_organizations_per_day: asked.new_organizations_per_day,
        default_role: asked.default_role,
        events,
    };
    let done = update_source(&session.roster, &session.request(), asked.source, patch, owner).await?;
    session.out.one(&shapes::source(&done.output), FIELDS)
}

async fn list(session: Session, limit: &Limit) -> Result<(), Failure> {
    let request = session.request();
    let fetch = async |page| reads::sources(&session.roster, &request, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(shapes::source).collect();
    let none = "There are no sources. Make one: roster source create NAME --organization ORG";
    session.out.list("Source", &Listed { rows, next }, COLUMNS, none)
}
