//! What names an erased person goes: from every organization, from what sources have sent, from saved views, then from their own home, their
//! names last (rule L5). Every step may be done again.

mod names;
mod organizations;
mod streams;
mod views;

use std::time::Duration;

use tokio::time::Instant;

use super::remove_everywhere::{Failed, given_up, outcome_of, will_last};
use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::claims;
use crate::flows::refresh::{refresh_user, refresh_user_entry};
use crate::flows::sweep::sweep;
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{
    ClaimName, ClaimTarget, DirectoryKind, Job, JobPartId, JobSide, Names, Outcome, OutcomeStatus, Sought,
};
use crate::op::run;
use crate::ops::job::Advance;
use crate::ops::mail::RemoveMailPointer;
use crate::ops::member::Swept;
use crate::ops::user::BlankUser;

/// Records of one look, and traces taken away in one commit.
const PAGE: u16 = 200;
const AT_ONCE: usize = 100;
/// Organizations of one look.
const CHUNK: u16 = 20;
/// How often others are told that somebody is at it still.
const SAY: Duration = Duration::from_secs(10);

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Ending memberships, behind this one.
    Sweep,
    /// Taking away what organizations keep in which the person is or was.
    Own(Option<OrganizationId>),
    /// The same everywhere: they may be named where they never were.
    All(Option<OrganizationId>),
    /// All were gone through; one that is made from now on does not name them.
    End,
}

impl Stage {
    fn of(cursor: Option<&str>) -> Self {
        let id = |text: &str| text.parse().ok();
        match cursor.and_then(|cursor| cursor.split_once(':')) {
            Some(("own", last)) => Self::Own(id(last)),
            Some(("all", last)) => Self::All(id(last)),
            Some(("end", _)) => Self::End,
            _ => Self::Sweep,
        }
    }

    fn cursor(self) -> String {
        let shown = |last: Option<OrganizationId>| last.map(|id| id.to_string()).unwrap_or_default();
        match self {
            Self::Sweep => String::new(),
            Self::Own(last) => format!("own:{}", shown(last)),
            Self::All(last) => format!("all:{}", shown(last)),
            Self::End => "end:".to_owned(),
        }
    }
}

/// An erasure that is under way.
struct Erasing<'a> {
    held: &'a Held,
    request: Request,
    job: Job,
    user: UserId,
    cuts: u32,
    names: Names,
    said: Instant,
}

impl Held {
    pub(super) async fn erase(&self, mut job: Job, user: UserId, cuts: u32) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        if Stage::of(job.cursor.as_deref()) == Stage::Sweep {
            // Before anything is taken away: an owner is left as they are.
            let (swept, failed) = self.end_memberships(&request, job, (user, cuts), true).await?;
            job = swept;
            if is_refused(&job) {
                // They own an organization after all, and keep their names until they have handed it over (rule O2).
                refresh_user_entry(&self.roster, &request, user).await?;
                let failure = self.give_up(&request, &job, failed).await?;
                return failure.map_or(Ok(()), |failure| Err(failure.into()));
            }
            // Of what cannot be read, the request has said that it is another's.
            let unswept = Some(failed.iter().map(|(at, _)| *at).collect());
            if let Some((_, failure)) = failed.into_iter().find(|(_, failure)| !will_last(failure)) {
                return Err(failure.into());
            }
            let cursor = Some(Stage::Own(None).cursor());
            job = self.say(&request, job.id, Advance { cursor, unswept, ..Advance::default() }).await?;
        }
        let names = self.names(&request, user).await?;
        let stage = Stage::of(job.cursor.as_deref());
        let mut erasing = Erasing { held: self, request, job, user, cuts, names, said: Instant::now() };
        erasing.organizations(stage).await?;
        erasing.streams().await?;
        erasing.views().await?;
        erasing.outbox().await?;
        erasing.passed_over().await?;
        if is_refused(&erasing.job) {
            // By what their own home holds they are found there when it is asked for again.
            refresh_user_entry(&self.roster, &erasing.request, user).await?;
            return Ok(());
        }
        erasing.own_home().await
    }
}

/// Whether there is an organization in which it is not done, and will not be.
fn is_refused(job: &Job) -> bool {
    job.summary.contains_key(OutcomeStatus::Refused.name())
}

