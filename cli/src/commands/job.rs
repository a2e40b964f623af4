//! `roster job`: what takes long, and how far it is.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use roster_api::{csv, shapes};
use roster_core::flows;
use roster_core::id::JobId;
use roster_core::jobs::Worker;
use roster_core::model::{Job, JobStatus, Outcome};
use roster_core::reads;
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::stop::Stop;
use serde_json::Value;

use super::{open, open_to_destroy};
use crate::args::{Global, Limit};
use crate::cursor::Cursor;
use crate::failure::{Failure, note_refused};
use crate::output::{Column, line, note, table, text};
use crate::progress::Progress;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List jobs.
    List(List),
    /// Show a job, and what was refused.
    Show {
        /// By id.
        job: JobId,
    },
    /// Wait for the end of a job, with its progress.
    Follow {
        /// By id.
        job: JobId,
    },
    /// List what came of each item of a job.
    Results {
        /// By id.
        job: JobId,
        #[command(flatten)]
        limit: Limit,
    },
    /// Stop a job; what is done stays done.
    Cancel {
        /// By id.
        job: JobId,
    },
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only jobs of this organization, by id or `ext:VALUE`.
    #[arg(long, value_name = "ORG")]
    organization: Option<OrganizationRef>,
    #[command(flatten)]
    limit: Limit,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("KIND", "/kind"),
    ("STATUS", "/status"),
    ("DONE", "/progress/done"),
    ("OF", "/progress/total"),
    ("CREATED", "/created_at"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("kind", "/kind"),
    ("organization", "/organization_id"),
    ("status", "/status"),
    ("done", "/progress/done"),
    ("of", "/progress/total"),
    ("summary", "/summary"),
    ("why", "/failure"),
    ("created", "/created_at"),
    ("finished", "/finished_at"),
];

const RESULTS: &[Column] = &[
    ("ITEM", "/item"),
    ("LINE", "/line"),
    ("OUTCOME", "/status"),
    ("CODE", "/code"),
    ("WARNING", "/warning"),
    ("WHY", "/detail"),
];

const REFUSED: &[Column] = &[("ITEM", "/item"), ("LINE", "/line"), ("CODE", "/code"), ("WHY", "/detail")];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::List(asked) => list(&open(global).await?, asked).await,
        Command::Show { job } => {
            let session = open(global).await?;
            let job = flows::find_job(&session.roster, &session.request(), job).await?;
            show(&session, &job).await
        }
        Command::Follow { job } => {
            let session = open(global).await?;
            let job = wait(&session, job).await?;
            end(&session, &job).await
        }
        Command::Results { job, limit } => results(&open(global).await?, job, &limit).await,
        Command::Cancel { job } => {
            let session = open_to_destroy(global, &format!("Stop {job}?")).await?;
            let mut job = flows::cancel_job(&session.roster, &session.request(), job).await?;
            if !job.status.is_finished() {
                // It is in the middle of something: whoever is at it ends it, and where nobody is, this does.
                job = worked_off(&session, job.id).await?;
            }
            session.out.one(&shapes::job(&job), FIELDS)
        }
    }
}

/// Removes a user from everything, and does the sweep here unless a server is quicker.
pub async fn remove_everywhere(global: &Global, named: &UserRef) -> Result<(), Failure> {
    let question = format!("Remove {named} from every organization?");
    let session = open_to_destroy(global, &question).await?;
    let user = session.user(named).await?;
    let done = flows::remove_everywhere(&session.roster, &session.request(), user).await?;
    note(&format!("{named} has no access any more; {} sweeps", done.output.id));
    work_off(&session, done.output.id).await
}

/// Works on a job here, unless a server is quicker, and shows it when it has ended; for spreadsheets what came of its items.
pub async fn work_off(session: &Session, id: JobId) -> Result<(), Failure> {
    let job = worked_off(session, id).await?;
    if !session.out.is_csv() {
        return end(session, &job).await;
    }
    print_csv(&outcomes(session, id, |_| true).await?)?;
    ended_well(session, &job).await
}

/// What came of each item, for a spreadsheet.
pub fn print_csv(outcomes: &[Outcome]) -> Result<(), Failure> {
    let rows: Vec<_> = outcomes.iter().map(shapes::outcome).collect();
    text(&csv::table(csv::columns("JobResult"), &rows))
}

