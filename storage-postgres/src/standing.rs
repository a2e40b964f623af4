//! What the checks of a commit need to know, read in one statement after the lock. `LIMIT 1` keeps the planner to the whole
//! primary key, as in `access.rs`.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Tally};
use roster_core::id::{
    AccountId, ApiKeyId, CommitId, InvitationId, OperatorKeyId, OrganizationId, RoleId, SessionId,
    TransferId, UserId,
};
use roster_core::judge::{Ground, Site};
use roster_core::model::{DirectoryId, ReceiptId};
use roster_core::store::{ChangeSet, Write};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{Kind, Names};
use crate::row::{bad, exact, parse};

/// What a row says that is not the version of a record.
const CLOCK: i32 = -1;
const APPLIED: i32 = -2;
const TALLY: i32 = -3;

/// Kinds that few commits look at.
const SELDOM: [Kind; 11] = [
    Kind::AccountExternalId,
    Kind::Transfer,
    Kind::OperatorKey,
    Kind::Receipt,
    Kind::Role,
    Kind::Credential,
    Kind::Session,
    Kind::PasswordReset,
    Kind::Invitation,
    Kind::InvitedAddress,
    Kind::Holding,
];

/// One row of the answer.
struct Line {
    what: i32,
    home: i64,
    id: Option<Uuid>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    version: Option<Uuid>,
    number: Option<i64>,
}

/// Keys of one kind, each with its home.
#[derive(Default)]
struct Asked {
    homes: Vec<i64>,
    names: Names,
}

/// The keys that sets guard, by kind; commits that may have been applied; the tallies that they add to.
#[derive(Default)]
struct Question {
    kinds: BTreeMap<Kind, Asked>,
    sent: Vec<(i64, Uuid)>,
    counting: BTreeSet<(i64, String)>,
}

impl Question {
    fn new(sets: &[ChangeSet], ground: &Ground<'_>) -> Self {
        let mut question = Self::default();
        let mut known = BTreeSet::new();
        for set in sets {
            let Some(site) = ground.sites.get(&set.home) else { continue };
            question.sent.push((site.number, set.id.uuid()));
            for write in &set.writes {
                if let Write::Add { tally, .. } = write {
                    question.counting.insert((site.number, tally.name().into_owned()));
                }
            }
            for key in set.guards.keys() {
                if known.insert((site.number, key)) {
                    let asked = question.kinds.entry(Kind::of(key)).or_default();
                    asked.homes.push(site.number);
                    asked.names.add(key);
                }
            }
        }
        question
    }

    fn homes(&self, kind: Kind) -> Vec<i64> {
        self.kinds.get(&kind).map(|asked| asked.homes.clone()).unwrap_or_default()
    }

    fn names(&self, kind: Kind) -> Names {
        self.kinds.get(&kind).map(|asked| asked.names.clone()).unwrap_or_default()
    }

    fn ids(&self, kind: Kind) -> Vec<Uuid> {
        self.kinds.get(&kind).map(|asked| asked.names.ids.clone()).unwrap_or_default()
    }
}

