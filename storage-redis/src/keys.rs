//! Every key that this store uses, and the fields and lines within them. Nothing a client wrote is part of a key: a
//! home is named by its id, or by a hash.
//!
//! A home's keys share a tag in braces, so that they share a slot of a cluster:
//!
//! | key | kind | holds |
//! | --- | --- | --- |
//! | `PREFIX{TAG}` | hash | records by [`field`], tallies, `.head`, and `.redo` where a commit was refused a write |
//! | `PREFIX{TAG}:lines` | hash | by field, the lines that the record has in the index |
//! | `PREFIX{TAG}:index` | sorted set, all scores 0 | lines `INDEX NUL VALUE NUL FIELD`, for lists and the due index |
//! | `PREFIX{TAG}:log` | hash | entries by number, 16 hexadecimal digits |
//! | `PREFIX{TAG}:personal` | hash | values beside an entry, by number |
//! | `PREFIX{TAG}:who` | sorted set, all scores 0 | lines `TERM NUL NUMBER`: which entries are about or by a person, by an actor, with an action |
//! | `PREFIX{TAG}:done` | sorted set | commit ids by the instant of the commit |
//!
//! Beside them stand `PREFIX{homes:NN}`, 64 sorted sets of the names of all homes, and `PREFIX{meta}`, a hash, with
//! `PREFIX{meta}:serving` and `PREFIX{meta}:alone`, which say who uses the store.

use roster_core::home::{Home, Key, Tally};
use roster_core::id::{
    AccountId, ApiKeyId, InvitationId, OperatorKeyId, OrganizationId, RoleId, SessionId, TransferId, UserId,
};
use roster_core::log::{digest, hex};
use roster_core::model::{DirectoryId, DirectoryKind, ReceiptId};
use uuid::Uuid;

/// How many sets the names of homes are spread over.
pub(crate) const REGISTRIES: u8 = 64;

/// The field of a home that holds what a commit writes that was refused one of its writes: the note by which it is finished.
pub(crate) const REDO: &str = ".redo";

/// The keys of a home, in the order in which every script takes them.
#[derive(Clone, Debug)]
pub(crate) struct HomeKeys {
    all: [String; 7],
}

impl HomeKeys {
    pub(crate) fn of(prefix: &str, home: &Home) -> Self {
        let tag = tag(home);
        let key = |part: &str| format!("{prefix}{{{tag}}}{part}");
        Self {
            all: [
                key(""),
                key(":lines"),
                key(":index"),
                key(":log"),
                key(":personal"),
                key(":who"),
                key(":done"),
            ],
        }
    }

    /// The key whose presence says that the home holds something.
    pub(crate) fn home(&self) -> &str {
        &self.all[0]
    }

