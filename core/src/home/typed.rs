//! Keys that know what they are the keys of.

use super::{Key, Record};
use crate::id::{
    AccountId, ApiKeyId, InvitationId, JobId, MailId, OperatorKeyId, OrganizationId, RoleId, SessionId,
    TransferId, UserId,
};
use crate::model::{
    Account, ApiKey, Claim, Credential, DirectoryEntry, DirectoryId, EmailChange, FeedKey, FeedLine,
    HeldPosts, Holding, HoldingName, HoldingTypes, Invitation, Job, JobPart, JobPartId, Mail, MailPointer,
    Member, Membership, Note, NoteKey, OperatorKey, Organization, PasswordReset, Receipt, ReceiptId, Role,
    Session, Successions, Transfer, User,
};
use crate::text::ExternalId;

macro_rules! typed_keys {
    ($($key:ty => $variant:ident($record:ty), |$self:ident| $make:expr;)*) => {$(
        impl TypedKey for $key {
            type Record = $record;
            fn key(&self) -> Key { let $self = self; $make }
            fn pick(record: Record) -> Option<$record> {
                if let Record::$variant(value) = record { Some(value) } else { None }
            }
        }
    )*};
}

/// A key that knows what it is the key of.
pub trait TypedKey {
    /// What is kept under it.
    type Record;
    /// The key.
    fn key(&self) -> Key;
    /// The record, if it is of this kind.
    fn pick(record: Record) -> Option<Self::Record>;
}

/// The key of the organization itself.
#[derive(Clone, Copy, Debug)]
pub struct TheOrganization;
/// The key of the user itself.
#[derive(Clone, Copy, Debug)]
pub struct TheUser;
/// The key of a claim.
#[derive(Clone, Copy, Debug)]
pub struct TheClaim;
/// The key of a user's credential.
#[derive(Clone, Copy, Debug)]
pub struct TheCredential;
/// The key of a user's last password reset.
#[derive(Clone, Copy, Debug)]
pub struct ThePasswordReset;
/// The key of the last change of address that a user asked for.
#[derive(Clone, Copy, Debug)]
pub struct TheNewAddress;
/// The key of letters in the home of what they are about.
#[derive(Clone, Copy, Debug)]
pub struct TheMail(pub MailId);
/// The key of an address that is invited.
#[derive(Clone, Debug)]
pub struct TheInvitedAddress(pub String);
/// The key of a membership in the organization's home.
#[derive(Clone, Copy, Debug)]
pub struct TheMember(pub UserId);
/// The key of a pointer in the user's home.
#[derive(Clone, Copy, Debug)]
pub struct TheMembership(pub OrganizationId);

/// The key of the posts that somebody holds.
#[derive(Clone, Copy, Debug)]
pub struct TheHeldPosts(pub UserId);
/// The key of the types of records.
#[derive(Clone, Copy, Debug)]
pub struct TheRecordTypes;
/// The key of the hand-overs of records.
#[derive(Clone, Copy, Debug)]
pub struct TheSuccessions;

typed_keys! {
    TheHeldPosts => HeldPosts(HeldPosts), |it| Key::HeldPosts(it.0);
    TheRecordTypes => RecordTypes(HoldingTypes), |_it| Key::RecordTypes;
    TheSuccessions => Successions(Successions), |_it| Key::Successions;
    HoldingName => Holding(Holding), |it| Key::Holding(it.clone());
    TheOrganization => Organization(Organization), |_it| Key::Organization;
    TheUser => User(User), |_it| Key::User;
    TheClaim => Claim(Claim), |_it| Key::Claim;
    TheCredential => Credential(Credential), |_it| Key::Credential;
    ThePasswordReset => PasswordReset(PasswordReset), |_it| Key::PasswordReset;
    SessionId => Session(Session), |it| Key::Session(*it);
    InvitationId => Invitation(Invitation), |it| Key::Invitation(*it);
    TheMember => Member(Member), |it| Key::Member(it.0);
    TheMembership => Membership(Membership), |it| Key::Membership(it.0);
    AccountId => Account(Account), |it| Key::Account(*it);
    ApiKeyId => ApiKey(ApiKey), |it| Key::ApiKey(*it);
    TransferId => Transfer(Transfer), |it| Key::Transfer(*it);
    OperatorKeyId => OperatorKey(OperatorKey), |it| Key::OperatorKey(*it);
    DirectoryId => DirectoryEntry(DirectoryEntry), |it| Key::DirectoryEntry(*it);
    ReceiptId => Receipt(Receipt), |it| Key::Receipt(*it);
    RoleId => Role(Role), |it| Key::Role(*it);
    FeedKey => Feed(FeedLine), |it| Key::Feed(it.clone());
    JobPartId => JobPart(JobPart), |it| Key::JobPart(*it);
    TheMail => Mail(Mail), |it| Key::Mail(it.0);
    TheNewAddress => NewAddress(EmailChange), |_it| Key::NewAddress;
    MailId => MailPointer(MailPointer), |it| Key::MailPointer(*it);
    NoteKey => Note(Note), |it| Key::Note(*it);
}

impl TypedKey for JobId {
    type Record = Job;

    fn key(&self) -> Key {
        Key::Job(*self)
    }

    fn pick(record: Record) -> Option<Job> {
        if let Record::Job(job) = record { Some(*job) } else { None }
    }
}

impl TypedKey for ExternalId {
    type Record = AccountId;

    fn key(&self) -> Key {
        Key::AccountExternalId(self.clone())
    }

    fn pick(record: Record) -> Option<AccountId> {
        if let Record::AccountExternalId(_, account) = record { Some(account) } else { None }
    }
}

impl TypedKey for TheInvitedAddress {
    type Record = InvitationId;

    fn key(&self) -> Key {
        Key::InvitedAddress(self.0.clone())
    }

    fn pick(record: Record) -> Option<InvitationId> {
        if let Record::InvitedAddress(_, invitation) = record { Some(invitation) } else { None }
    }
}
