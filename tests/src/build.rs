//! Records and change sets for tests: small numbers name things, everything else has a plain value.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use roster_core::actor::{Actor, Via};
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::{
    AccountId, ApiKeyId, CommitId, EmailChangeId, InvitationId, JobId, MailId, OperatorKeyId, OrganizationId,
    RoleId, SessionId, TransferId, UserId, Version,
};
use roster_core::log::{Body, Change, LogEntry, Personal, digest};
use roster_core::model::{
    Access, Account, AccountStatus, ApiKey, Card, Claim, ClaimTarget, DirectoryEntry, DirectoryId,
    DoneEmailChange, EmailChange, Invitation, InvitationStatus, Inviter, Job, JobPart, JobPartId, JobSide,
    JobStatus, Lease, Letter, Made, Mail, MailPointer, Member, Note, OldSecret, OperatorKey, Organization,
    OrganizationStatus, Outcome, OutcomeStatus, PartContent, Receipt, ReceiptId, Role, Session, Settings,
    Sought, TraitPatch, Traits, Transfer, TransferState, User, UserStatus, Work,
};
use roster_core::permission::RoleRef;
use roster_core::store::{ChangeSet, Write};
use roster_core::text::search_keys;
use roster_core::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stores::START;

/// A text type from text that fits.
///
/// # Panics
/// Where it does not fit.
pub fn text<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} does not fit its type"))
}

/// The id of the n-th thing of a kind, numbered so that kinds differ and the last byte spreads.
fn uuid(kind: u8, n: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | (u128::from(kind) << 56) | u128::from(n))
}

/// The n-th organization.
pub fn organization_id(n: u64) -> OrganizationId {
    OrganizationId::from_uuid(uuid(1, n))
}

/// The n-th account.
pub fn account_id(n: u64) -> AccountId {
    AccountId::from_uuid(uuid(2, n))
}

/// The n-th user.
pub fn user_id(n: u64) -> UserId {
    UserId::from_uuid(uuid(3, n))
}

/// The n-th key.
pub fn api_key_id(n: u64) -> ApiKeyId {
    ApiKeyId::from_uuid(uuid(4, n))
}

/// The n-th operator key.
pub fn operator_key_id(n: u64) -> OperatorKeyId {
    OperatorKeyId::from_uuid(uuid(5, n))
}

/// The n-th transfer.
pub fn transfer_id(n: u64) -> TransferId {
    TransferId::from_uuid(uuid(6, n))
}

/// The n-th invitation.
pub fn invitation_id(n: u64) -> InvitationId {
    InvitationId::from_uuid(uuid(8, n))
}

/// The n-th session.
pub fn session_id(n: u64) -> SessionId {
    SessionId::from_uuid(uuid(9, n))
}

/// The n-th custom role.
pub fn role_id(n: u64) -> RoleId {
    RoleId::from_uuid(uuid(7, n))
}

/// The n-th commit.
pub fn commit_id(n: u64) -> CommitId {
    CommitId::from_uuid(Uuid::from_u128((0x0190_u128 << 112) | (u128::from(n) << 16)))
}

/// The home of the n-th organization.
pub fn organization_home(n: u64) -> Home {
    Home::Organization(organization_id(n))
}

/// Traits with these names and values.
///
/// # Panics
/// Where they break the limits.
pub fn traits(values: Value) -> Traits {
    let patch: TraitPatch = serde_json::from_value(values).expect("an object");
    Traits::default().merged(&patch).expect("within the limits")
}

/// The n-th organization, owned by user 0.
pub fn organization(n: u64) -> Organization {
    Organization {
        id: organization_id(n),
        external_id: Some(text(&format!("Org-{n}"))),
        name: text(&format!("Organization {n}")),
        slug: text(&format!("organization-{n}")),
        status: OrganizationStatus::Active,
        owner: user_id(0),
        purchased: Some(u32::MAX),
        settings: Settings::default(),
        traits: traits(
            json!({"plan": "pro", "share": 0.1, "nul": "a\u{0}b", "deep": {"list": [1, null, true]}}),
        ),
        posts: roster_core::model::Posts::default(),
        created_at: START,
    }
}

