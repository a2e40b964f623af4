//! The commonest listing by one statement: members in their default order, by status or all of them. It is a snapshot by
//! itself, and planned once a connection.

use roster_core::listing::{Listing, MemberSort, Page, PageRequest, Position, Row, Scope};
use roster_core::model::MemberStatus;
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind;
use crate::row::{bad, to_name};

/// What is asked: whose members, which of them.
pub(crate) struct Plain {
    home: String,
    status: Option<MemberStatus>,
    after: Uuid,
    limit: u16,
}

/// One row; without a member where there is none.
pub(crate) struct Line {
    now: i64,
    user_id: Option<Uuid>,
    status: Option<String>,
    organization_role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    joined_at: Option<i64>,
    left_at: Option<i64>,
    cut_at: Option<i64>,
    deleted_at: Option<i64>,
    epoch: Option<i64>,
    email: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    accounts: Option<String>,
    version: Option<Uuid>,
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
        connection: &mut PgConnection,
        clock: &StoreClock,
    ) -> Result<Page, Fault> {
        let lines = self.lines(connection, clock).await?;
        let now = lines.first().map_or(0, |line| line.now);
        let rows = lines.into_iter().filter(|line| line.user_id.is_some()).map(Line::row);
        let mut rows = rows.collect::<Result<Vec<Row>, Fault>>()?;
        rows.sort_unstable_by_key(|row| row.position.id);
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        Ok(Page { now: Timestamp::from_micros(now), rows, more })
    }

    async fn lines(&self, connection: &mut PgConnection, clock: &StoreClock) -> Result<Vec<Line>, Fault> {
        let given = if let StoreClock::Given(clock) = clock { Some(clock.now().micros()) } else { None };
        let status = self.status.map(|status| to_name("status", &status)).transpose()?.unwrap_or_default();
        let lines = query_as!(
            Line,
            r#"WITH here AS MATERIALIZED (
                SELECT h.home, greatest(h.time, at.now) AS now FROM (SELECT coalesce($1,
                    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now) at
                    LEFT JOIN homes h ON h.name = $2
            )
            SELECT here.now AS "now!", t.user_id AS "user_id?", t.status AS "status?",
                t.organization_role AS "organization_role?", t.starts_at AS "starts_at?", t.expires_at AS "expires_at?",
                t.joined_at AS "joined_at?", t.left_at AS "left_at?", t.cut_at AS "cut_at?", t.deleted_at AS "deleted_at?", t.epoch AS "epoch?", t.email AS "email?",
                t.name AS "name?", t.external_id AS "external_id?", t.version AS "version?",
                '[' || array_to_string(ARRAY(SELECT '["' || a.account_id || '","' || a.role || '"]' FROM member_access a
                    WHERE a.home = t.home AND a.user_id = t.user_id), ',') || ']' AS "accounts?"
            FROM here LEFT JOIN LATERAL (
                SELECT * FROM members m WHERE m.home = here.home AND m.user_id > $3 AND CASE $4::text
                    WHEN '' THEN true
                    WHEN 'former' THEN m.status = 'former' OR m.expires_at <= here.now
                    ELSE m.status = $4 AND (m.expires_at IS NULL OR m.expires_at > here.now) END
                ORDER BY m.user_id LIMIT $5
            ) t ON true"#,
            given,
            self.home,
            self.after,
            status,
            i64::from(self.limit) + 1
        );
        Ok(lines.fetch_all(connection).await?)
    }
}

impl Line {
    fn row(self) -> Result<Row, Fault> {
        let missing = || bad("member", "a column is missing");
        let id = self.user_id.ok_or_else(missing)?;
        let row = kind::MemberRow {
            user_id: id,
            status: self.status.ok_or_else(missing)?,
            organization_role: self.organization_role,
            starts_at: self.starts_at,
            expires_at: self.expires_at,
            joined_at: self.joined_at.ok_or_else(missing)?,
            left_at: self.left_at,
            cut_at: self.cut_at,
            deleted_at: self.deleted_at,
            epoch: self.epoch.ok_or_else(missing)?,
            email: self.email,
            name: self.name,
            external_id: self.external_id,
            accounts: self.accounts.ok_or_else(missing)?,
            version: self.version.ok_or_else(missing)?,
        };
        Ok(Row { position: Position { by: String::new(), id }, stored: row.stored()? })
    }
}
