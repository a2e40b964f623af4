//! Importing a file as a job (rule X4): first the whole file is gone through without doing anything, and seats are
//! held for all of it; then chunk by chunk, each with its outcomes and what it takes from the hold.

use std::sync::Arc;

use super::{Held, Interrupted, as_asked};
use crate::facts::{Fence, Request};
use crate::flows::import::{
    Again, ImportLine, ImportOptions, Report, import_one_by_one, import_rows, seats_are_limited,
};
use crate::flows::refresh::refresh_cards;
use crate::flows::store_parts;
use crate::home::{Key, Tally};
use crate::id::OrganizationId;
use crate::model::{Job, JobPart, JobPartId, JobSide, Outcome, OutcomeStatus, PartContent};
use crate::op::Roster;
use crate::ops::job::Advance;
use crate::overlay::{Overlay, on_overlay};
use crate::refusal::{OpError, Refusal};
use crate::store::CommitError;

/// What the cursor says once seats are held for the whole file.
const ADMITTED: &str = "admitted";

impl Held {
    pub(super) async fn import(
        &self,
        mut job: Job,
        organization: OrganizationId,
        options: ImportOptions,
    ) -> Result<(), Interrupted> {
        if job.cursor.as_deref() != Some(ADMITTED) {
            job = match self.admit(job, organization, options).await? {
                Some(job) => job,
                None => return Ok(()),
            };
        }
        while job.done < job.total {
            let lines = self.lines(&job).await?;
            job = self.chunk(job, organization, options, &lines).await?;
        }
        Ok(())
    }

    /// The rows of the part that is next.
    async fn lines(&self, job: &Job) -> Result<Vec<ImportLine>, Interrupted> {
        let lines = parsed(&self.items(job.id, job.done / Job::PART as u64).await?)?;
        if lines.is_empty() {
            return Err(Interrupted::Hopeless("a part of the file is missing".into()));
        }
        Ok(lines)
    }

    /// Goes through the whole file without doing anything. A dry run ends here, with its outcomes; else seats are held
    /// for everybody new, or the job ends with nothing done. Where seats are not limited there is nothing to hold.
    async fn admit(
        &self,
        mut job: Job,
        organization: OrganizationId,
        options: ImportOptions,
    ) -> Result<Option<Job>, Interrupted> {
        let request = as_asked(&job);
        if !options.dry_run && !seats_are_limited(&self.roster, organization).await? {
            let advance = Advance { cursor: Some(ADMITTED.to_owned()), ..Advance::default() };
            return self.say(&request, job.id, advance).await.map(Some);
        }
        let asker = self.asker(&job).await?;
        let run = on_overlay(&self.roster, Overlay::new);
        let above = Self { roster: run.0.clone(), ..self.clone() };
        let before = above.seats().await?;
        let (again, parts) = (self.again(&job).await?, job.total.div_ceil(Job::PART as u64));
        for n in 0..parts {
            let lines = parsed(&self.items(job.id, n).await?)?;
            let report = import_rows(&run, &asker, organization, &lines, options).await?;
            let full = |outcome: &Outcome| outcome.code.as_deref() == Some(Refusal::NoSeat.code());
            if !options.dry_run && report.outcomes.iter().any(full) {
                return Err(Interrupted::Hopeless(Refusal::NoSeat.code().to_owned()));
            }
            let part = u32::try_from(n).unwrap_or(u32::MAX);
            run.1.shed(asker.actor.user(), |name| again.after(part, name));
            // What an attempt that was cut off has said is not said again.
            let said = !options.dry_run || job.done > n * Job::PART as u64;
            let advance = if said {
                Advance::default()
            } else {
                Advance { outcomes: report.outcomes, made: report.made, ..Advance::default() }
            };
            job = self.say(&request, job.id, advance).await?;
        }
        if options.dry_run {
            return Ok(None);
        }
        let needed = above.seats().await? - before;
        let cursor = Some(ADMITTED.to_owned());
        let advance = Advance { cursor, seats_held: Some(needed.max(0)), ..Advance::default() };
        match self.say(&request, job.id, advance).await {
            Err(Interrupted::Failed(OpError::Refused(Refusal::NoSeat))) => {
                Err(Interrupted::Hopeless(Refusal::NoSeat.code().to_owned()))
            }
            said => said.map(Some),
        }
    }

    /// Whom the file names in which part for the last time.
    async fn again(&self, job: &Job) -> Result<Again, Interrupted> {
        let mut again = Again::default();
        for n in 0..job.total.div_ceil(Job::PART as u64) {
            let lines = parsed(&self.items(job.id, n).await?)?;
            again.note(u32::try_from(n).unwrap_or(u32::MAX), &lines);
        }
        Ok(again)
    }