/// The n-th account.
pub fn account(n: u64) -> Account {
    Account {
        id: account_id(n),
        external_id: (n % 2 == 1).then(|| text(&format!("ACC-{n}"))),
        name: text(&format!("Account {n}")),
        status: AccountStatus::Active,
        traits: traits(json!({"n": n})),
        posts: roster_core::model::Posts::default(),
        created_at: START,
    }
}

/// What lists show of the n-th user.
pub fn card(n: u64) -> Card {
    Card {
        email: Some(text(&format!("User.{n}@Example.com"))),
        name: Some(text(&format!("User Number{n}"))),
        external_id: Some(text(&format!("Ext-{n}"))),
    }
}

/// The n-th user as an active member.
pub fn member(n: u64, access: Access) -> Member {
    let left = Member::joining(user_id(n), card(n), access.clone(), START).deleted(START);
    Member::joining(user_id(n), card(n), access, START).after(Some(&left))
}

/// Roles on accounts by their numbers.
pub fn on_accounts(roles: &[(u64, RoleRef)]) -> Access {
    Access::Accounts(roles.iter().map(|(account, role)| (account_id(*account), *role)).collect())
}

/// The n-th key of an organization.
pub fn api_key(n: u64, access: Access) -> ApiKey {
    ApiKey {
        id: api_key_id(n),
        name: text(&format!("Key {n}")),
        user: (n == 2).then(|| user_id(7)),
        access,
        secret_hash: digest(&n.to_be_bytes()),
        old: (n == 2).then(|| OldSecret { hash: [3; 32], until: START.plus_seconds(5) }),
        prefix: format!("rst_key_{n}"),
        expires_at: Some(START.plus_seconds(3_600)),
        created_at: START,
    }
}

/// The n-th operator key.
pub fn operator_key(n: u64) -> OperatorKey {
    OperatorKey {
        id: operator_key_id(n),
        name: text(&format!("Operator {n}")),
        secret_hash: digest(&n.to_le_bytes()),
        prefix: format!("rst_opk_{n}"),
        created_at: START,
    }
}

/// A transfer from user 0 to user 1.
pub fn transfer(n: u64) -> Transfer {
    Transfer {
        id: transfer_id(n),
        from: user_id(0),
        to: user_id(1),
        previous_owner_role: RoleRef::Custom(role_id(1)),
        state: TransferState::Completed,
        expires_at: None,
        created_at: START,
    }
}

/// The n-th invitation of an organization, pending for an hour.
pub fn invitation(n: u64, access: Access) -> Invitation {
    Invitation {
        id: invitation_id(n),
        email: text(&format!("Guest{n}@example.com")),
        name: Some(text("Guest")),
        access,
        status: InvitationStatus::Pending,
        invited_by: Inviter::User { id: user_id(1), since: Some(START.micros()) },
        holds_seat: true,
        link: 3,
        life: 3_600,
        sent_at: START,
        expires_at: START.plus_seconds(3_600),
        created_at: START,
        accepted_by: None,
        ended_at: None,
    }
}

/// The n-th session of a user.
pub fn session(n: u64) -> Session {
    Session {
        id: session_id(n),
        secret_hash: digest(&n.to_be_bytes()),
        generation: 2,
        created_at: START,
        last_used_at: START.plus_seconds(5),
        expires_at: START.plus_seconds(60),
    }
}

/// The n-th user.
pub fn user(n: u64) -> User {
    User {
        id: user_id(n),
        external_id: card(n).external_id,
        email: card(n).email,
        name: card(n).name,
        status: UserStatus::Active,
        suspended_at: Some(START.plus_seconds(2)),
        traits: traits(json!({"locale": "en"})),
        cuts: 0,
        cut_at: None,
        created_at: START,
    }
}

/// The n-th custom role.
pub fn role(n: u64, replaced_by: Option<RoleRef>) -> Role {
    Role {
        id: role_id(n),
        name: text(&format!("Role {n}")),
        permissions: ["members:read", "deals:export"].map(text).into(),
        replaced_by,
        created_at: START,
    }
}

