//! `roster audit`: what was done, by whom, and whether that has been tampered with.

use clap::Subcommand;
use roster_api::shapes;
use roster_core::home::Home;
use roster_core::reads::{self, AuditPosition, AuditRow};
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::verify::verify_log;
use serde_json::json;

use super::open;
use crate::args::{Global, InOrganization, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was done in an organization, or in the deployment and the users' own homes.
    List {
        /// The organization, by id or `ext:VALUE` [default: the deployment].
        #[arg(long, value_name = "ORG")]
        organization: Option<OrganizationRef>,
        /// Only what is about or by this person, by id or `ext:VALUE`.
        #[arg(long)]
        user: Option<UserRef>,
        #[command(flatten)]
        limit: Limit,
    },
    /// Check that the trail of an organization is whole: nothing edited, dropped, reordered or cut off.
    Verify {
        #[command(flatten)]
        within: InOrganization,
    },
}

const COLUMNS: &[Column] = &[
    ("TIME", "/time"),
    ("BY", "/actor/type"),
    ("BY ID", "/actor/id"),
    ("ACTION", "/action"),
    ("OF", "/target/id"),
    ("REASON", "/reason"),
];

const PAGE: u16 = 200;

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    match command {
        Command::List { organization, user, limit } => {
            list(&session, organization.as_ref(), user.as_ref(), limit.rows()).await
        }
        Command::Verify { within } => verify(&session, &within.organization).await,
    }
}

async fn list(
    session: &Session,
    organization: Option<&OrganizationRef>,
    user: Option<&UserRef>,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let (roster, request) = (&session.roster, session.request());
    let organization = match organization {
        Some(named) => Some(session.organization(named).await?),
        None => None,
    };
    let user = match user {
        Some(named) => Some(session.user(named).await?),
        None => None,
    };
    let mut rows: Vec<AuditRow> = Vec::new();
    let mut after: Option<AuditPosition> = None;
    let more = loop {
        let room = limit.map_or(usize::from(PAGE), |limit| limit - rows.len());
        let size = u16::try_from(room).unwrap_or(PAGE).min(PAGE);
        let page = match organization {
            Some(id) => reads::organization_audit(roster, &request, id, user, after.take(), size).await?,
            None => reads::deployment_audit(roster, &request, user, after.take(), size).await?,
        };
        rows.extend(page.rows);
        match page.next {
            Some(next) if limit.is_none_or(|limit| rows.len() < limit) => after = Some(next),
            next => break next.is_some(),
        }
    };
    let rows = rows.iter().map(shapes::audit).collect();
    session.out.list(&Listed { rows, more }, COLUMNS, "Nothing has been done here.")
}

async fn verify(session: &Session, named: &OrganizationRef) -> Result<(), Failure> {
    let organization = session.organization(named).await?;
    reads::require_visible(&session.roster, &session.request(), organization).await?;
    let home = Home::Organization(organization);
    let verdict = verify_log(&session.roster, &home, &mut |_| {}).await?;
    let bad = verdict.first_bad.as_ref();
    let text = match bad {
        None => format!("The trail of {organization} is whole: {} entries.", verdict.entries),
        Some((seq, problem)) => format!("The trail of {organization} is broken at entry {seq}: {problem}"),
    };
    let answer = json!({
        "ok": bad.is_none(),
        "entries": verdict.entries,
        "first_bad": bad.map(|(seq, problem)| json!({"seq": seq, "problem": problem})),
    });
    session.out.say(&text, &answer)?;
    if bad.is_none() { Ok(()) } else { Err(Failure::Said) }
}
