//! `roster audit`: what was done, by whom, and whether that has been tampered with.

use clap::{Args, Subcommand};
use roster_api::{csv, shapes};
use roster_core::home::Home;
use roster_core::id::OrganizationId;
use roster_core::log::LogFilter;
use roster_core::reads::{self, Action, ActorRef, AuditAsk, AuditPage, AuditPosition, AuditRow};
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::time::Timestamp;
use roster_core::verify::{vanished_logs, verify_log};
use serde_json::{Value, json};

use super::open;
use crate::args::{Global, Limit};
use crate::cursor::Cursor;
use crate::failure::Failure;
use crate::output::{Column, line, part};
use crate::progress::Progress;
use crate::session::{Listed, Session};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was done in an organization, or in the deployment and the users' own homes.
    List {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        limit: Limit,
    },
    /// Print all of it: JSON, one change a line, or with `--output csv` a table for spreadsheets.
    Export {
        #[command(flatten)]
        asked: Asked,
    },
    /// Check that trails are whole: nothing edited, dropped, reordered or cut off.
    Verify {
        /// The organization, by id or `ext:VALUE` [default: every trail of the deployment].
        #[arg(long, value_name = "ORG")]
        organization: Option<OrganizationRef>,
    },
}

/// Which part of a trail.
#[derive(Debug, Args)]
pub struct Asked {
    /// The organization, by id or `ext:VALUE` [default: the deployment].
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
    /// Only what is done by this actor: a user, the id of a key, `operator` for the command line, or `system`.
    #[arg(long)]
    actor: Option<ActorRef>,
    /// Only what is about or by this person, by id or `ext:VALUE`.
    #[arg(long)]
    user: Option<UserRef>,
    /// Only this action, such as `member.removed`.
    #[arg(long)]
    action: Option<Action>,
    /// Only from this instant on, such as `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only before this instant.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

const COLUMNS: &[Column] = &[
    ("TIME", "/time"),
    ("BY", "/actor/type"),
    ("BY ID", "/actor/id"),
    ("ACTION", "/action"),
    ("OF", "/target/id"),
    ("REASON", "/reason"),
];

/// What is said of a trail that is not whole.
const BROKEN: &[&str] = &["home", "seq", "problem"];

/// The schema of a row.
const ROW: &str = "AuditEvent";
const PAGE: u16 = 200;

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    match command {
        Command::List { asked, limit } => list(&Trail::of(&session, asked).await?, &limit).await,
        Command::Export { asked } => export(&Trail::of(&session, asked).await?).await,
        Command::Verify { organization: Some(named) } => verify(&session, &named).await,
        Command::Verify { organization: None } => verify_all(&session).await,
    }
}

/// A part of a trail, in ids.
struct Trail<'a> {
    session: &'a Session,
    within: Option<OrganizationId>,
    filter: LogFilter,
}

impl<'a> Trail<'a> {
    async fn of(session: &'a Session, asked: Asked) -> Result<Self, Failure> {
        let Asked { organization, actor, user, action, from, to } = asked;
        let within = match &organization {
            Some(named) => Some(session.organization(named).await?),
            None => None,
        };
        let ask = AuditAsk { actor, user, action, from, to };
        let filter = reads::audit_filter(&session.roster, &session.request(), within, &ask).await?;
        Ok(Self { session, within, filter })
    }

    async fn page(&self, after: Option<AuditPosition>, limit: u16) -> Result<AuditPage, Failure> {
        let (roster, request, filter) = (&self.session.roster, self.session.request(), &self.filter);
        Ok(match self.within {
            Some(id) => reads::organization_audit(roster, &request, id, filter, after, limit).await?,
            None => reads::deployment_audit(roster, &request, filter, after, limit).await?,
        })
    }
}

async fn list(trail: &Trail<'_>, limit: &Limit) -> Result<(), Failure> {
    let mut rows: Vec<AuditRow> = Vec::new();
    let mut after: Option<AuditPosition> = limit.after()?;
    let limit = limit.rows();
    let next = loop {
        let room = limit.map_or(usize::from(PAGE), |limit| limit - rows.len());
        let page = trail.page(after.take(), u16::try_from(room).unwrap_or(PAGE).min(PAGE)).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) if limit.is_none_or(|limit| rows.len() < limit) => after = Some(next),
            next => break next.as_ref().map(Cursor::to),
        }
    };
    let rows = rows.iter().map(shapes::audit).collect();
    trail.session.out.list(ROW, &Listed { rows, next }, COLUMNS, "Nothing has been done here.")
}

/// Page by page, so that a long trail needs no memory.
async fn export(trail: &Trail<'_>) -> Result<(), Failure> {
    let as_csv = trail.session.out.is_csv();
    let columns = csv::columns(ROW);
    if as_csv {
        part(&csv::header(columns))?;
    }
    let mut after = None;
    loop {
        let page = trail.page(after, PAGE).await?;
        let one = |row: &AuditRow| {
            if as_csv { csv::row(columns, &shapes::audit(row)) } else { format!("{}\n", shapes::audit(row)) }
        };
        part(&page.rows.iter().map(one).collect::<String>())?;
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn verify(session: &Session, named: &OrganizationRef) -> Result<(), Failure> {
    let organization = session.organization(named).await?;
    reads::require_visible(&session.roster, &session.request(), organization).await?;
    let mut progress = Progress::counting("entries checked");
    let home = Home::Organization(organization);
    let verdict = verify_log(&session.roster, &home, &mut |done| progress.at(done)).await?;
    progress.end();
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
    if session.out.is_for_machines() {
        let broken =
            bad.map(|(seq, problem)| json!({"home": home.to_string(), "seq": seq, "problem": problem}));
        session.out.rows(&answer, BROKEN, broken.as_slice())?;
    } else {
        line(&text)?;
    }
    if bad.is_none() { Ok(()) } else { Err(Failure::Said) }
}

/// Every trail: those of the deployment, of organizations and of users.
async fn verify_all(session: &Session) -> Result<(), Failure> {
    let store = &session.roster.store;
    let mut progress = Progress::counting("entries checked");
    let (mut trails, mut entries, mut broken) = (0_u64, 0, Vec::<Value>::new());
    let (mut listed, mut homes) = (store.homes(None, 500).await?, Vec::new());
    loop {
        let last = listed.last().cloned();
        match last {
            Some(_) => homes.extend(listed.into_iter().filter(Home::has_log)),
            None => homes = vanished_logs(&session.roster).await?,
        }
        for home in homes.drain(..) {
            let verdict = verify_log(&session.roster, &home, &mut |done| progress.at(entries + done)).await?;
            (trails, entries) = (trails + 1, entries + verdict.entries);
            if let Some((seq, problem)) = verdict.first_bad {
                broken.push(json!({"home": home.to_string(), "seq": seq, "problem": problem}));
            }
        }
        let Some(last) = last else { break };
        listed = store.homes(Some(&last), 500).await?;
    }
    progress.end();
    if session.out.is_for_machines() {
        let ok = broken.is_empty();
        let whole = json!({"ok": ok, "trails": trails, "entries": entries, "broken": broken});
        session.out.rows(&whole, BROKEN, &broken)?;
    } else {
        for one in &broken {
            let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            line(&format!(
                "The trail of {} is broken at entry {}: {}",
                word("home"),
                one["seq"],
                word("problem")
            ))?;
        }
        let whole = trails - u64::try_from(broken.len()).unwrap_or(trails);
        line(&format!("{whole} of {trails} trails are whole: {entries} entries."))?;
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Said) }
}