    /// A chunk by one flush, with its outcomes and what it takes from the hold. Where others got in between, row by row
    /// on the store itself.
    async fn chunk(
        &self,
        job: Job,
        organization: OrganizationId,
        options: ImportOptions,
        lines: &[ImportLine],
    ) -> Result<Job, Interrupted> {
        let run = on_overlay(&self.roster, Overlay::new);
        let part = u32::try_from(job.done / Job::PART as u64).unwrap_or(u32::MAX);
        let part = JobPartId { job: job.id, side: JobSide::Foreseen, n: part };
        let above = Self { roster: run.0.clone(), ..self.clone() };
        let rows =
            Rows { job: &job, part, organization, options, lines, foreseen: self.foreseen(part).await? };
        let after = above.rows(&rows, Some(&run), async |outcomes| {
            // Should the flush be cut off, whoever goes on knows what was to come of the rows that it finds done.
            let ahead = JobPart { id: part, content: PartContent::Outcomes(outcomes) };
            store_parts(&self.roster, &as_asked(&job), &self.home, vec![ahead], "ahead").await
        });
        let after = after.await?;
        let cards = run.1.cards();
        match run.1.flush().await {
            Ok(()) => {
                refresh_cards(&self.roster, &as_asked(&job), cards).await;
                return Ok(after);
            }
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::Conflict(_) | CommitError::OutOfBounds(_) | CommitError::TooLate) => {}
        }
        let rows = Rows { foreseen: self.foreseen(part).await?, ..rows };
        self.rows(&rows, None, async |_| Ok(())).await
    }

    /// What an attempt that was cut off foresaw for a chunk.
    async fn foreseen(&self, part: JobPartId) -> Result<Vec<Outcome>, Interrupted> {
        Ok(match self.part(part.job, part.side, u64::from(part.n)).await? {
            Some(PartContent::Outcomes(outcomes)) => outcomes,
            Some(PartContent::Items(_)) | None => Vec::new(),
        })
    }

    /// Lets go of seats for a chunk, imports its rows, and writes down what came of them and what is still held. Nothing
    /// comes into the organization once the job has been stopped or taken over.
    async fn rows(
        &self,
        rows: &Rows<'_>,
        overlaid: Option<&(Roster, Arc<Overlay>)>,
        foresee: impl AsyncFnOnce(Vec<Outcome>) -> Result<(), OpError>,
    ) -> Result<Job, Interrupted> {
        let (id, request) = (rows.job.id, as_asked(rows.job));
        let free = rows.job.seats_held.min(i64::try_from(rows.lines.len()).unwrap_or(i64::MAX));
        let left = Some(rows.job.seats_held - free);
        let began = self.seats().await?;
        let letting_go = Advance { seats_held: left, ..Advance::default() };
        let (_, version) = self.said(&request.step("let go"), id, letting_go).await?;
        let fence = version.map(|version| Fence { home: self.home.clone(), key: Key::Job(id), version });
        let fenced = Request { fence, ..self.asker(rows.job).await? };
        let (organization, lines, options) = (rows.organization, rows.lines, rows.options);
        let Report { mut outcomes, made } = match overlaid {
            Some(run) => import_rows(run, &fenced, organization, lines, options).await?,
            None => import_one_by_one(&self.roster, &fenced, organization, lines, options).await?,
        };
        let taken = (self.seats().await? - began + free).clamp(0, free);
        for (found, foreseen) in outcomes.iter_mut().zip(&rows.foreseen) {
            if found.status == OutcomeStatus::Unchanged {
                found.clone_from(foreseen);
            }
        }
        foresee(outcomes.clone()).await?;
        let seats_held = Some((rows.job.seats_held - taken).max(0));
        let forgets = vec![rows.part, JobPartId { side: JobSide::Input, ..rows.part }];
        let advance = Advance { outcomes, made, seats_held, forgets, ..Advance::default() };
        self.say(&request.step("chunk"), id, advance).await
    }

    /// Whoever asked, as they stand now; nothing more is done for one who is shut out by now (rules M7, L9).
    async fn asker(&self, job: &Job) -> Result<Request, Interrupted> {
        self.as_asker(job).await.map_err(|error| match error {
            OpError::Refused(refusal) => Interrupted::Hopeless(refusal.code().to_owned()),
            error => Interrupted::Failed(error),
        })
    }

    /// Seats in use, those that are held among them.
    async fn seats(&self) -> Result<i64, Interrupted> {
        let read = self.roster.store.read(&self.home, &[], &[Tally::Seats]).await?;
        Ok(read.tallies.get(&Tally::Seats).copied().unwrap_or(0))
    }
}

/// A chunk.
struct Rows<'a> {
    job: &'a Job,
    part: JobPartId,
    organization: OrganizationId,
    options: ImportOptions,
    lines: &'a [ImportLine],
    foreseen: Vec<Outcome>,
}

fn parsed(items: &[String]) -> Result<Vec<ImportLine>, Interrupted> {
    let lines = items.iter().map(|item| serde_json::from_str(item)).collect::<Result<_, _>>();
    lines.map_err(|bad: serde_json::Error| Interrupted::Hopeless(bad.to_string()))
}
