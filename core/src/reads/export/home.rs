//! What the person's own home holds of them, and what every home with a log does.

use super::{Cut, Exporting, JOB_PARTS, JobItem, Piece, Range, Section, WaitingLetter};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{InvitationId, JobId, MailId};
use crate::listing::Listing;
use crate::log::{LogFilter, Logged};
use crate::model::customer::TheUserClock;
use crate::model::{Job, Letter, Mail, OUTBOXES, Sought, Work};
use crate::ops::job::ForgetItems;
use crate::reads::audit::{rows, wanted};

impl Exporting<'_> {
    pub(super) async fn own_home(&self) -> Result<(), Cut> {
        let (home, user) = (Home::User(self.user.id), self.user.clone());
        self.put(Piece::User(Box::new(user))).await?;
        let keys = [Key::NewAddress, TheUserClock.key()];
        let mut read = self.roster.store.read(&home, &keys, &[]).await?;
        let change = match read.records.remove(&keys[0]).map(|stored| stored.record) {
            Some(Record::NewAddress(change)) => Some(change),
            _ => None,
        };
        self.put(Piece::EmailChange(change)).await?;
        let clock = read.records.remove(&keys[1]).and_then(|stored| TheUserClock::pick(stored.record));
        let clock = clock.unwrap_or_default();
        self.put(Piece::TraitTimes(clock.at.0)).await?;
        self.put(Piece::SaidName(clock.name)).await?;
        let session = |record| if let Record::Session(it) = record { Some(it) } else { None };
        self.listed(&Listing::Sessions { user: self.user.id }, session, Section::Sessions).await?;
        self.mail(&home, &[]).await?;
        self.asked_for_passwords().await?;
        self.jobs(&home).await?;
        self.audit(&home).await?;
        self.audit(&Home::Deployment).await
    }

    /// Letters of a home that are to go to the person.
    pub(super) async fn mail(&self, home: &Home, invitations: &[InvitationId]) -> Result<(), Cut> {
        self.rows(Section::Mail(Vec::new())).await?;
        let first = Key::Mail(MailId::from_uuid(uuid::Uuid::nil()));
        let mut range = Range::behind(home.clone(), first, |record| matches!(record, Record::Mail(_)));
        while let Some(found) = range.next(self.roster).await? {
            let mut letters = Vec::new();
            for record in found {
                if let Record::Mail(mail) = record {
                    letters.extend(self.theirs(&mail, home, invitations));
                }
            }
            if !letters.is_empty() {
                self.rows(Section::Mail(letters)).await?;
            }
        }
        Ok(())
    }

    fn theirs(&self, mail: &Mail, home: &Home, invitations: &[InvitationId]) -> Vec<WaitingLetter> {
        let to_them = |letter: &Letter| match letter {
            Letter::Invitation { invitation, .. } => invitations.contains(invitation),
            Letter::OwnershipTransferred { to, .. } => *to == self.user.id,
            Letter::PasswordReset { .. } | Letter::EmailChange { .. } | Letter::EmailChanged { .. } => {
                *home == Home::User(self.user.id)
            }
            Letter::Alert { .. } => false,
        };
        let letters = mail.letters.iter().map(|waiting| waiting.letter).filter(to_them);
        let waiting = |letter| WaitingLetter {
            letter: Some(letter),
            asked_by: None,
            created_at: Some(mail.created_at),
        };
        letters.map(waiting).collect()
    }

    /// Addresses of theirs that asked for a new password, and were not written to yet.
    async fn asked_for_passwords(&self) -> Result<(), Cut> {
        for n in 0..OUTBOXES {
            let first = Key::MailPointer(MailId::from_uuid(uuid::Uuid::nil()));
            let mut range = Range::behind(Home::Outbox(n), first, |_| true);
            while let Some(found) = range.next(self.roster).await? {
                let asked = found.into_iter().filter_map(|record| match record {
                    Record::MailPointer(pointer) => match pointer.to {
                        Sought::Reset(email) if self.names.has(&email) => Some(email),
                        Sought::Reset(_) | Sought::Letters(_) => None,
                    },
                    _ => None,
                });
                let waiting = |email| WaitingLetter { letter: None, asked_by: Some(email), created_at: None };
                let letters: Vec<_> = asked.map(waiting).collect();
                if !letters.is_empty() {
                    self.rows(Section::Mail(letters)).await?;
                }
            }
        }
        Ok(())
    }

    /// Jobs of a home that they asked for or that are about them, and items that name them.
    pub(super) async fn jobs(&self, home: &Home) -> Result<(), Cut> {
        self.rows(Section::Jobs(Vec::new())).await?;
        let mut items = Vec::new();
        let first = Key::Job(JobId::from_uuid(uuid::Uuid::nil()));
        let mut range = Range::behind(home.clone(), first, |record| {
            matches!(record, Record::Job(_) | Record::JobPart(_))
        })
        .at_once(JOB_PARTS);
        while let Some(found) = range.next(self.roster).await? {
            let parts = found.iter().any(|record| matches!(record, Record::JobPart(_)));
            let mut jobs = Vec::new();
            for record in found {
                items.extend(self.items(home, &record));
                match record {
                    Record::Job(job) if self.concerns(&job) => jobs.push(*job),
                    _ => {}
                }
            }
            if !jobs.is_empty() {
                self.rows(Section::Jobs(jobs)).await?;
            }
            // Parts come after all jobs.
            if parts {
                self.rows(Section::JobItems(std::mem::take(&mut items))).await?;
            }
        }
        self.rows(Section::JobItems(items)).await
    }

    fn concerns(&self, job: &Job) -> bool {
        let about = match job.work {
            Work::RemoveEverywhere { user, .. }
            | Work::EraseUser { user, .. }
            | Work::RefreshCards { user } => user == self.user.id,
            _ => false,
        };
        about || job.actor.user() == Some(self.user.id)
    }

    pub(super) fn items(&self, home: &Home, record: &Record) -> Vec<JobItem> {
        let job = match record {
            Record::Job(job) => job.id,
            Record::JobPart(part) => part.id.job,
            _ => return Vec::new(),
        };
        let (home, user, names) = (home.clone(), self.user.id, self.names.clone());
        let looked = ForgetItems { home, job, part: None, user, names };
        looked.found(record).into_iter().map(|(item, outcome)| JobItem { job, item, outcome }).collect()
    }

    /// What the log of a home says of them. Names of others that stand in it are theirs.
    pub(super) async fn audit(&self, home: &Home) -> Result<(), Cut> {
        self.rows(Section::Audit(Vec::new())).await?;
        let (filter, mut after) = (LogFilter::of_user(self.user.id), 0);
        loop {
            let entries = self.roster.store.log(home, after, super::PAGE, &filter).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            let mut found = Vec::new();
            for logged in entries {
                let own = logged.personal.iter().filter(|it| it.subject == self.user.id).cloned();
                let logged = Logged { personal: own.collect(), ..logged };
                found.extend(rows(&logged)?.into_iter().filter(|row| wanted(row, &filter)));
            }
            self.rows(Section::Audit(found)).await?;
        }
    }
}
