//! The commonest listing by one statement: members in their default order, by status or all of them. It is a snapshot by
//! itself, and one journey to the connection's thread; its answer is one row, since each row is a message.

use roster_core::listing::{Listing, MemberSort, Page, PageRequest, Position, Row, Scope, key_uuid};
use roster_core::model::MemberStatus;
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::row::to_name;

/// What is asked: whose members, which of them.
pub(crate) struct Plain {
    home: String,
    status: Option<MemberStatus>,
    after: Uuid,
    limit: u16,
}

impl Plain {
    /// A listing of this kind, if it is one.
    pub(crate) fn of(listing: &Listing, page: &PageRequest) -> Option<Self> {
        let Listing::Members { status, account: None, role: None, q: None, sort, descending, scope, .. } =
            listing
        else {
            return None;
        };
        let after =
            page.after.as_ref().map_or(Some(Uuid::nil()), |after| after.by.is_empty().then_some(after.id));
        let common = *sort == MemberSort::Id && !*descending && *scope == Scope::All;
        let home = listing.home().filter(|_| common)?.to_string();
        Some(Self { home, status: *status, after: after?, limit: page.limit })
    }

    /// An answer of `list`.
    pub(crate) async fn list(
        &self,
        connection: &mut SqliteConnection,
        clock: &StoreClock,
    ) -> Result<Page, Fault> {
        let given = if let StoreClock::Given(clock) = clock { Some(clock.now().micros()) } else { None };
        let status = self.status.map(|status| to_name("status", &status)).transpose()?.unwrap_or_default();
        let limit = i64::from(self.limit) + 1;
        let found = query!(
            r#"WITH here AS MATERIALIZED (
                SELECT h.home, max(coalesce(h.time, 0), at.now) AS now FROM (SELECT coalesce(?,
                    CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER)) AS now) at
                    LEFT JOIN homes h ON h.name = ?
            ), asked AS MATERIALIZED (SELECT ? AS status)
            SELECT now AS "now!: i64", (SELECT json_group_array(json_object('user_id', hex(user_id), 'status', status,
                'organization_role', organization_role, 'starts_at', starts_at, 'expires_at', expires_at,
                'joined_at', joined_at, 'left_at', left_at, 'cut_at', cut_at, 'deleted_at', deleted_at, 'epoch', epoch, 'email', email, 'name', name,
                'external_id', external_id, 'version', hex(version), 'accounts', coalesce((
                    SELECT '' || json_group_array(json_array(hex(a.account_id), a.role)) FROM member_access a
                    WHERE a.home = t.home AND a.user_id = t.user_id), '[]')))
                FROM (SELECT m.* FROM members m, asked WHERE m.home = here.home AND m.user_id > ? AND CASE asked.status
                        WHEN '' THEN true
                        WHEN 'former' THEN m.status = 'former' OR m.expires_at <= here.now
                        ELSE m.status = asked.status AND (m.expires_at IS NULL OR m.expires_at > here.now) END
                    ORDER BY m.user_id LIMIT ?) t
            ) AS "rows!: String" FROM here"#,
            given,
            self.home,
            status,
            self.after,
            limit
        );
        let found = found.fetch_one(connection).await?;
        let mut rows: Vec<Row> = kind::decode(Kind::Member, &found.rows)?
            .into_iter()
            .map(|stored| {
                let id = key_uuid(&stored.record.key());
                Row { position: Position { by: String::new(), id }, stored }
            })
            .collect();
        rows.sort_unstable_by_key(|row| row.position.id);
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        Ok(Page { now: Timestamp::from_micros(found.now), rows, more })
    }
}