/// Fills in what the sets stand on. The server's clock.
pub(crate) async fn read(
    connection: &mut PgConnection,
    sets: &[ChangeSet],
    ground: &mut Ground<'_>,
) -> Result<Timestamp, Fault> {
    let question = Question::new(sets, ground);
    let mut lines = usual(connection, &question).await?;
    if question.kinds.keys().any(|kind| SELDOM.contains(kind)) {
        lines.extend(seldom(connection, &question).await?);
    }
    if question.kinds.contains_key(&Kind::Feed) {
        lines.extend(of_feed(connection, &question).await?);
    }
    let mut clock = Timestamp::EPOCH;
    let mut sites: BTreeMap<i64, (&Home, &mut Site<'_>)> =
        ground.sites.iter_mut().map(|(home, site)| (site.number, (home, site))).collect();
    for line in lines {
        if line.what == CLOCK {
            clock = Timestamp::from_micros(line.number.unwrap_or_default());
            continue;
        }
        let (home, site) = sites.get_mut(&line.home).ok_or_else(|| bad("home", line.home))?;
        line.read_into(home, site)?;
    }
    Ok(clock)
}

impl Line {
    fn read_into(self, home: &Home, site: &mut Site<'_>) -> Result<(), Fault> {
        match (self.what, self.version, self.number) {
            (APPLIED, Some(id), _) => drop(site.applied.insert(CommitId::from_uuid(id))),
            (TALLY, _, Some(sum)) => {
                let name = self.text.unwrap_or_default();
                let tally = Tally::from_name(&name).ok_or_else(|| bad("tally", &name))?;
                site.tallies.insert(tally, sum);
            }
            (what, Some(version), _) => {
                let key = self.key(Kind::of_number(what)?, home)?;
                site.versions.insert(key, CommitId::from_uuid(version));
            }
            (what, None, _) => return Err(bad("what", what)),
        }
        Ok(())
    }

    fn key(self, kind: Kind, home: &Home) -> Result<Key, Fault> {
        let id = self.id.ok_or_else(|| bad("id", "missing"));
        Ok(match kind {
            Kind::Organization => Key::Organization,
            Kind::Account => Key::Account(AccountId::from_uuid(id?)),
            Kind::AccountExternalId => {
                Key::AccountExternalId(parse("external_id", &self.text.unwrap_or_default())?)
            }
            Kind::Member => Key::Member(UserId::from_uuid(id?)),
            Kind::ApiKey => Key::ApiKey(ApiKeyId::from_uuid(id?)),
            Kind::Transfer => Key::Transfer(TransferId::from_uuid(id?)),
            Kind::User => Key::User,
            Kind::Membership => Key::Membership(OrganizationId::from_uuid(id?)),
            Kind::OperatorKey => Key::OperatorKey(OperatorKeyId::from_uuid(id?)),
            Kind::Claim => Key::Claim,
            Kind::DirectoryEntry => match home {
                Home::Directory(kind, _) => Key::DirectoryEntry(DirectoryId::from_uuid(*kind, id?)),
                _ => return Err(bad("home", home)),
            },
            Kind::Feed => Key::Feed(parse("name", &self.text.unwrap_or_default())?),
            Kind::Document => {
                let name = self.text.unwrap_or_default();
                Key::of_document(&name).ok_or_else(|| bad("name", &name))?
            }
            Kind::Holding => Key::Holding(parse("name", &self.text.unwrap_or_default())?),
            Kind::Receipt => Key::Receipt(ReceiptId(exact("id", self.bytes.unwrap_or_default())?)),
            Kind::Role => Key::Role(RoleId::from_uuid(id?)),
            Kind::Credential => Key::Credential,
            Kind::Session => Key::Session(SessionId::from_uuid(id?)),
            Kind::PasswordReset => Key::PasswordReset,
            Kind::Invitation => Key::Invitation(InvitationId::from_uuid(id?)),
            Kind::InvitedAddress => Key::InvitedAddress(self.text.unwrap_or_default()),
        })
    }
}

/// What nearly every commit stands on. Each table in the statement costs something though nothing is asked of it.
async fn usual(connection: &mut PgConnection, question: &Question) -> Result<Vec<Line>, Fault> {
    let (sent_homes, sent): (Vec<i64>, Vec<Uuid>) = question.sent.iter().copied().unzip();
    let (counting_homes, counting): (Vec<i64>, Vec<String>) = question.counting.iter().cloned().unzip();
    let names = |kind| question.names(kind);
    let lines = query_as!(
        Line,
        r#"SELECT -1 AS "what!", 0::bigint AS "home!", NULL::uuid AS "id?", NULL::text AS "text?", NULL::bytea AS "bytes?",
               NULL::uuid AS "version?", (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "number?"
        UNION ALL SELECT -2, t.home, NULL, NULL, NULL, t.commit_id, NULL
            FROM UNNEST($1::bigint[], $2::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT home, commit_id FROM log WHERE commit_id = a.id OFFSET 0) t WHERE t.home = a.home
        UNION ALL SELECT -2, t.home, NULL, NULL, NULL, t.id, NULL
            FROM UNNEST($1::bigint[], $2::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM commits WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT -3, t.home, NULL, t.tally, NULL, NULL, t.sum
            FROM UNNEST($3::bigint[], $4::text[]) AS a (home, name)
            CROSS JOIN LATERAL (SELECT * FROM tallies WHERE home = a.home AND tally = a.name LIMIT 1) t
        UNION ALL SELECT 0, home, NULL, NULL, NULL, version, NULL FROM organizations WHERE home = ANY ($5)
        UNION ALL SELECT 1, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($6::bigint[], $7::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM accounts WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 3, t.home, t.user_id, NULL, NULL, version, NULL
            FROM UNNEST($8::bigint[], $9::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM members WHERE home = a.home AND user_id = a.id LIMIT 1) t
        UNION ALL SELECT 4, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($10::bigint[], $11::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM api_keys WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 6, home, NULL, NULL, NULL, version, NULL FROM users WHERE home = ANY ($12)
        UNION ALL SELECT 7, t.home, t.organization_id, NULL, NULL, version, NULL
            FROM UNNEST($13::bigint[], $14::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM memberships WHERE home = a.home AND organization_id = a.id LIMIT 1) t
        UNION ALL SELECT 9, home, NULL, NULL, NULL, version, NULL FROM claims WHERE home = ANY ($15)
        UNION ALL SELECT 10, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($16::bigint[], $17::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM directory_entries WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 18, t.home, NULL, t.name, NULL, version, NULL
            FROM UNNEST($18::bigint[], $19::text[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM documents WHERE home = a.home AND name = a.id LIMIT 1) t"#,
        &sent_homes,
        &sent,
        &counting_homes,
        &counting,
        &question.homes(Kind::Organization),
        &question.homes(Kind::Account),
        &question.ids(Kind::Account),
        &question.homes(Kind::Member),
        &question.ids(Kind::Member),
        &question.homes(Kind::ApiKey),
        &question.ids(Kind::ApiKey),
        &question.homes(Kind::User),
        &question.homes(Kind::Membership),
        &question.ids(Kind::Membership),
        &question.homes(Kind::Claim),
        &question.homes(Kind::DirectoryEntry),
        &question.ids(Kind::DirectoryEntry),
        &question.homes(Kind::Document),
        &names(Kind::Document).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

/// What few commits stand on.
async fn seldom(connection: &mut PgConnection, question: &Question) -> Result<Vec<Line>, Fault> {
    let names = |kind| question.names(kind);
    let lines = query_as!(
        Line,
        r#"SELECT 2 AS "what!", t.home AS "home!", NULL::uuid AS "id?", t.external_id AS "text?", NULL::bytea AS "bytes?",
               version AS "version?", NULL::bigint AS "number?"
            FROM UNNEST($1::bigint[], $2::text[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM account_external_ids WHERE home = a.home AND external_id = a.id LIMIT 1) t
        UNION ALL SELECT 5, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($3::bigint[], $4::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM transfers WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 8, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($5::bigint[], $6::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM operator_keys WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 11, t.home, NULL, NULL, t.id, version, NULL
            FROM UNNEST($7::bigint[], $8::bytea[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM receipts WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 12, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($9::bigint[], $10::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM roles WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 13, home, NULL, NULL, NULL, version, NULL FROM credentials WHERE home = ANY ($11)
        UNION ALL SELECT 14, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($12::bigint[], $13::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM sessions WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 15, home, NULL, NULL, NULL, version, NULL FROM password_resets WHERE home = ANY ($14)
        UNION ALL SELECT 16, t.home, t.id, NULL, NULL, version, NULL
            FROM UNNEST($15::bigint[], $16::uuid[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM invitations WHERE home = a.home AND id = a.id LIMIT 1) t
        UNION ALL SELECT 17, t.home, NULL, t.address, NULL, version, NULL
            FROM UNNEST($17::bigint[], $18::text[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM invited_addresses WHERE home = a.home AND address = a.id LIMIT 1) t
        UNION ALL SELECT 19, t.home, NULL, t.name, NULL, version, NULL
            FROM UNNEST($19::bigint[], $20::text[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM holdings WHERE home = a.home AND name = a.id LIMIT 1) t"#,
        &question.homes(Kind::AccountExternalId),
        &names(Kind::AccountExternalId).texts,
        &question.homes(Kind::Transfer),
        &question.ids(Kind::Transfer),
        &question.homes(Kind::OperatorKey),
        &question.ids(Kind::OperatorKey),
        &question.homes(Kind::Receipt),
        &names(Kind::Receipt).bytes,
        &question.homes(Kind::Role),
        &question.ids(Kind::Role),
        &question.homes(Kind::Credential),
        &question.homes(Kind::Session),
        &question.ids(Kind::Session),
        &question.homes(Kind::PasswordReset),
        &question.homes(Kind::Invitation),
        &question.ids(Kind::Invitation),
        &question.homes(Kind::InvitedAddress),
        &names(Kind::InvitedAddress).texts,
        &question.homes(Kind::Holding),
        &names(Kind::Holding).texts
    );
    Ok(lines.fetch_all(connection).await?)
}

/// Lines of the feed, which no other commit guards.
async fn of_feed(connection: &mut PgConnection, question: &Question) -> Result<Vec<Line>, Fault> {
    let names = |kind| question.names(kind);
    let lines = query_as!(
        Line,
        r#"SELECT 90 AS "what!", t.home AS "home!", NULL::uuid AS "id?", t.name AS "text?", NULL::bytea AS "bytes?",
               version AS "version?", NULL::bigint AS "number?"
            FROM UNNEST($1::bigint[], $2::text[]) AS a (home, id)
            CROSS JOIN LATERAL (SELECT * FROM feed_lines WHERE home = a.home AND name = a.id LIMIT 1) t"#,
        &question.homes(Kind::Feed),
        &names(Kind::Feed).texts
    );
    Ok(lines.fetch_all(connection).await?)
}
