//! Importing a file as a job (rule X4): first the whole file is gone through without doing anything, and seats are
//! held for all of it; then chunk by chunk, each with its outcomes and what it takes from the hold.

mod admit;
mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinHandle};

use self::rows::Rows;
use super::{Held, Interrupted, as_asked};
use crate::actor::Actor;
use crate::facts::{Fence, Request};
use crate::flows::import::{
    Conflicts, ImportLine, ImportOptions, Maker, ROW, Report, import_one_by_one, import_rows,
};
use crate::flows::refresh::refresh_cards;
use crate::flows::{map_lagging_owners, require_import, store_parts};
use crate::home::{Key, Record};
use crate::id::{CommitId, JobId, OrganizationId};
use crate::model::{Job, JobPart, JobPartId, JobSide, Made, Outcome, OutcomeStatus, PartContent};
use crate::observe::Nobody;
use crate::op::Roster;
use crate::ops::job::{Advance, Ending, is_held};
use crate::overlay::{CutShort, Names, Overlay, UnderWay, on_overlay};
use crate::refusal::{OpError, Refusal};
use crate::store::{CommitError, StoreError, StoreErrorKind};

/// So many parts are decided and committed together, as long as the store takes them in quickly.
const PARTS_TOGETHER: usize = 5;

/// What follows a flush that takes longer is one part, so that progress shows and leases last.
const QUICK: Duration = Duration::from_secs(1);

/// So long, at most, after a flush that was cut short lists and owners are brought up to what came by it.
const TIDYING: Duration = Duration::from_secs(10);

/// After so many rows that are done one by one it is written down what came of them.
const ROWS_A_SIGN: usize = 10;

/// What was decided ahead while a flush took longer than this is decided again: leases and names end by the clock.
const EARLY: Duration = Duration::from_secs(5);

