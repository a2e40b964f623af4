//! Lines of a home's index: `INDEX NUL VALUE NUL FIELD`, in the order of their bytes. Every list and filter is a range
//! of them; the commit that writes a record writes its lines.

use roster_core::home::Record;
use roster_core::id::{AccountId, UserId};
use roster_core::listing::{MemberSort, key_uuid, member_search_keys, member_sort_value, sortable};
use roster_core::model::{Access, Holding, Member, MemberStatus};
use roster_core::permission::RoleRef;
use roster_core::text::{RecordType, fold};
use roster_core::time::Timestamp;
use uuid::Uuid;

use crate::keys::field;

/// A part of the index, as the two ends that Redis takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Range {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl Range {
    /// All lines that begin so.
    fn beginning(prefix: &str) -> Self {
        let bound = |mark: u8, end: &[u8]| [&[mark], prefix.as_bytes(), end].concat();
        Self { from: bound(b'[', b""), to: bound(b'(', b"\xff") }
    }

    /// All lines of an index.
    pub(crate) fn whole(index: &str) -> Self {
        Self::beginning(&format!("{index}\0"))
    }

    /// The due lines up to an instant.
    pub(crate) fn due(until: Timestamp) -> Self {
        let to = format!("[due\0{}\u{7f}", sortable(until));
        Self { to: to.into_bytes(), ..Self::whole("due") }
    }

    /// Words that begin with a search text, and the external id that is it.
    pub(crate) fn search(query: &str) -> [Self; 2] {
        let folded = fold(query.trim());
        let whole = value(&format!("\0{folded}"));
        [Self::beginning(&format!("word\0{}", value(&folded))), Self::beginning(&format!("word\0{whole}\0"))]
    }

    /// What is left of it behind a row: upwards from it, or downwards.
    pub(crate) fn behind(self, row: &str, descending: bool) -> Self {
        let bound = [b"(", &self.from[1..], row.as_bytes()].concat();
        if descending {
            Self { to: bound, ..self }
        } else {
            Self { from: [&bound[..], b"\xff"].concat(), ..self }
        }
    }

    /// What is left of it behind one of its lines.
    pub(crate) fn behind_line(self, line: &[u8], descending: bool) -> Self {
        let bound = [b"(", line].concat();
        if descending { Self { to: bound, ..self } } else { Self { from: bound, ..self } }
    }
}

/// A line.
pub(crate) fn line(index: &str, value: &str, field: &str) -> String {
    format!("{index}\0{value}\0{field}")
}

/// The value of a due line: the instant, then the id, so that lines of several kinds come in the order of both.
pub(crate) fn due_value(at: &str, id: Uuid) -> String {
    format!("{at} {}", id.simple())
}

/// A value cannot hold what parts the line.
pub(crate) fn value(text: &str) -> String {
    text.replace('\0', "\u{1}")
}

/// The index in which a member list has its order.
pub(crate) const fn order_of(sort: MemberSort) -> &'static str {
    match sort {
        MemberSort::Id => "member",
        MemberSort::Name => "name",
        MemberSort::Email => "email",
        MemberSort::JoinedAt => "joined",
    }
}

/// The index of members with a status as stored.
pub(crate) fn of_status(status: MemberStatus) -> &'static str {
    match status {
        MemberStatus::Active => "active",
        MemberStatus::Deactivated => "deactivated",
        MemberStatus::Former => "former",
    }
}

/// The index of members who hold a role somewhere.
pub(crate) fn of_role(role: RoleRef) -> String {
    format!("role {role}")
}

/// The index of members with a role on an account by name.
pub(crate) fn of_account(account: AccountId) -> String {
    format!("on {}", account.uuid().simple())
}

/// The index of records of a type.
pub(crate) fn of_type(kind: &RecordType) -> String {
    format!("type {kind}")
}

/// The index of records that somebody owns, of one type or all.
pub(crate) fn of_owner(owner: UserId, kind: Option<&RecordType>) -> String {
    let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
    format!("owned by {}{kind}", owner.uuid().simple())
}

/// The index of members with organization-wide access.
pub(crate) const WIDE: &str = "wide";

/// The lines of a record.
pub(crate) fn lines(record: &Record) -> Vec<String> {
    let name = field(&record.key());
    let plain = |index: &str| vec![line(index, "", &name)];
    let mut lines = match record {
        Record::Account(_) => plain("account"),
        Record::Member(member) => of_member(member, &name),
        Record::ApiKey(_) => plain("api_key"),
        Record::Role(_) => plain("custom_role"),
        Record::OperatorKey(_) => plain("operator_key"),
        Record::Membership(_) => plain("membership"),
        Record::Session(_) => plain("session"),
        Record::Invitation(_) => plain("invitation"),
        Record::Holding(holding) => of_holding(holding, &name),
        Record::DirectoryEntry(entry) => {
            let words = entry.search.iter().map(|word| line("word", &value(word), &name));
            plain("entry").into_iter().chain(words).collect()
        }
        Record::Organization(_)
        | Record::AccountExternalId(..)
        | Record::Transfer(_)
        | Record::User(_)
        | Record::Claim(_)
        | Record::Receipt(_)
        | Record::Credential(_)
        | Record::PasswordReset(_)
        | Record::InvitedAddress(..)
        | Record::Feed(_)
        | Record::Job(_)
        | Record::JobPart(_)
        | Record::Mail(_)
        | Record::NewAddress(_)
        | Record::MailPointer(_)
        | Record::HeldPosts(_)
        | Record::RecordTypes(_)
        | Record::Note(_)
        | Record::Successions(_)
        | Record::Customer(_)
        | Record::Webhook(_) => Vec::new(),
    };
    lines.extend(record.due().map(|due| {
        let value = due_value(&sortable(due.at), key_uuid(&due.key));
        format!("{}\0{}", line("due", &value, &name), due.seats)
    }));
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Records in the vendor's product stand by their id in each of their indexes.
fn of_holding(holding: &Holding, name: &str) -> Vec<String> {
    let id = holding.id.uuid().simple().to_string();
    let indexes = [
        "holding".to_owned(),
        of_type(&holding.kind),
        of_owner(holding.owner, None),
        of_owner(holding.owner, Some(&holding.kind)),
    ];
    indexes.iter().map(|index| line(index, &id, name)).collect()
}

fn of_member(member: &Member, name: &str) -> Vec<String> {
    let mut lines = vec![line(of_status(member.status), "", name)];
    for sort in [MemberSort::Id, MemberSort::Name, MemberSort::Email, MemberSort::JoinedAt] {
        lines.push(line(order_of(sort), &value(&member_sort_value(member, sort)), name));
    }
    lines.extend(member.access.roles().into_iter().map(|role| line(&of_role(role), "", name)));
    match &member.access {
        Access::Organization(_) => lines.push(line(WIDE, "", name)),
        Access::Accounts(roles) => {
            lines.extend(roles.keys().map(|account| line(&of_account(*account), "", name)));
        }
    }
    lines.extend(member_search_keys(member).iter().map(|word| line("word", &value(word), name)));
    lines
}
