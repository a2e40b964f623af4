//! `roster events`: what has happened, and what happens.

use clap::{Args, Subcommand};
use roster_api::{csv, shapes};
use roster_core::feed;
use roster_core::reads::{self, EventPage, EventPlace, EventSource};
use roster_core::reference::OrganizationRef;
use roster_core::stop::Stop;
use serde_json::Value;

use super::open;
use crate::args::{Global, Limit};
use crate::cursor::Cursor;
use crate::failure::Failure;
use crate::output::{Column, part};
use crate::session::{Listed, Session};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what has happened, oldest first.
    List {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        limit: Limit,
    },
    /// Print what happens from now on, an event a line, until interrupted.
    Follow {
        #[command(flatten)]
        asked: Asked,
        /// Begin with what has happened already.
        #[arg(long)]
        from_start: bool,
    },
}

/// Whose events.
#[derive(Debug, Args)]
pub struct Asked {
    /// The organization, by id or `ext:VALUE` [default: the deployment, for 30 days].
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
}

const COLUMNS: &[Column] = &[
    ("TIME", "/time"),
    ("TYPE", "/type"),
    ("OF", "/data/target/id"),
    ("BY", "/data/actor/type"),
    ("BY ID", "/data/actor/id"),
];

/// The schema of a row.
const ROW: &str = "Event";
const PAGE: u16 = 200;

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    match command {
        Command::List { asked, limit } => {
            let source = whole_source(&session, &asked).await?;
            list(&session, source, &limit).await
        }
        Command::Follow { asked, from_start } => {
            let source = whole_source(&session, &asked).await?;
            let (following, never) = (follow(&session, source, from_start), Stop::default());
            match source {
                EventSource::Organization(_) => following.await,
                // The feed is kept as servers keep it, so that none is needed.
                EventSource::Deployment => tokio::select! {
                    ended = following => ended,
                    () = feed::keep_feed(&session.roster, &never) => Ok(()),
                },
            }
        }
    }
}

/// With what commands have done since a server ran last.
async fn whole_source(session: &Session, asked: &Asked) -> Result<EventSource, Failure> {
    Ok(if let Some(named) = &asked.organization {
        EventSource::Organization(session.organization(named).await?)
    } else {
        feed::sweep_once(&session.roster).await?;
        EventSource::Deployment
    })
}

async fn page(
    session: &Session,
    source: EventSource,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, Failure> {
    Ok(reads::events(&session.roster, &session.request(), source, from, limit).await?)
}

async fn list(session: &Session, source: EventSource, limit: &Limit) -> Result<(), Failure> {
    let mut rows: Vec<Value> = Vec::new();
    let mut from = limit.after()?.unwrap_or(EventPlace::START);
    let limit = limit.rows();
    let next = loop {
        let room = limit.map_or(usize::from(PAGE), |limit| limit - rows.len());
        let size = u16::try_from(room).unwrap_or(PAGE).min(PAGE);
        let page = page(session, source, from, size).await?;
        rows.extend(page.rows.iter().map(|(event, _)| shapes::event(event)));
        from = page.next;
        if limit.is_some_and(|limit| rows.len() == limit) {
            let more = !self::page(session, source, from, 1).await?.rows.is_empty();
            break more.then(|| Cursor::to(&from));
        }
        if page.rows.len() < usize::from(size) {
            break None;
        }
    };
    session.out.list(ROW, &Listed { rows, next }, COLUMNS, "Nothing has happened here.")
}

async fn follow(session: &Session, source: EventSource, from_start: bool) -> Result<(), Failure> {
    let roster = &session.roster;
    let mut from = if from_start { EventPlace::START } else { reads::events_end(roster, source).await? };
    let columns = csv::columns(ROW);
    if session.out.is_csv() {
        part(&csv::header(columns))?;
    }
    loop {
        let page = page(session, source, from, PAGE).await?;
        let shown = page.rows.iter().map(|(event, _)| shapes::event(event));
        let line = |event: Value| {
            if session.out.is_csv() {
                return csv::row(columns, &event);
            }
            if session.out.is_for_machines() { format!("{event}\n") } else { in_words(&event) }
        };
        part(&shown.map(line).collect::<String>())?;
        from = page.next;
        if page.rows.len() < usize::from(PAGE) {
            roster.news.beyond(roster.store.as_ref(), &source.home(), source.behind(from)).await;
        }
    }
}

/// An event in a line for people, who see each as it happens and so no table.
fn in_words(event: &Value) -> String {
    let word = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let by = [word("/data/actor/type"), word("/data/actor/id")].join(" ");
    format!("{}  {}  {}  by {by}\n", word("/time"), word("/type"), word("/data/target/id"))
}
