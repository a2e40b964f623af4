//! Before an import: the whole file is gone through without doing anything, and seats are held for all of it.

use super::parsed;
use crate::due::settle_in;
use crate::flows::import::{Again, Conflicts, ImportOptions, Report, import_rows, seats_are_limited};
use crate::flows::lapse_invitations;
use crate::id::OrganizationId;
use crate::jobs::{Held, Interrupted, as_asked};
use crate::model::{Job, JobPartId, Outcome};
use crate::op::TRIES;
use crate::ops::job::Advance;
use crate::overlay::{Overlay, on_overlay};
use crate::refusal::{OpError, Refusal};

/// After so many parts that were only read it is said that somebody is still at it.
const PARTS_A_SIGN: u64 = 100;

/// How often a job is put off because others are in the way of a row, before that is the row's outcome.
const PUT_OFF: u32 = 3;

impl Held {
    /// Goes through the whole file without doing anything. A dry run ends here, with its outcomes; else seats are held
    /// for everybody new, or the job ends with nothing done. Where seats are not limited there is nothing to hold.
    pub(super) async fn admit(
        &self,
        mut job: Job,
        organization: OrganizationId,
        options: ImportOptions,
    ) -> Result<Option<Job>, Interrupted> {
        let request = as_asked(&self.roster, &job);
        let admitted = Advance { cursor: Some(Job::ADMITTED.to_owned()), ..Advance::default() };
        // One that has told of rows without a seat tells of all of them, and ends with that.
        let begun = told(&job, options.dry_run).0;
        if !options.dry_run && !begun && !seats_are_limited(&self.roster, organization).await? {
            return self.say(&request, job.id, admitted).await.map(Some);
        }
        if !options.dry_run {
            // Seats of what has ended are given back first: those that come free on the way would not be held.
            let now = self.roster.store.read(&self.home, &[], &[]).await?.now();
            settle_in(&self.roster, &self.home, now).await?;
            lapse_invitations(&self.roster, &request, organization, None).await?;
        }
        for _ in 0..TRIES {
            let needed;
            (job, needed) = self.walk(job, organization, options).await?;
            if options.dry_run {
                return Ok(None);
            }
            let advance = Advance { seats_held: Some(needed), ..admitted.clone() };
            match self.say(&request, job.id, advance).await {
                // Somebody was quicker: what is too much for now is found out afresh.
                Err(Interrupted::Failed(OpError::Refused(Refusal::NoSeat))) => {}
                said => return said.map(Some),
            }
        }
        // There was room each time, and each time it went to others.
        Err(Interrupted::Failed(OpError::Busy))
    }

    /// How many seats the file needs. Where there are too few, the job fails once outcomes are written: of a dry run all that
    /// would be done, else the rows that find none.
    async fn walk(
        &self,
        mut job: Job,
        organization: OrganizationId,
        options: ImportOptions,
    ) -> Result<(Job, i64), Interrupted> {
        let request = as_asked(&self.roster, &job);
        let asker = self.importer(&job, organization).await?;
        let run = on_overlay(&self.quiet(), Overlay::new);
        let conflicts = if job.attempts < PUT_OFF { Conflicts::Raised } else { Conflicts::Told };
        let (again, parts) = (self.again(&job).await?, job.total.div_ceil(Job::PART as u64));
        let (mut short, told) = told(&job, options.dry_run);
        for n in 0..parts {
            let lines = parsed(&self.items(job.id, n).await?)?;
            let mut report = import_rows(&run, &asker, organization, &lines, options, conflicts).await?;
            let part = u32::try_from(n).unwrap_or(u32::MAX);
            run.1.shed(asker.actor.user(), |name| again.after(part, name));
            short |= report.outcomes.iter().any(finds_no_seat);
            if !options.dry_run {
                report = Report {
                    outcomes: report.outcomes.into_iter().filter(finds_no_seat).collect(),
                    ..Report::default()
                };
            }
            let cursor = short.then(|| format!("{}{}", Job::SHORT, n + 1));
            // What an attempt that was cut off has said is not said again.
            let examined = (!options.dry_run).then(|| job.total.min((n + 1) * Job::PART as u64));
            let advance = if n < told {
                Advance { examined, ..Advance::default() }
            } else {
                let of = Some(JobPartId::of_item(job.id, n * Job::PART as u64));
                if !options.dry_run {
                    self.count_refused(&report.outcomes);
                }
                Advance {
                    outcomes: report.outcomes,
                    of,
                    made: report.made,
                    cursor,
                    examined,
                    ..Advance::default()
                }
            };
            job = self.say(&request, job.id, advance).await?;
        }
        if short {
            return Err(Interrupted::Hopeless(Refusal::NoSeat.code().to_owned()));
        }
        Ok((job, run.1.seats_taken(&self.home)))
    }

    /// Whom the file names in which part for the last time.
    async fn again(&self, job: &Job) -> Result<Again, Interrupted> {
        let mut again = Again::default();
        for n in 0..job.total.div_ceil(Job::PART as u64) {
            if n % PARTS_A_SIGN == PARTS_A_SIGN - 1 {
                self.say(&as_asked(&self.roster, job), job.id, Advance::default()).await?;
            }
            let lines = parsed(&self.items(job.id, n).await?)?;
            again.note(u32::try_from(n).unwrap_or(u32::MAX), &lines);
        }
        Ok(again)
    }
}

/// Whether an attempt that was cut off has found that seats are too few, and of how many parts it has told.
fn told(job: &Job, dry_run: bool) -> (bool, u64) {
    let short = job.cursor.as_deref().and_then(|cursor| cursor.strip_prefix(Job::SHORT));
    let parts = short.and_then(|parts| parts.parse().ok()).unwrap_or(0);
    (short.is_some(), if dry_run { job.done.div_ceil(Job::PART as u64) } else { parts })
}

fn finds_no_seat(outcome: &Outcome) -> bool {
    outcome.code.as_deref() == Some(Refusal::NoSeat.code())
}