impl Held {
    pub(super) async fn import(
        &self,
        mut job: Job,
        organization: OrganizationId,
        options: ImportOptions,
    ) -> Result<(), Interrupted> {
        if job.cursor.as_deref() == Some(Job::ADMITTED) {
            // Whoever was at it before may have been cut off.
            self.catch_up(&job, organization).await;
        } else {
            job = match self.admit(job, organization, options).await? {
                Some(job) => job,
                None => return Ok(()),
            };
        }
        let mut import = Import {
            held: self,
            organization,
            options,
            under_way: None,
            together: 1,
            begun: false,
            late: false,
        };
        let ended = loop {
            match Box::pin(import.next(&job)).await {
                Ok(Some(next)) => job = next,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Once, however many were cut short: all accounts are looked at. Whoever tries again begins with it.
        let goes_on = matches!(ended, Err(Interrupted::Stopped | Interrupted::Failed(_)));
        if import.late && !goes_on {
            self.catch_up(&job, organization).await;
        }
        ended
    }

    /// Has posts find those who came by a flush that was cut short: what waits for them was to come after them (rule T3). What
    /// takes too long is left to the hourly round.
    async fn catch_up(&self, job: &Job, organization: OrganizationId) {
        let mapped = tokio::time::timeout(TIDYING, map_lagging_owners(&self.roster, organization)).await;
        if !matches!(mapped, Ok(Ok(_))) {
            tracing::warn!(job = %job.id, "an import was cut short, and owners that traits name may be late by an hour");
        }
    }

    /// The rows of the part that is next.
    async fn lines(&self, job: &Job) -> Result<Vec<ImportLine>, Interrupted> {
        let lines = parsed(&self.items(job.id, job.done / Job::PART as u64).await?)?;
        if lines.is_empty() {
            return Err(Interrupted::Hopeless("a part of the file is missing".into()));
        }
        Ok(lines)
    }

    /// The roster for what is decided on an overlay: what is said there may never be, or is said again, so nobody hears of it.
    fn quiet(&self) -> Roster {
        Roster { observer: Arc::new(Nobody), ..self.roster.clone() }
    }

    /// Rows that are refused for good.
    fn count_refused(&self, outcomes: &[Outcome]) {
        for code in outcomes.iter().filter_map(|outcome| outcome.code.as_deref()) {
            self.roster.observer.refused(ROW, code);
        }
    }

    /// The job as it stands in the store.
    async fn as_stored(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let mut read = self.roster.store.read(&self.home, &[Key::Job(id)], &[]).await?;
        Ok(match read.records.remove(&Key::Job(id)).map(|stored| stored.record) {
            Some(Record::Job(job)) => Some(*job),
            _ => None,
        })
    }

    /// Whether this worker holds the job, and it is not to stop.
    async fn goes_on(&self, id: JobId) -> Result<bool, StoreError> {
        let job = self.as_stored(id).await?;
        Ok(job.is_some_and(|job| is_held(&job, self.holder) && !job.is_to_stop()))
    }

    /// What an attempt that was cut off foresaw for a chunk.
    async fn foreseen(&self, part: JobPartId) -> Result<Vec<Outcome>, Interrupted> {
        Ok(match self.part(part.job, part.side, u64::from(part.n)).await? {
            Some(PartContent::Outcomes(outcomes)) => outcomes,
            Some(PartContent::Items(_)) | None => Vec::new(),
        })
    }

    /// Imports the rows of a chunk, each with the seat that it takes from the hold in its own commit, and writes down what
    /// came of them. Nothing comes into the organization once the job has been stopped or taken over.
    async fn rows(
        &self,
        rows: &Rows<'_>,
        overlaid: Option<&(Roster, Arc<Overlay>)>,
        foresee: impl FnOnce(Vec<Outcome>, Vec<Option<CommitId>>, Vec<Maker>),
    ) -> Result<Job, Interrupted> {
        let (id, request) = (rows.job.id, as_asked(&self.roster, rows.job));
        // Row by row, what is in already is told before the job is stopped.
        let ending = if overlaid.is_some() { Ending::GoOn } else { Ending::Renewed };
        self.say(&request.step("begin"), id, Advance { ending, ..Advance::default() }).await?;
        let fence = Some(Fence { home: self.home.clone(), job: id, holder: self.holder });
        let fenced = Request { fence, ..self.importer(rows.job, rows.organization).await? };
        let (organization, lines, options) = (rows.organization, rows.lines, rows.options);
        let (Report { mut outcomes, mut commits, made, makers }, done) = match overlaid {
            Some(run) => {
                (import_rows(run, &fenced, organization, lines, options, Conflicts::Raised).await?, Ok(()))
            }
            None => self.row_by_row(rows, &fenced).await?,
        };
        for n in rows.came_before(&mut outcomes) {
            if let Some(commit) = commits.get_mut(n) {
                *commit = None;
            }
        }
        if let Err(error) = done {
            self.note(rows, outcomes).await?;
            if !made.is_nothing() {
                self.say_made(rows.job, made).await?;
            }
            return Err(error.into());
        }
        foresee(outcomes.clone(), commits, makers);
        let input = JobPartId { side: JobSide::Input, ..rows.part };
        let whole = outcomes.len() == lines.len();
        let mut forgets = if whole { vec![rows.part, input] } else { Vec::new() };
        if overlaid.is_none() {
            if whole {
                forgets.extend(behind(rows.part));
            } else {
                let is_in = self.in_already(rows).await?;
                outcomes.extend(is_in.into_iter().skip(outcomes.len()));
            }
        }
        let advance = Advance { outcomes, of: Some(input), made, forgets, ..Advance::default() };
        let job = self.say(&request.step("chunk"), id, advance).await?;
        if whole { Ok(job) } else { Err(Interrupted::Lost) }
    }

    /// Rows on the store itself, with a word every few of them, so that the lease lasts and whoever goes on knows of those that
    /// are in.
    async fn row_by_row(
        &self,
        rows: &Rows<'_>,
        fenced: &Request,
    ) -> Result<(Report, Result<(), OpError>), Interrupted> {
        let mut all = Report::default();
        for some in rows.lines.chunks(ROWS_A_SIGN) {
            if !all.outcomes.is_empty() {
                let mut outcomes = all.outcomes.clone();
                rows.came_before(&mut outcomes);
                self.note(rows, outcomes).await?;
                self.say_made(rows.job, std::mem::take(&mut all.made)).await?;
            }
            let (Report { outcomes, made, .. }, done) =
                import_one_by_one(&self.roster, fenced, rows.organization, some, rows.options).await;
            let whole = outcomes.len() == some.len();
            all.outcomes.extend(outcomes);
            all.made += made;
            if done.is_err() || !whole {
                return Ok((all, done));
            }
        }
        Ok((all, Ok(())))
    }

    /// Counts what was made of a chunk that has not come to its end; the lease lasts again.
    async fn say_made(&self, job: &Job, made: Made) -> Result<(), Interrupted> {
        let advance = Advance { made, ending: Ending::Renewed, ..Advance::default() };
        self.say(&as_asked(&self.roster, job).step("so far"), job.id, advance).await.map(|_| ())
    }

    /// Has whoever goes on know what came of the rows of a part that were looked at, what is foreseen of the others, and that
    /// nothing is of the parts behind it.
    async fn note(&self, rows: &Rows<'_>, mut outcomes: Vec<Outcome>) -> Result<(), Interrupted> {
        outcomes.extend(rows.foreseen.iter().skip(outcomes.len()).cloned());
        let stored = self.as_stored(rows.job.id).await?;
        if !stored.is_some_and(|job| is_held(&job, self.holder)) {
            return Err(Interrupted::Lost);
        }
        let of = |id, outcomes| JobPart { id, content: PartContent::Outcomes(outcomes) };
        let nothing = behind(rows.part).map(|id| of(id, Vec::new()));
        let parts = std::iter::once(of(rows.part, outcomes)).chain(nothing).collect();
        Ok(store_parts(&self.roster, &as_asked(&self.roster, rows.job), &self.home, parts, "so far").await?)
    }

    /// What came of the rows of a chunk that are in already, up to the last of them: a chunk may take several commits.
    async fn in_already(&self, rows: &Rows<'_>) -> Result<Vec<Outcome>, Interrupted> {
        if rows.is_known {
            return Ok(up_to_last(&rows.foreseen, rows.foreseen.iter().map(Outcome::brings_in)));
        }
        if rows.foreseen.is_empty() {
            return Ok(Vec::new());
        }
        let run = on_overlay(&self.quiet(), Overlay::new);
        // Whoever asked may be gone by now: that they are in is looked at, and nothing is done.
        let looking = Request { actor: Actor::CLI, ..as_asked(&self.roster, rows.job) };
        let (lines, options) = (rows.lines, rows.options);
        let found =
            import_rows(&run, &looking, rows.organization, lines, options, Conflicts::Told).await?.outcomes;
        let is_in = |(found, foreseen): (&Outcome, &Outcome)| {
            found.status == OutcomeStatus::Unchanged && foreseen.brings_in()
        };
        Ok(up_to_last(&rows.foreseen, found.iter().zip(&rows.foreseen).map(is_in)))
    }

    /// Whoever asked, as they stand now; nothing more is done for one who is shut out by now, or may import no more (rules M7,
    /// L9).
    pub(super) async fn importer(
        &self,
        job: &Job,
        organization: OrganizationId,
    ) -> Result<Request, Interrupted> {
        let asker = async {
            let request = self.as_asker(job, true).await?;
            require_import(&self.roster, &request, organization).await?;
            Ok(request)
        };
        asker.await.map_err(|error| match error {
            OpError::Refused(refusal) => Interrupted::Hopeless(refusal.code().to_owned()),
            error => Interrupted::Failed(error),
        })
    }
}

/// An import chunk by chunk, each of one part of the file or of several: while one is committed, the next is decided.
struct Import<'a> {
    held: &'a Held,
    organization: OrganizationId,
    options: ImportOptions,
    under_way: Option<Flushing>,
    /// Of how many parts the next chunk is.
    together: usize,
    /// Whether this attempt has begun: what the one before foresaw is of its first chunk.
    begun: bool,
    /// Whether a flush was cut short, so that what was to come after people may not have come.
    late: bool,
}

/// A chunk that has been decided.
struct Decided {
    before: Job,
    after: Job,
    overlay: Arc<Overlay>,
    outcomes: Vec<Outcome>,
    /// For each outcome the commit with which it comes; nothing of one that came before.
    commits: Vec<Option<CommitId>>,
    /// What is made by the way.
    makers: Vec<Maker>,
}

impl Decided {
    /// What the rows brought in, of a flush that was cut short: the others find what somebody else has done.
    fn came(&self, flush: &CutShort) -> Vec<OutcomeStatus> {
        let rows = self.outcomes.iter().zip(&self.commits);
        let is_in = |id: &Option<CommitId>| id.is_none_or(|id| flush.has(id));
        rows.map(|(row, id)| if is_in(id) { row.status } else { OutcomeStatus::Unchanged }).collect()
    }

