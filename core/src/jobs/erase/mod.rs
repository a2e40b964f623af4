//! What names an erased person goes: from every organization, from what sources have sent, from saved views, then from their own home, their
//! names last (rule L5). Every step may be done again.

mod names;
mod organizations;
mod streams;
mod views;

use std::time::Duration;

use tokio::time::Instant;

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::claims;
use crate::flows::refresh::refresh_user;
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{
    ClaimName, ClaimTarget, DirectoryKind, Job, JobPartId, JobSide, Names, OutcomeStatus, Sought,
};
use crate::op::run;
use crate::ops::job::Advance;
use crate::ops::mail::RemoveMailPointer;
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
}

impl Stage {
    fn of(cursor: Option<&str>) -> Self {
        let id = |text: &str| text.parse().ok();
        match cursor.and_then(|cursor| cursor.split_once(':')) {
            Some(("own", last)) => Self::Own(id(last)),
            Some(("all", last)) => Self::All(id(last)),
            _ => Self::Sweep,
        }
    }

    fn cursor(self) -> String {
        let shown = |last: Option<OrganizationId>| last.map(|id| id.to_string()).unwrap_or_default();
        match self {
            Self::Sweep => String::new(),
            Self::Own(last) => format!("own:{}", shown(last)),
            Self::All(last) => format!("all:{}", shown(last)),
        }
    }
}

/// An erasure that is under way.
struct Erasing<'a> {
    held: &'a Held,
    request: Request,
    job: JobId,
    user: UserId,
    names: Names,
    passed_over: Vec<OrganizationId>,
    said: Instant,
}

impl Held {
    pub(super) async fn erase(&self, mut job: Job, user: UserId, cuts: u32) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        if Stage::of(job.cursor.as_deref()) == Stage::Sweep {
            // Before anything is taken away: an owner is left as they are.
            let (swept, failed) = self.end_memberships(&request, job, (user, cuts), true).await?;
            if let Some((_, failure)) = failed.into_iter().next() {
                return Err(failure.into());
            }
            job = swept;
            if job.summary.contains_key(OutcomeStatus::Refused.name()) {
                // They own an organization after all, and keep their names until they have handed it over (rule O2).
                refresh_user(&self.roster, &request, user).await?;
                return Ok(());
            }
            let cursor = Some(Stage::Own(None).cursor());
            job = self.say(&request, job.id, Advance { cursor, ..Advance::default() }).await?;
        }
        let names = self.names(&request, user).await?;
        let said = Instant::now();
        let (id, passed_over) = (job.id, job.passed_over);
        let mut erasing = Erasing { held: self, request, job: id, user, names, passed_over, said };
        erasing.organizations(Stage::of(job.cursor.as_deref())).await?;
        erasing.streams().await?;
        erasing.views().await?;
        erasing.outbox().await?;
        erasing.passed_over().await?;
        erasing.own_home().await
    }
}

impl Erasing<'_> {
    async fn organizations(&mut self, mut stage: Stage) -> Result<(), Interrupted> {
        loop {
            let found = match stage {
                Stage::Sweep => return Ok(()),
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
                (_, None) => return Ok(()),
            };
            for organization in found {
                match self.erase_in(organization).await {
                    Err(Interrupted::Failed(error)) => {
                        tracing::warn!(job = %self.job, %organization, %error, "passed over for now");
                        if !self.passed_over.contains(&organization) {
                            self.passed_over.push(organization);
                        }
                        // It may have taken long to fail: somebody is at it still.
                        self.say(None).await?;
                    }
                    done => done?,
                }
            }
            self.say(Some(stage)).await?;
        }
    }

    /// Where it failed, once more, all else being done but the person's own home: by what that holds they are found there.
    async fn passed_over(&mut self) -> Result<(), Interrupted> {
        let mut failure = None;
        for organization in self.passed_over.clone() {
            match self.erase_in(organization).await {
                Err(Interrupted::Failed(error)) => {
                    failure = Some(error);
                    self.say(None).await?;
                }
                done => {
                    done?;
                    self.passed_over.retain(|it| *it != organization);
                    self.say(None).await?;
                }
            }
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
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
    async fn say(&mut self, stage: Option<Stage>) -> Result<(), Interrupted> {
        let (cursor, passed_over) = (stage.map(Stage::cursor), Some(self.passed_over.clone()));
        let advance = Advance { cursor, passed_over, ..Advance::default() };
        self.held.say(&self.request, self.job, advance).await?;
        self.said = Instant::now();
        Ok(())
    }

    /// Renews the lease, if that was long ago.
    async fn go_on(&mut self) -> Result<(), Interrupted> {
        if self.said.elapsed() < SAY { Ok(()) } else { self.say(None).await }
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
        self.held.say(&self.request, self.job, advance).await?;
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