/// Works on a job here, unless a server is quicker.
pub async fn worked_off(session: &Session, id: JobId) -> Result<Job, Failure> {
    let (worker, stop) = (Worker::new(session.roster.clone(), Arc::default()), Stop::default());
    let stopped = stop.clone();
    let worker = tokio::spawn(async move { worker.work(stopped).await });
    let job = wait(session, id).await;
    stop.give();
    let _ended = worker.await;
    job
}

async fn list(session: &Session, asked: List) -> Result<(), Failure> {
    let within = match &asked.organization {
        Some(named) => Some(session.organization(named).await?),
        None => None,
    };
    let request = session.request();
    let Listed { rows, next } =
        all_pages(&asked.limit, async |page| reads::jobs(&session.roster, &request, within, &page).await)
            .await?;
    let rows: Vec<Value> = rows.iter().map(shapes::job).collect();
    session.out.list("Job", &Listed { rows, next }, COLUMNS, "There are no jobs.")
}

/// Until the job has ended.
async fn wait(session: &Session, id: JobId) -> Result<Job, Failure> {
    let mut progress = Progress::towards_an_end("items done");
    loop {
        let job = flows::find_job(&session.roster, &session.request(), id).await?;
        if job.done == 0 && job.examined > 0 {
            progress.looking(job.examined, job.total);
        } else {
            progress.of(job.done, job.total);
        }
        if job.status.is_finished() {
            progress.end();
            return Ok(job);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Shows a job that has ended, and fails where not all was done.
pub async fn end(session: &Session, job: &Job) -> Result<(), Failure> {
    show(session, job).await?;
    ended_well(session, job).await
}

/// Whether a job did all that was asked; what it did not is said on stderr.
pub async fn ended_well(session: &Session, job: &Job) -> Result<(), Failure> {
    if job.status == JobStatus::Completed {
        return Ok(());
    }
    let refused = refused(session, job).await?;
    let named = |it: &Outcome| match it.line {
        Some(line) => format!("line {line}: {}", it.item),
        None => it.item.clone(),
    };
    note_refused(refused.iter().filter_map(|it| Some((it.code.as_deref()?, named(it)))));
    if let Some(why) = &job.failure {
        note(&format!("failed: {}: {why}", job.id));
    } else if refused.is_empty() {
        note(&format!("failed: {} is {}", job.id, job.status.name()));
    }
    Err(Failure::Said)
}

async fn show(session: &Session, job: &Job) -> Result<(), Failure> {
    session.out.one(&shapes::job(job), FIELDS)?;
    if session.out.is_for_machines() {
        return Ok(());
    }
    let refused = refused(session, job).await?;
    if !refused.is_empty() {
        line("")?;
        line(&table(&refused.iter().map(shapes::outcome).collect::<Vec<_>>(), REFUSED))?;
    }
    Ok(())
}

async fn results(session: &Session, job: JobId, limit: &Limit) -> Result<(), Failure> {
    let (mut rows, mut from) = (Vec::new(), Some(limit.after()?.unwrap_or(0)));
    let limit = limit.rows();
    while let Some(at) = from.filter(|_| limit.is_none_or(|limit| rows.len() < limit)) {
        let room = limit.map_or(200, |limit| (limit - rows.len()).min(200));
        let room = u16::try_from(room).unwrap_or(200);
        let (found, next) = reads::job_results(&session.roster, &session.request(), job, at, room).await?;
        rows.extend(found.iter().map(shapes::outcome));
        from = next;
    }
    let listed = Listed { rows, next: from.as_ref().map(Cursor::to) };
    session.out.list("JobResult", &listed, RESULTS, "Nothing came of it yet.")
}

async fn refused(session: &Session, job: &Job) -> Result<Vec<Outcome>, Failure> {
    outcomes(session, job.id, |outcome| outcome.code.is_some()).await
}

/// What came of those items of a job that are wanted.
pub async fn outcomes(
    session: &Session,
    job: JobId,
    wanted: impl Fn(&Outcome) -> bool,
) -> Result<Vec<Outcome>, Failure> {
    let (mut outcomes, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let (found, next) = reads::job_results(&session.roster, &session.request(), job, at, 200).await?;
        outcomes.extend(found.into_iter().filter(&wanted));
        from = next;
    }
    Ok(outcomes)
}
