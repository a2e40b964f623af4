//! Everything of a home but its log, in one snapshot.

use roster_core::home::{Home, Tally};
use roster_core::log::Head;
use roster_core::store::Dump;
use sqlx::{SqliteConnection, query};

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::log;
use crate::row::bad;

/// An answer of `dump`, records in the order of their keys.
pub(crate) async fn dump(connection: &mut SqliteConnection, home: &Home) -> Result<Dump, Fault> {
    let mut dump = Dump { head: Head::start(home), records: Vec::new(), tallies: [].into(), due: Vec::new() };
    let Some(place) = log::place(connection, home).await? else {
        return Ok(dump);
    };
    dump.head = place.head;
    let content = content(connection, place.home, Kind::of_home(home)).await?;
    for kind in content.kinds {
        dump.records.extend(kind::load_all(connection, place.home, kind).await?);
    }
    dump.records.sort_by_cached_key(|stored| stored.record.key());
    if content.has_tallies {
        let rows = query!("SELECT tally, sum FROM tallies WHERE home = ? AND sum <> 0", place.home);
        for row in rows.fetch_all(&mut *connection).await? {
            let tally = Tally::from_name(&row.tally).ok_or_else(|| bad("tally", &row.tally))?;
            dump.tallies.insert(tally, row.sum);
        }
    }
    if content.has_due {
        dump.due = kind::due::all(connection, place.home).await?;
    }
    Ok(dump)
}

/// Of what there is anything in a home: most have one kind of record or two, and neither tallies nor due lines.
struct Content {
    kinds: Vec<Kind>,
    has_tallies: bool,
    has_due: bool,
}

async fn content(connection: &mut SqliteConnection, home: i64, kinds: &[Kind]) -> Result<Content, Fault> {
    let row = query!(
        r#"SELECT EXISTS (SELECT 1 FROM tallies t WHERE t.home = h.home) AS "tallies!: bool",
            EXISTS (SELECT 1 FROM due t WHERE t.home = h.home) AS "due!: bool",
            EXISTS (SELECT 1 FROM organizations t WHERE t.home = h.home) AS "organizations!: bool",
            EXISTS (SELECT 1 FROM accounts t WHERE t.home = h.home) AS "accounts!: bool",
            EXISTS (SELECT 1 FROM account_external_ids t WHERE t.home = h.home) AS "account_external_ids!: bool",
            EXISTS (SELECT 1 FROM members t WHERE t.home = h.home) AS "members!: bool",
            EXISTS (SELECT 1 FROM api_keys t WHERE t.home = h.home) AS "api_keys!: bool",
            EXISTS (SELECT 1 FROM transfers t WHERE t.home = h.home) AS "transfers!: bool",
            EXISTS (SELECT 1 FROM users t WHERE t.home = h.home) AS "users!: bool",
            EXISTS (SELECT 1 FROM memberships t WHERE t.home = h.home) AS "memberships!: bool",
            EXISTS (SELECT 1 FROM operator_keys t WHERE t.home = h.home) AS "operator_keys!: bool",
            EXISTS (SELECT 1 FROM claims t WHERE t.home = h.home) AS "claims!: bool",
            EXISTS (SELECT 1 FROM directory_entries t WHERE t.home = h.home) AS "directory_entries!: bool",
            EXISTS (SELECT 1 FROM receipts t WHERE t.home = h.home) AS "receipts!: bool",
            EXISTS (SELECT 1 FROM roles t WHERE t.home = h.home) AS "roles!: bool",
            EXISTS (SELECT 1 FROM credentials t WHERE t.home = h.home) AS "credentials!: bool",
            EXISTS (SELECT 1 FROM sessions t WHERE t.home = h.home) AS "sessions!: bool",
            EXISTS (SELECT 1 FROM password_resets t WHERE t.home = h.home) AS "password_resets!: bool",
            EXISTS (SELECT 1 FROM invitations t WHERE t.home = h.home) AS "invitations!: bool",
            EXISTS (SELECT 1 FROM invited_addresses t WHERE t.home = h.home) AS "invited_addresses!: bool",
            EXISTS (SELECT 1 FROM documents t WHERE t.home = h.home) AS "documents!: bool",
            EXISTS (SELECT 1 FROM holdings t WHERE t.home = h.home) AS "holdings!: bool",
            EXISTS (SELECT 1 FROM feed_lines t WHERE t.home = h.home) AS "feed_lines!: bool"
        FROM homes h WHERE h.home = ?"#,
        home
    );
    let row = row.fetch_one(connection).await?;
    let is_there = |kind: &Kind| match kind {
        Kind::Organization => row.organizations,
        Kind::Account => row.accounts,
        Kind::AccountExternalId => row.account_external_ids,
        Kind::Member => row.members,
        Kind::ApiKey => row.api_keys,
        Kind::Transfer => row.transfers,
        Kind::User => row.users,
        Kind::Membership => row.memberships,
        Kind::OperatorKey => row.operator_keys,
        Kind::Claim => row.claims,
        Kind::DirectoryEntry => row.directory_entries,
        Kind::Receipt => row.receipts,
        Kind::Role => row.roles,
        Kind::Credential => row.credentials,
        Kind::Session => row.sessions,
        Kind::PasswordReset => row.password_resets,
        Kind::Invitation => row.invitations,
        Kind::InvitedAddress => row.invited_addresses,
        Kind::Document => row.documents,
        Kind::Holding => row.holdings,
        Kind::Feed => row.feed_lines,
    };
    Ok(Content {
        kinds: kinds.iter().copied().filter(is_there).collect(),
        has_tallies: row.tallies,
        has_due: row.due,
    })
}
