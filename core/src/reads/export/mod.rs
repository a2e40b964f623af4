//! Everything that is kept about a person (rule L5): for them, and for operators. Piece by piece, as whoever reads takes
//! it, so that much of it needs no more memory than little.

mod home;
mod organization;
mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::key::SeenKey;
use super::{ActivityRow, AuditRow, pointers};
use crate::facts::Request;
use crate::flows::{find_user, own_names};
use crate::home::{Home, Key, Record};
use crate::id::{JobId, OrganizationId, SourceId};
use crate::known::Known;
use crate::listing::{Listing, PageRequest};
use crate::model::customer::{Presence, SaidName};
use crate::model::{
    DirectoryKind, EmailChange, Holding, Invitation, Job, Letter, Member, Names, Organization, Outcome,
    PostName, Session, User,
};
use crate::op::Roster;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// How many rows a piece holds.
const PAGE: u16 = 200;
/// After so many organizations in which there was nothing, whoever reads hears that this goes on.
const SIGN: usize = 20;

/// How long a piece waits for whoever reads: one export keeps others waiting.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many jobs or parts of jobs are read at a time. Parts may be large.
const JOB_PARTS: u16 = 20;

/// A part of an export, in the order in which they come.
#[derive(Clone, PartialEq, Debug)]
pub enum Piece {
    /// The person.
    User(Box<User>),
    /// The last change of their address.
    EmailChange(Option<EmailChange>),
    /// When sources last set which of their fields and traits.
    TraitTimes(BTreeMap<String, Timestamp>),
    /// The name that sources last said, and the one that each of them says.
    SaidName(SaidName),
    /// Rows of a list: more of the same, or the first of another.
    Rows(Section),
    /// What follows is of this organization.
    Organization(Box<ExportedOrganization>),
    /// There is no further organization.
    OrganizationsEnd,
    /// Nothing yet.
    Nothing,
    /// That was all.
    End,
}

/// Rows of one list.
#[derive(Clone, PartialEq, Debug)]
pub enum Section {
    /// Their sessions.
    Sessions(Vec<Session>),
    /// Letters that wait.
    Mail(Vec<WaitingLetter>),
    /// Jobs that they asked for, or that are about them.
    Jobs(Vec<Job>),
    /// What jobs took and gave that names them.
    JobItems(Vec<JobItem>),
    /// What was done by and to them; of others only who they are.
    Audit(Vec<AuditRow>),
    /// Records that they own.
    Records(Vec<Holding>),
    /// Their personal keys.
    ApiKeys(Vec<SeenKey>),
    /// Invitations of their addresses.
    Invitations(Vec<Invitation>),
    /// Invitations that they stand for.
    InvitationsSent(Vec<Invitation>),
    /// What they did, by event and day.
    Activity(Vec<ActivityRow>),
    /// What sources have sent about them, and is not applied.
    Messages(Vec<Message>),
}

/// A letter to them that waits.
#[derive(Clone, PartialEq, Debug)]
pub struct WaitingLetter {
    /// What about; a new password that an address asked for, if it is none.
    pub letter: Option<Letter>,
    /// The address that asked.
    pub asked_by: Option<Email>,
    /// When it was caused.
    pub created_at: Option<Timestamp>,
}

/// Something in a job that names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobItem {
    /// Which job.
    pub job: JobId,
    /// What names them: a name, or a line of a file as JSON.
    pub item: String,
    /// What came of it, if that is what names them.
    pub outcome: Option<Outcome>,
}

/// A message of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Whose.
    pub source: SourceId,
    /// When it came.
    pub received_at: Timestamp,
    /// Why it could not be applied; nothing for one that waits.
    pub reason: Option<String>,
    /// As it came.
    pub payload: String,
}

/// What is kept of a person in one organization, apart from lists.
#[derive(Clone, PartialEq, Debug)]
pub struct ExportedOrganization {
    /// Which.
    pub organization: Organization,
    /// How they stand there; nothing for one who is only named there.
    pub member: Option<Member>,
    /// Posts that they hold.
    pub posts: Vec<PostName>,
    /// Posts that wait for whoever bears their external id.
    pub awaited: Vec<PostName>,
    /// When they were seen there.
    pub presence: Option<Presence>,
}

/// The person whom an export is about: refused for everybody but the person and operators.
pub async fn exported_user(roster: &Roster, request: &Request, named: &UserRef) -> Result<User, OpError> {
    let user = find_user(roster, named).await?;
    let own = request.actor.user() == Some(user.id) && request.actor.bound_to().is_none();
    if own || request.actor.is_operator() { Ok(user) } else { Err(Refusal::lacks("operator").into()) }
}