/// A claim for the n-th user.
pub fn claim(n: u64) -> Claim {
    Claim { target: ClaimTarget::User(user_id(n)), since: START }
}

/// The directory's entry of the n-th user.
pub fn directory_entry(n: u64) -> DirectoryEntry {
    let card = card(n);
    DirectoryEntry {
        id: DirectoryId::User(user_id(n)),
        search: search_keys(card.name.as_ref(), card.email.as_ref(), card.external_id.as_ref()),
        active: true,
    }
}

/// A receipt.
pub fn receipt(n: u64) -> Receipt {
    Receipt {
        id: ReceiptId(digest(&n.to_be_bytes())),
        digest: [1; 32],
        seed: [2; 32],
        seed_millis: u64::MAX - n,
        answer: Some(vec![0, 255, 7]),
        created_at: START,
    }
}

/// An entry about users, by a user or the command line, with one personal value a user.
///
/// # Panics
/// Never: the body is plain JSON.
pub fn entry(commit: CommitId, by: Option<UserId>, about: &[UserId], time: Timestamp) -> LogEntry {
    let actor = by.map_or(Actor::CLI, by_user);
    let changes: Vec<_> = about.iter().map(|user| ("member.updated", Some(*user))).collect();
    let body = body(commit, actor, &changes, time);
    let kept = |(n, subject): (u16, &UserId)| Personal {
        n,
        subject: *subject,
        salt: [u8::try_from(n % 256).expect("a byte"); 16],
        value: format!("\"{subject}\""),
    };
    LogEntry::new(&body, body.canonical(), (0_u16..).zip(about).map(kept).collect())
}

/// A user for whom the command line speaks.
pub fn by_user(user: UserId) -> Actor {
    Actor::User { user, via: Via::Operator { key: None } }
}

/// What an entry says: by whom, and each change with the person it is about.
pub fn body(commit: CommitId, actor: Actor, changes: &[(&str, Option<UserId>)], time: Timestamp) -> Body {
    let change = |(action, user): &(&str, Option<UserId>)| Change {
        action: (*action).to_owned(),
        target_type: "member".into(),
        target_id: user.map(|user| user.to_string()).unwrap_or_default(),
        user: *user,
        before: Value::Null,
        after: json!({"name": {"$personal": {"n": 0}}}),
    };
    Body {
        actor,
        request_id: Some("req-1".into()),
        reason: Value::Null,
        time,
        commit,
        changes: changes.iter().map(change).collect(),
    }
}

/// A change set in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Draft(ChangeSet);

/// The n-th commit, to a home, by the command line at the start of time; with an entry if the home has a log.
pub fn change(n: u64, home: &Home) -> Draft {
    let id = commit_id(n);
    Draft(ChangeSet {
        id,
        home: home.clone(),
        not_after: None,
        guards: BTreeMap::new(),
        writes: Vec::new(),
        entry: home.has_log().then(|| entry(id, None, &[], START)),
    })
}

impl Draft {
    /// One more record.
    pub fn put(mut self, record: Record) -> Self {
        self.0.writes.push(Write::Put(record));
        self
    }

    /// One more removal.
    pub fn remove(mut self, key: Key) -> Self {
        self.0.writes.push(Write::Remove(key));
        self
    }

    /// One more addition.
    pub fn add(mut self, tally: Tally, by: i64, within: RangeInclusive<i64>) -> Self {
        self.0.writes.push(Write::Add { tally, by, within });
        self
    }

    /// One more guard.
    pub fn guard(mut self, key: Key, version: Option<Version>) -> Self {
        self.0.guards.insert(key, version);
        self
    }

    /// The last instant.
    pub fn not_after(mut self, end: Timestamp) -> Self {
        self.0.not_after = Some(end);
        self
    }

    /// What the entry says instead.
    pub fn entry(mut self, by: Option<UserId>, about: &[UserId], time: Timestamp) -> Self {
        self.0.entry = Some(entry(self.0.id, by, about, time));
        self
    }