    /// How many of its rows are told by now.
    fn told(&self, job: &Job) -> usize {
        usize::try_from(job.done.saturating_sub(self.before.done)).unwrap_or(usize::MAX)
    }

    /// What was made for rows that are not told yet, by a flush that was cut short.
    fn made(&self, flush: &CutShort, told: usize) -> Made {
        let mut made = Made::default();
        for maker in self.makers.iter().filter(|maker| maker.row >= told && flush.has(maker.commit)) {
            made += maker.made;
        }
        made
    }
}

/// What came of a chunk by a flush that was cut short.
struct Came {
    /// Of each row.
    statuses: Vec<OutcomeStatus>,
    /// What was made by the way.
    made: Made,
}

/// A chunk that is being committed.
struct Flushing {
    chunk: Decided,
    coming: Arc<UnderWay>,
    flushed: JoinHandle<Result<Names, CutShort>>,
    since: Instant,
}

impl Import<'_> {
    /// Decides the next chunk and sends it on its way, once the one before has arrived. The job after it; nothing when all is
    /// done. Whatever goes wrong, nothing is under way any more when it is told.
    async fn next(&mut self, job: &Job) -> Result<Option<Job>, Interrupted> {
        let early = match &self.under_way {
            Some(flushing) if job.done < job.total => {
                Some(self.decide(job, Some(Arc::clone(&flushing.coming))).await)
            }
            _ => None,
        };
        // It may have wanted to know what only the store below knows, and not everybody who asked says so.
        let mut early = early.and_then(Result::ok).filter(|next| !next.overlay.has_refused());
        if let Some(Flushing { chunk, flushed, since, .. }) = self.under_way.take() {
            let flushed = flushed.await.map_err(|fell| Interrupted::Failed(fell_over(&fell)))?;
            let took = since.elapsed();
            early = early.filter(|_| took < EARLY);
            self.together = if took < QUICK { PARTS_TOGETHER } else { 1 };
            if flushed.is_ok() {
                self.held.count_refused(&chunk.outcomes);
            }
            match (flushed, &early) {
                (Ok(names), Some(next)) => next.overlay.arrived(&names),
                (Ok(_), None) => {}
                (Err(cut_short), _) => return Box::pin(self.after(&chunk, cut_short)).await.map(Some),
            }
        }
        if job.done >= job.total {
            return Ok(None);
        }
        let chunk = if let Some(chunk) = early {
            chunk
        } else {
            // Of a chunk that is not the first nothing is in.
            let begun = self.begun;
            match self.decide(job, None).await {
                // Stopped, or another's: that is found out where it can be written down. What others are in the way of is
                // looked at row by row.
                Err(Interrupted::Lost | Interrupted::Failed(OpError::Refused(Refusal::Conflict))) => {
                    let nothing = Came { statuses: Vec::new(), made: Made::default() };
                    return self.one_by_one(job.clone(), begun.then_some(nothing)).await.map(Some);
                }
                Err(Interrupted::Hopeless(why)) => {
                    let came = begun.then(Vec::new);
                    return self.tell_of_what_is_in(job, came, Ending::Failed(why)).await.map(Some);
                }
                decided => decided?,
            }
        };
        let after = chunk.after.clone();
        self.under_way = Some(self.flush(chunk));
        Ok(Some(after))
    }