/// Hands over everything, piece by piece, until whoever takes it goes away; a failure is the last that they get.
pub async fn export(roster: Roster, request: Request, user: User, out: Sender<Result<Piece, OpError>>) {
    let request = Request { known: Known::default(), ..request };
    if let Err(Cut::Failed(error)) = whole(&roster, &request, &user, &out).await {
        tracing::error!(request_id = request.request_id, ?error, "an export was cut off");
        out.send_timeout(Err(error), PATIENCE).await.ok();
    }
}

async fn whole(
    roster: &Roster,
    request: &Request,
    user: &User,
    out: &Sender<Result<Piece, OpError>>,
) -> Result<(), Cut> {
    let names = own_names(roster, user).await?;
    let export = Exporting { roster, request, user, names, out };
    export.own_home().await?;
    let own = pointers(roster, user.id).await?;
    for organization in &own {
        export.in_organization(*organization).await?;
    }
    export.elsewhere(&own).await?;
    export.put(Piece::OrganizationsEnd).await?;
    export.messages().await?;
    export.put(Piece::End).await
}

/// Why an export stops before its end.
#[derive(Debug)]
enum Cut {
    /// Nobody reads it, or not any more.
    Gone,
    /// It failed.
    Failed(OpError),
}

impl From<OpError> for Cut {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Cut {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// An export that is under way.
struct Exporting<'a> {
    roster: &'a Roster,
    request: &'a Request,
    user: &'a User,
    names: Names,
    out: &'a Sender<Result<Piece, OpError>>,
}

impl Exporting<'_> {
    async fn put(&self, piece: Piece) -> Result<(), Cut> {
        self.out.send_timeout(Ok(piece), PATIENCE).await.map_err(|_| Cut::Gone)
    }

    /// Whether anybody is left who takes this: what nobody reads is not looked for.
    fn is_read(&self) -> Result<(), Cut> {
        if self.out.is_closed() { Err(Cut::Gone) } else { Ok(()) }
    }

    async fn rows(&self, section: Section) -> Result<(), Cut> {
        self.put(Piece::Rows(section)).await
    }

    /// Organizations that the person never was in, and that name them all the same.
    async fn elsewhere(&self, own: &[OrganizationId]) -> Result<(), Cut> {
        let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: None, q: None };
        let (mut page, mut silent) = (PageRequest { after: None, limit: PAGE }, 0);
        loop {
            let found = self.roster.store.list(&listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            for row in found.rows {
                let Record::DirectoryEntry(entry) = row.stored.record else { continue };
                let Some(id) = entry.id.organization().filter(|id| own.binary_search(id).is_err()) else {
                    continue;
                };
                silent = if self.named_in(id).await? { 0 } else { silent + 1 };
                if silent % SIGN == SIGN - 1 {
                    self.put(Piece::Nothing).await?;
                }
            }
            if !found.more {
                return Ok(());
            }
        }
    }

    /// Every row of a listing that is wanted, page by page.
    async fn listed<T>(
        &self,
        listing: &Listing,
        wanted: impl Fn(Record) -> Option<T> + Sync,
        section: fn(Vec<T>) -> Section,
    ) -> Result<(), Cut> {
        let mut page = PageRequest { after: None, limit: PAGE };
        self.rows(section(Vec::new())).await?;
        loop {
            let found = self.roster.store.list(listing, &page).await?;
            page.after = found.rows.last().map(|row| row.position.clone());
            let rows: Vec<T> = found.rows.into_iter().filter_map(|row| wanted(row.stored.record)).collect();
            if !rows.is_empty() {
                self.rows(section(rows)).await?;
            }
            if !found.more {
                return Ok(());
            }
        }
    }
}

/// Records of a home one after the other, behind a key, as long as they are of the kinds that are asked for.
struct Range {
    home: Home,
    after: Option<Key>,
    of: fn(&Record) -> bool,
    limit: u16,
}

impl Range {
    const fn behind(home: Home, after: Key, of: fn(&Record) -> bool) -> Self {
        Self { home, after: Some(after), of, limit: PAGE }
    }

    /// So many at a time: fewer of those that may be large.
    fn at_once(self, limit: u16) -> Self {
        Self { limit, ..self }
    }

    /// The next ones; nothing behind the last.
    async fn next(&mut self, roster: &Roster) -> Result<Option<Vec<Record>>, StoreError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let found = roster.store.records(&self.home, Some(&after), self.limit).await?;
        let (read, whole) = (found.len(), found.len() == usize::from(self.limit));
        let of = self.of;
        let records: Vec<Record> = found.into_iter().map(|stored| stored.record).take_while(of).collect();
        self.after = records.last().map(Record::key).filter(|_| whole && records.len() == read);
        Ok(Some(records))
    }
}