    /// What the entry says, whole.
    pub fn says(mut self, actor: Actor, changes: &[(&str, Option<UserId>)], time: Timestamp) -> Self {
        self.0.entry = Some({
            let body = body(self.0.id, actor, changes, time);
            LogEntry::new(&body, body.canonical(), Vec::new())
        });
        self
    }

    /// The change set.
    pub fn done(self) -> ChangeSet {
        self.0
    }
}

/// Numbers that look random and are the same in every run (xorshift64*).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// With a seed that is not zero.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len().try_into().unwrap_or(u64::MAX));
        &from[usize::try_from(at).unwrap_or(0)]
    }

    /// True once in so many.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The n-th job.
pub fn job(n: u64) -> Job {
    let outcome = Outcome {
        item: "ext:ada".into(),
        line: Some(n),
        status: OutcomeStatus::Refused,
        code: Some("no_seat".into()),
        warning: Some("external_id_differs".into()),
        detail: Some("the account is not there".into()),
    };
    Job {
        examined: 0,
        passed_over: Vec::new(),
        unswept: Vec::new(),
        id: job_id(n),
        work: Work::ImportMembers { organization: organization_id(1), create_accounts: true, dry_run: false },
        actor: Actor::CLI,
        request_id: Some("r1".into()),
        reason: None,
        seed: [9; 32],
        seed_millis: n,
        status: JobStatus::Running,
        done: 1,
        total: 2,
        summary: [("refused".to_owned(), 1)].into(),
        made: Made { accounts: 1, users: 2 },
        fresh: vec![outcome],
        cursor: Some("admitted".into()),
        seats_held: 0,
        lease: Some(Lease { holder: uuid::Uuid::from_u128(5), until: START.plus_seconds(30) }),
        attempts: 1,
        not_before: START,
        cancelled: false,
        failure: None,
        created_at: Timestamp::from_micros(START.micros() + 7),
        finished_at: None,
    }
}

/// The id of the n-th job.
pub fn job_id(n: u64) -> JobId {
    JobId::from_uuid(uuid::Uuid::from_u128(u128::from(n) << 64))
}

/// A part of the n-th job.
pub fn job_part(n: u64, side: JobSide, part: u32) -> JobPart {
    let id = JobPartId { job: job_id(n), side, n: part };
    let content = match side {
        JobSide::Input => PartContent::Items(vec!["ext:ada".into(), String::new()]),
        JobSide::Results | JobSide::Foreseen => PartContent::Outcomes(job(n).fresh),
    };
    JobPart { id, content }
}

/// The id of the n-th letters.
pub fn mail_id(n: u64) -> MailId {
    MailId::from_uuid(uuid::Uuid::from_u128(u128::from(n) << 64))
}

/// Letters that wait.
///
/// # Panics
///
/// Never: there is a letter.
pub fn mail(n: u64) -> Mail {
    let change = email_change(n).id;
    let mail = Mail::of(mail_id(n), [Letter::EmailChange { change }], START).expect("a letter");
    let lease = Some(Lease { holder: uuid::Uuid::from_u128(7), until: START.plus_seconds(120) });
    Mail { lease, ..mail }
}

/// The end of the n-th key.
pub fn key_end(n: u64) -> Note {
    Note::KeyEnd { key: api_key_id(n), at: START.plus_seconds(12) }
}

/// That a link was shown.
pub fn shown_link(n: u64) -> Note {
    Note::ShownLink { invitation: invitation_id(n), link: 7 }
}

/// Where letters wait.
pub fn mail_pointer(n: u64) -> MailPointer {
    MailPointer { id: mail_id(n), to: Sought::Reset(text("B\u{fc}cher@example.com")) }
}

/// A change of address that was asked for.
pub fn email_change(n: u64) -> EmailChange {
    EmailChange {
        id: EmailChangeId::from_uuid(uuid::Uuid::from_u128(u128::from(n) << 64)),
        from: None,
        to: text("New@example.com"),
        created_at: START,
        expires_at: START.plus_seconds(60),
        used_at: None,
        done: vec![DoneEmailChange {
            id: EmailChangeId::from_uuid(uuid(9, 9)),
            from: text("Old@example.com"),
            at: START,
        }],
    }
}