    /// Goes on where others got in between while a chunk was committed: its first parts may be in, and tell so. Where the
    /// store has failed, no more than what was made is told.
    async fn after(&mut self, chunk: &Decided, cut_short: CutShort) -> Result<Job, Interrupted> {
        let stored = self.held.as_stored(chunk.before.id).await;
        let told = stored.as_ref().map_or(None, |job| job.as_ref().map(|job| chunk.told(job)));
        let made = chunk.made(&cut_short, told.unwrap_or(usize::MAX));
        if let CommitError::Store(error) = cut_short.why {
            if !made.is_nothing() {
                let (users, accounts) = (made.users, made.accounts);
                let told = match &stored {
                    Ok(Some(job)) => self.held.say_made(job, made).await.is_ok(),
                    Ok(None) | Err(_) => false,
                };
                if !told {
                    let job = chunk.before.id;
                    tracing::warn!(%job, users, accounts, "made by an import that was cut off, and counted nowhere");
                }
            }
            return Err(error.into());
        }
        let Some(stored) = stored? else { return Err(Interrupted::Lost) };
        self.late = true;
        if stored.done >= stored.total {
            return Ok(stored);
        }
        let statuses = chunk.came(&cut_short).into_iter().skip(chunk.told(&stored)).collect();
        self.one_by_one(stored, Some(Came { statuses, made })).await
    }