    /// The key of the lines by which entries of the log are found.
    pub(crate) fn who(&self) -> &str {
        &self.all[5]
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    pub(crate) fn into_all(self) -> Vec<String> {
        self.all.into()
    }
}

/// The key of a home's records, tallies and end of the log.
pub(crate) fn home_key(prefix: &str, home: &Home) -> String {
    format!("{prefix}{{{}}}", tag(home))
}

/// The keys of a home under a prefix, whether they are there or not.
pub fn keys_of(prefix: &str, home: &Home) -> Vec<String> {
    HomeKeys::of(prefix, home).all.into()
}

/// The keys under a prefix that belong to no home: the sets of names of homes, what the store remembers of itself, and
/// who is on it.
pub fn keys_beside(prefix: &str) -> Vec<String> {
    (0..REGISTRIES).map(|n| registry(prefix, n)).chain([meta(prefix)]).chain(places(prefix)).collect()
}

/// What names a home in its keys: an id that Roster made, or the hash of a name that somebody chose.
fn tag(home: &Home) -> String {
    match home {
        Home::Deployment => "deployment".to_owned(),
        Home::User(id) => id.to_string(),
        Home::Organization(id) => id.to_string(),
        Home::Claim(_) => format!("claim:{}", hex(&digest(home.to_string().as_bytes()))),
        Home::Directory(kind, shard) => format!("{kind}:{shard:02}"),
        Home::Feed => "feed".to_owned(),
        Home::Stream(..) | Home::Activity(_) | Home::Outbox(_) | Home::Webhooks(_) => home.to_string(),
    }
}

/// What this store remembers of itself.
pub(crate) fn meta(prefix: &str) -> String {
    format!("{prefix}{{meta}}")
}

/// Who serves, and who is alone.
pub(crate) fn places(prefix: &str) -> [String; 2] {
    [format!("{prefix}{{meta}}:serving"), format!("{prefix}{{meta}}:alone")]
}

/// One of the sets of names of homes.
pub(crate) fn registry(prefix: &str, n: u8) -> String {
    format!("{prefix}{{homes:{n:02}}}")
}

/// Which of them holds a home's name.
pub(crate) fn registry_of(name: &str) -> u8 {
    digest(name.as_bytes())[0] % REGISTRIES
}

/// The field of a record.
pub(crate) fn field(key: &Key) -> String {
    let with = |kind: char, id: Uuid| format!("{kind}:{}", id.simple());
    match key {
        Key::Organization => "o".to_owned(),
        Key::Account(id) => with('a', id.uuid()),
        Key::AccountExternalId(id) => format!("x:{id}"),
        Key::Member(id) => with('m', id.uuid()),
        Key::ApiKey(id) => with('k', id.uuid()),
        Key::Transfer(id) => with('t', id.uuid()),
        Key::User => "u".to_owned(),
        Key::Membership(id) => with('s', id.uuid()),
        Key::OperatorKey(id) => with('p', id.uuid()),
        Key::Claim => "c".to_owned(),
        Key::DirectoryEntry(id) => with(directory_letter(id.kind()), id.uuid()),
        Key::Receipt(id) => format!("r:{}", hex(&id.0)),
        Key::Role(id) => with('l', id.uuid()),
        Key::Credential => "w".to_owned(),
        Key::Session(id) => with('n', id.uuid()),
        Key::PasswordReset => "z".to_owned(),
        Key::Invitation(id) => with('i', id.uuid()),
        Key::InvitedAddress(address) => format!("e:{address}"),
        Key::Feed(key) => format!("f:{key}"),
        Key::Holding(name) => format!("h:{name}"),
        Key::Job(_)
        | Key::JobPart(_)
        | Key::Mail(_)
        | Key::NewAddress
        | Key::MailPointer(_)
        | Key::HeldPosts(_)
        | Key::RecordTypes
        | Key::Note(_)
        | Key::Successions
        | Key::Customer(_)
        | Key::Webhook(_) => {
            format!("d:{}", key.document().unwrap_or_default())
        }
    }
}

/// The letter of a directory's entries.
const fn directory_letter(kind: DirectoryKind) -> char {
    match kind {
        DirectoryKind::Organizations => 'g',
        DirectoryKind::Users => 'v',
        DirectoryKind::Jobs => 'j',
    }
}

/// The key of a field; nothing for a field that is no record's.
pub(crate) fn key(field: &str) -> Option<Key> {
    let (kind, rest) = field.split_once(':').unwrap_or((field, ""));
    let id = || Uuid::try_parse(rest).ok();
    Some(match kind {
        "o" => Key::Organization,
        "a" => Key::Account(AccountId::from_uuid(id()?)),
        "x" => Key::AccountExternalId(rest.parse().ok()?),
        "m" => Key::Member(UserId::from_uuid(id()?)),
        "k" => Key::ApiKey(ApiKeyId::from_uuid(id()?)),
        "t" => Key::Transfer(TransferId::from_uuid(id()?)),
        "u" => Key::User,
        "s" => Key::Membership(OrganizationId::from_uuid(id()?)),
        "p" => Key::OperatorKey(OperatorKeyId::from_uuid(id()?)),
        "c" => Key::Claim,
        "g" => Key::DirectoryEntry(DirectoryId::from_uuid(DirectoryKind::Organizations, id()?)),
        "v" => Key::DirectoryEntry(DirectoryId::from_uuid(DirectoryKind::Users, id()?)),
        "j" => Key::DirectoryEntry(DirectoryId::from_uuid(DirectoryKind::Jobs, id()?)),
        "r" => Key::Receipt(ReceiptId(bytes(rest)?)),
        "l" => Key::Role(RoleId::from_uuid(id()?)),
        "w" => Key::Credential,
        "n" => Key::Session(SessionId::from_uuid(id()?)),
        "z" => Key::PasswordReset,
        "i" => Key::Invitation(InvitationId::from_uuid(id()?)),
        "e" => Key::InvitedAddress(rest.to_owned()),
        "f" => Key::Feed(rest.parse().ok()?),
        "h" => Key::Holding(rest.parse().ok()?),
        "d" => Key::of_document(rest)?,
        _ => return None,
    })
}

/// The field of a tally.
pub(crate) fn tally_field(tally: Tally) -> String {
    format!(".tally:{}", tally.name())
}

/// The tally of a field.
pub(crate) fn tally(field: &str) -> Option<Tally> {
    Tally::from_name(field.strip_prefix(".tally:")?)
}

/// 32 bytes from 64 hexadecimal digits.
pub(crate) fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[n * 2..n * 2 + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roster_core::id::SourceId;
    use roster_core::model::{ClaimName, FeedKey};

    use super::*;

    /// What a cluster hashes of a key: what stands between the first braces, if that is not empty.
    fn hashed(key: &str) -> &str {
        let Some((_, behind)) = key.split_once('{') else { return key };
        match behind.split_once('}') {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => key,
        }
    }

    fn homes() -> impl Strategy<Value = Home> {
        let id = any::<u128>().prop_map(Uuid::from_u128);
        let kinds = [DirectoryKind::Organizations, DirectoryKind::Users, DirectoryKind::Jobs];
        prop_oneof![
            Just(Home::Deployment),
            Just(Home::Feed),
            id.clone().prop_map(|id| Home::User(UserId::from_uuid(id))),
            id.clone().prop_map(|id| Home::Organization(OrganizationId::from_uuid(id))),
            any::<String>().prop_map(|text| Home::Claim(ClaimName::Email(text))),
            (0..kinds.len(), 0_u8..64).prop_map(move |(kind, shard)| Home::Directory(kinds[kind], shard)),
            (id.clone(), any::<u8>()).prop_map(|(id, part)| Home::Stream(SourceId::from_uuid(id), part)),
            id.prop_map(|id| Home::Activity(OrganizationId::from_uuid(id))),
            any::<u8>().prop_map(Home::Outbox),
            any::<u8>().prop_map(Home::Webhooks),
        ]
    }

    proptest! {
        /// A commit touches one home; these are all the keys that it can touch.
        #[test]
        fn all_keys_of_any_commit_share_a_slot(home in homes()) {
            let keys = HomeKeys::of("roster:", &home);
            let tags: std::collections::BTreeSet<&str> = keys.all().iter().map(|key| hashed(key)).collect();
            prop_assert_eq!(tags.len(), 1);
            let tagged = keys.all().iter().all(|key| hashed(key) != key);
            prop_assert!(tagged);
        }

        /// Whatever somebody names themselves, no key shows it, and no brace of theirs moves a key to another slot.
        #[test]
        fn no_key_holds_what_a_client_wrote(text in "\\PC{4,40}") {
            let home = Home::Claim(ClaimName::Email(text.clone()));
            for key in HomeKeys::of("roster:", &home).all() {
                prop_assert!(key.is_ascii() && !key.contains(&text));
            }
        }
    }

    #[test]
    fn fields_read_back_as_their_keys() {
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        for wanted in [
            Key::Organization,
            Key::Account(AccountId::from_uuid(id)),
            Key::AccountExternalId("a:b {c}".parse().unwrap()),
            Key::Member(UserId::from_uuid(id)),
            Key::ApiKey(ApiKeyId::from_uuid(id)),
            Key::Transfer(TransferId::from_uuid(id)),
            Key::User,
            Key::Membership(OrganizationId::from_uuid(id)),
            Key::OperatorKey(OperatorKeyId::from_uuid(id)),
            Key::Claim,
            Key::DirectoryEntry(DirectoryId::User(UserId::from_uuid(id))),
            Key::DirectoryEntry(DirectoryId::Organization(OrganizationId::from_uuid(id))),
            Key::Receipt(ReceiptId([0xab; 32])),
            Key::Role(RoleId::from_uuid(id)),
            Key::Credential,
            Key::Session(SessionId::from_uuid(id)),
            Key::PasswordReset,
            Key::Invitation(InvitationId::from_uuid(id)),
            Key::InvitedAddress("a:b@example.com".into()),
            Key::Feed(FeedKey::mark(&Home::Deployment)),
        ] {
            assert_eq!(key(&field(&wanted)), Some(wanted));
        }
        assert_eq!(key(".head"), None);
        assert_eq!(tally(&tally_field(Tally::Seats)), Some(Tally::Seats));
    }
}