impl Erasing<'_> {
    async fn organizations(&mut self, mut stage: Stage) -> Result<(), Interrupted> {
        loop {
            let found = match stage {
                Stage::Sweep | Stage::End => return Ok(()),
                Stage::Own(after) => {
                    let after = after.map(|id| id.to_string());
                    self.held.next_organizations(self.user, after.as_deref()).await?
                }
                Stage::All(after) => self.next_of_all(after).await?,
            };
            stage = match (stage, found.last()) {
                (Stage::Own(_), Some(last)) => Stage::Own(Some(*last)),
                (Stage::Own(_), None) => Stage::All(None),
                (_, Some(last)) => Stage::All(Some(*last)),
                (_, None) => Stage::End,
            };
            for organization in found {
                if self.job.passed_over.contains(&organization) {
                    continue;
                }
                match self.erase_in(organization).await {
                    Err(Interrupted::Failed(error)) => {
                        tracing::warn!(job = %self.job.id, %organization, %error, "passed over for now");
                        let mut passed_over = self.job.passed_over.clone();
                        passed_over.push(organization);
                        // It may have taken long to fail: somebody is at it still.
                        self.say(Advance { passed_over: Some(passed_over), ..Advance::default() }).await?;
                    }
                    done => done?,
                }
            }
            self.say(Advance { cursor: Some(stage.cursor()), ..Advance::default() }).await?;
        }
    }

    /// Where it failed, once more, all else being done but the person's own home: by what that holds they are found there.
    async fn passed_over(&mut self) -> Result<(), Interrupted> {
        let mut failed: Vec<Failed> = Vec::new();
        for organization in self.job.passed_over.clone() {
            match self.once_more(organization).await {
                Err(Interrupted::Failed(error)) => {
                    failed.push((organization, error));
                    self.say(Advance::default()).await?;
                }
                done => self.no_more(|it| it == organization, done?.into_iter().collect()).await?,
            }
        }
        let (outcomes, passing) = given_up(&self.job, failed);
        if !outcomes.is_empty() {
            self.no_more(|it| passing.iter().all(|(at, _)| *at != it), outcomes).await?;
        }
        passing.into_iter().next().map_or(Ok(()), |(_, failure)| Err(failure.into()))
    }

    /// What is to be told of it, where nothing is yet.
    async fn once_more(&mut self, organization: OrganizationId) -> Result<Option<Outcome>, Interrupted> {
        let mut told = None;
        if self.job.unswept.contains(&organization) {
            let (roster, who) = (&self.held.roster, (self.user, self.cuts));
            let swept = sweep(roster, &self.request, &self.job, organization, who).await?;
            told = Some(outcome_of(organization, swept));
            match swept {
                Swept::Owner => return Ok(told),
                Swept::Awaited(seconds) => return Err(Interrupted::Early(seconds)),
                Swept::Removed | Swept::Unchanged => {}
            }
        }
        self.erase_in(organization).await?;
        Ok(told)
    }

    /// Some of those that were passed over are not tried again.
    async fn no_more(
        &mut self,
        are: impl Fn(OrganizationId) -> bool + Send,
        outcomes: Vec<Outcome>,
    ) -> Result<(), Interrupted> {
        let without = |all: &[OrganizationId]| Some(all.iter().copied().filter(|it| !are(*it)).collect());
        let (passed_over, unswept) = (without(&self.job.passed_over), without(&self.job.unswept));
        self.say(Advance { outcomes, passed_over, unswept, ..Advance::default() }).await
    }

    async fn next_of_all(&self, after: Option<OrganizationId>) -> Result<Vec<OrganizationId>, Interrupted> {
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: None, q: None };
        let found = self.held.roster.store.list(&listing, &PageRequest { after, limit: CHUNK }).await?;
        let organizations = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::DirectoryEntry(entry) => entry.id.organization(),
            _ => None,
        });
        Ok(organizations.collect())
    }

    /// Renews the lease, and notes how far this has come.
    async fn say(&mut self, advance: Advance) -> Result<(), Interrupted> {
        self.job = self.held.say(&self.request, self.job.id, advance).await?;
        self.said = Instant::now();
        Ok(())
    }

    /// Renews the lease, if that was long ago.
    async fn go_on(&mut self) -> Result<(), Interrupted> {
        if self.said.elapsed() < SAY { Ok(()) } else { self.say(Advance::default()).await }
    }

    /// Addresses that asked for a new password and were not written to yet.
    async fn outbox(&mut self) -> Result<(), Interrupted> {
        for n in 0..crate::model::OUTBOXES {
            let (home, mut after) = (Home::Outbox(n), None);
            loop {
                let found = self.held.roster.store.records(&home, after.as_ref(), PAGE).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.record.key());
                for stored in found {
                    let Record::MailPointer(pointer) = stored.record else { continue };
                    if matches!(&pointer.to, Sought::Reset(email) if self.names.has(email)) {
                        let operation = RemoveMailPointer { id: pointer.id, version: stored.version };
                        run(&self.held.roster, &self.request.as_system("pointer"), &operation).await?;
                    }
                }
                self.go_on().await?;
            }
        }
        Ok(())
    }

    /// The person's own home: what names them, what the log says of it, then the names, the address last.
    async fn own_home(&mut self) -> Result<(), Interrupted> {
        let (roster, user) = (&self.held.roster, self.user);
        let (request, target) = (&self.request, ClaimTarget::User(user));
        let mut leaving: Vec<ClaimName> = Vec::new();
        if let Some(external) = &self.names.external_id {
            claims::take(roster, request, &[claims::erased(roster, external)], target).await?;
            leaving.push(ClaimName::UserExternalId(external.clone()));
        }
        leaving.extend(self.names.address_claims());
        let held = claims::standing(roster, &leaving, target).await?;
        run(roster, &request.as_system("blank"), &BlankUser { user }).await?;
        refresh_user(roster, request, user).await?;
        roster.store.forget(&Home::User(user), user).await?;
        held.give_back(roster, request).await?;
        for name in leaving {
            // Also of addresses that were given up long ago.
            roster.store.forget(&Home::Claim(name), user).await?;
        }
        let forgets = self.left_parts().await?;
        let advance = Advance { forgets, ..Advance::default() };
        self.held.say(&self.request, self.job.id, advance).await?;
        Ok(self.held.roster.store.scrub().await?)
    }

    /// Parts in the person's home in which they may be named: this job's, and those of earlier ones that never ended.
    async fn left_parts(&self) -> Result<Vec<JobPartId>, Interrupted> {
        let first = JobPartId { job: JobId::from_uuid(uuid::Uuid::nil()), side: JobSide::Foreseen, n: 0 };
        let (mut parts, mut after) = (Vec::new(), Key::JobPart(first));
        loop {
            let found = self.held.roster.store.records(&self.held.home, Some(&after), PAGE).await?;
            let whole = found.len() == usize::from(PAGE);
            for stored in found {
                after = stored.record.key();
                match stored.record {
                    Record::JobPart(part) if part.id.side == JobSide::Foreseen => parts.push(part.id),
                    Record::JobPart(_) => {}
                    _ => return Ok(parts),
                }
            }
            if !whole || parts.len() >= AT_ONCE {
                return Ok(parts);
            }
        }
    }
}