    /// Goes through the rows of the next chunk in memory, on the store below as it will be.
    async fn decide(&mut self, job: &Job, coming: Option<Arc<UnderWay>>) -> Result<Decided, Interrupted> {
        let quiet = self.held.quiet();
        let run = on_overlay(&quiet, |base| match coming {
            Some(coming) => Overlay::after(base, coming),
            None => Overlay::new(base),
        });
        let above = Held { roster: run.0.clone(), ..self.held.clone() };
        let (mut after, mut ahead) = (job.clone(), Vec::new());
        let (mut outcomes, mut commits, mut makers) = (Vec::new(), Vec::new(), Vec::new());
        while ahead.len() < self.together && after.done < after.total {
            let lines = self.held.lines(&after).await?;
            let part = foreseen_part(&after);
            let foreseen = if std::mem::replace(&mut self.begun, true) {
                Vec::new()
            } else {
                self.held.foreseen(part).await?
            };
            let rows = Rows {
                job: &after,
                part,
                organization: self.organization,
                options: self.options,
                lines: &lines,
                foreseen,
                is_known: false,
            };
            let (mut found, mut by, mut made) = (Vec::new(), Vec::new(), Vec::new());
            let foresee = |outcomes, commits, makers| (found, by, made) = (outcomes, commits, makers);
            match above.rows(&rows, Some(&run), foresee).await {
                Ok(job) => after = job,
                // Whoever asked may import no more, by one of the rows before: those go their way, and this is told next.
                Err(Interrupted::Hopeless(_)) if !ahead.is_empty() => break,
                Err(error) => return Err(error),
            }
            makers.extend(made.into_iter().map(|it| Maker { row: outcomes.len() + it.row, ..it }));
            outcomes.extend(found.iter().cloned());
            commits.append(&mut by);
            ahead.push(JobPart { id: part, content: PartContent::Outcomes(found) });
        }
        // Should the flush be cut off, whoever goes on knows what was to come of the rows that it finds done.
        let (request, home) = (as_asked(&self.held.roster, job), &self.held.home);
        store_parts(&self.held.roster, &request, home, ahead, "ahead").await?;
        Ok(Decided { before: job.clone(), after, overlay: run.1, outcomes, commits, makers })
    }

    /// Commits a chunk, with its outcomes and what it takes from the hold.
    fn flush(&self, chunk: Decided) -> Flushing {
        let (overlay, held, id) = (Arc::clone(&chunk.overlay), self.held.clone(), chunk.before.id);
        let request = as_asked(&held.roster, &chunk.before);
        let coming = Arc::new(overlay.under_way());
        let flushed = tokio::spawn(async move {
            // People come before the organization: none are made for a job that is to stop by now.
            if !held.goes_on(id).await.map_err(CommitError::from)? {
                return Err(CommitError::TooLate.into());
            }
            let cards = overlay.cards();
            let flushed = overlay.flush().await;
            let refreshed = refresh_cards(&held.roster, &request, cards);
            if flushed.is_ok() {
                refreshed.await;
            } else if tokio::time::timeout(TIDYING, refreshed).await.is_err() {
                tracing::warn!("an import was cut short, and lists may be late: `roster verify --repair`");
            }
            flushed
        });
        Flushing { chunk, coming, flushed, since: Instant::now() }
    }

