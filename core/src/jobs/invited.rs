//! What a person was invited to before they were removed from everything, wherever that is (rules M9, S1). No pointer of theirs
//! leads to it: they may never have been there, and may have been invited before anybody knew whose the address is.

use std::pin::pin;

use futures::stream::{self, StreamExt as _};

use super::{Held, Interrupted};
use crate::facts::Request;
use crate::flows::lapse_invited;
use crate::home::{Home, Record, TheUser};
use crate::id::{OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{DirectoryKind, Job, UserStatus};
use crate::op::View;
use crate::ops::job::Advance;
use crate::refusal::OpError;
use crate::time::Timestamp;

/// Organizations of one look.
const PAGE: u16 = 100;
/// How many of them are looked at at a time.
const TOGETHER: usize = 16;
/// What the cursor begins with from then on.
const ALL: &str = "all:";
/// Organizations that were made so many seconds after the removal are not looked at: nobody was invited to them before it, and
/// whatever clocks say, the look ends.
const SLACK_SECONDS: i64 = 3_600;

/// Whether memberships have been seen to.
pub(super) fn has_begun(cursor: Option<&str>) -> bool {
    cursor.is_some_and(|cursor| cursor.starts_with(ALL))
}

/// When an organization was made, as its id says.
fn made_at(organization: OrganizationId) -> Option<Timestamp> {
    let (seconds, _) = organization.uuid().get_timestamp()?.to_unix();
    i64::try_from(seconds).ok().map(|seconds| Timestamp::EPOCH.plus_seconds(seconds))
}

impl Held {
    /// Writes down in every organization that they were invited in vain, behind the last one where that was done; and where it
    /// cannot be for now, why. Behind that one nothing is noted: it is looked at again.
    pub(super) async fn end_invitations(
        &self,
        request: &Request,
        mut job: Job,
        user: UserId,
    ) -> Result<(Job, Option<OpError>), Interrupted> {
        let mut view = View::new(&self.roster, Home::User(user), request);
        let known = view.get(&TheUser).await?.filter(|user| user.status != UserStatus::Erased);
        let Some(email) = known.and_then(|user| user.email) else { return Ok((job, None)) };
        let last = job.cursor.as_deref().and_then(|cursor| cursor.strip_prefix(ALL));
        let (mut after, mut failed) = (last.and_then(|last| last.parse::<OrganizationId>().ok()), None);
        loop {
            let mut found = self.open_organizations(after).await?;
            let end = job.created_at.plus_seconds(SLACK_SECONDS);
            found.retain(|organization| made_at(*organization).is_none_or(|at| at <= end));
            let Some(last) = found.last().copied() else { return Ok((job, failed)) };
            let (cut, email) = ((user, job.created_at), &email);
            let looks = found.into_iter().map(|organization| async move {
                (organization, lapse_invited(&self.roster, request, organization, email, cut).await)
            });
            let mut looks = pin!(stream::iter(looks).buffer_unordered(TOGETHER));
            while let Some((organization, looked)) = looks.next().await {
                if let Err(error) = looked {
                    tracing::warn!(job = %job.id, %organization, %error, "passed over for now");
                    failed = Some(error);
                    // It may have taken long to fail: somebody is at it still.
                    self.say(request, job.id, Advance::default()).await?;
                }
            }
            after = Some(last);
            let cursor = failed.is_none().then(|| format!("{ALL}{last}"));
            job = self.say(request, job.id, Advance { cursor, ..Advance::default() }).await?;
        }
    }

    /// By id, behind one. In closed ones no invitation counts.
    async fn open_organizations(
        &self,
        after: Option<OrganizationId>,
    ) -> Result<Vec<OrganizationId>, Interrupted> {
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: Some(true), q: None };
        let found = self.roster.store.list(&listing, &PageRequest { after, limit: PAGE }).await?;
        let organizations = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::DirectoryEntry(entry) => entry.id.organization(),
            _ => None,
        });
        Ok(organizations.collect())
    }
}