    /// A chunk in which others got in between: row by row on the store itself.
    /// What came in of it by this attempt counts as this job's; where none has begun with it, what one that was cut off foresaw.
    async fn one_by_one(&self, before: Job, came: Option<Came>) -> Result<Job, Interrupted> {
        let (came, made) = came.map(|came| (came.statuses, came.made)).unzip();
        let (part, lines) = (foreseen_part(&before), self.held.lines(&before).await?);
        let rows = Rows {
            job: &before,
            part,
            organization: self.organization,
            options: self.options,
            lines: &lines,
            foreseen: self.foreseen(part, came.as_deref()).await?,
            is_known: came.is_some(),
        };
        if came.is_some() {
            self.held.note(&rows, Vec::new()).await?;
        }
        if let Some(made) = made.filter(|made| !made.is_nothing()) {
            self.held.say_made(&before, made).await?;
        }
        if !self.held.goes_on(before.id).await? {
            return self.tell_of_what_is_in(&before, came, Ending::GoOn).await;
        }
        match self.held.rows(&rows, None, |_, _, _| ()).await {
            Err(Interrupted::Hopeless(why)) => {
                self.tell_of_what_is_in(&before, came, Ending::Failed(why)).await
            }
            done => done,
        }
    }
}

impl Import<'_> {
    /// Of a chunk that goes on no more, with the end that it comes to. There is no job after it.
    async fn tell_of_what_is_in(
        &self,
        job: &Job,
        came: Option<Vec<OutcomeStatus>>,
        ending: Ending,
    ) -> Result<Job, Interrupted> {
        let (part, lines) = (foreseen_part(job), self.held.lines(job).await?);
        let foreseen = self.foreseen(part, came.as_deref()).await?;
        let (organization, options) = (self.organization, self.options);
        let is_known = came.is_some();
        let rows = Rows { job, part, organization, options, lines: &lines, foreseen, is_known };
        let outcomes = self.held.in_already(&rows).await?;
        let of = Some(JobPartId { side: JobSide::Input, ..part });
        let advance = Advance { outcomes, of, ending, ..Advance::default() };
        self.held.say(&as_asked(&self.held.roster, job), job.id, advance).await?;
        Err(Interrupted::Lost)
    }

    /// What is foreseen of a chunk. Of one that this attempt has begun with, only what came in by it.
    async fn foreseen(
        &self,
        part: JobPartId,
        came: Option<&[OutcomeStatus]>,
    ) -> Result<Vec<Outcome>, Interrupted> {
        // Whoever was erased meanwhile stands there no more.
        let mut foreseen = self.held.foreseen(part).await?;
        if let Some(came) = came {
            for (n, outcome) in foreseen.iter_mut().enumerate() {
                outcome.status = came.get(n).copied().unwrap_or(OutcomeStatus::Unchanged);
            }
        }
        Ok(foreseen)
    }
}

/// Outcomes up to the last row that is in.
fn up_to_last(outcomes: &[Outcome], is_in: impl Iterator<Item = bool>) -> Vec<Outcome> {
    let rows = outcomes.iter().zip(is_in).enumerate();
    let rows = rows.filter(|(_, (_, is_in))| *is_in).map(|(n, _)| n + 1).last().unwrap_or(0);
    outcomes[..rows].to_vec()
}

/// The chunk that comes next, by what is foreseen of it.
fn foreseen_part(job: &Job) -> JobPartId {
    let n = u32::try_from(job.done / Job::PART as u64).unwrap_or(u32::MAX);
    JobPartId { job: job.id, side: JobSide::Foreseen, n }
}

/// Parts of which something may be foreseen as well, by a chunk that was to begin with this one.
fn behind(part: JobPartId) -> impl Iterator<Item = JobPartId> {
    (1..PARTS_TOGETHER).filter_map(move |more| {
        let n = part.n.checked_add(u32::try_from(more).ok()?)?;
        Some(JobPartId { n, ..part })
    })
}

/// A flush that fell over: nobody knows how far it has come.
fn fell_over(why: &JoinError) -> OpError {
    let detail = if why.is_panic() { "it fell over" } else { "it was ended" }.to_owned();
    StoreError { kind: StoreErrorKind::OutcomeUnknown, operation: "flush", detail }.into()
}

fn parsed(items: &[String]) -> Result<Vec<ImportLine>, Interrupted> {
    let lines = items.iter().map(|item| serde_json::from_str(item)).collect::<Result<_, _>>();
    lines.map_err(|bad: serde_json::Error| Interrupted::Hopeless(bad.to_string()))
}
