//! What people did, from what sources tell (rule T7). Deleted people are not in it; deactivated and former ones are. Where
//! reports hide former members, rows that are one person's each leave theirs out, unless it is they who were asked for (rule
//! M8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::person;
use super::visible_standing;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, UserId};
use crate::model::customer::{ActivityMonth, Customer, CustomerKey};
use crate::model::{FormerMembers, Member, MemberStatus};
use crate::op::Roster;
use crate::policy::Reach;
use crate::reference::UserRef;
use crate::refusal::OpError;
use crate::time::{Timestamp, date_text, day_of, month_of};

/// How many months are read at a time.
const SLICE: u16 = 200;

/// Which activity, and by what it is summed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActivityAsk {
    /// Only of this user.
    pub user: Option<UserRef>,
    /// Only this event.
    pub event: Option<String>,
    /// From the day of this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant: the day that it begins is not in it.
    pub to: Option<Timestamp>,
    /// One row a user.
    pub by_user: bool,
    /// One row an event.
    pub by_event: bool,
    /// One row a day.
    pub by_day: bool,
}

/// A row's place: keys by which nothing is summed are `None`.
pub type ActivityKey = (Option<UserId>, Option<String>, Option<String>);

/// One row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActivityRow {
    /// Who, which event, on which day.
    pub key: ActivityKey,
    /// How often.
    pub count: u64,
}

/// Rows behind a place, and where the next page begins. Needs `activity:read` on the whole organization.
pub async fn activity(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    ask: &ActivityAsk,
    after: Option<&ActivityKey>,
    limit: u16,
) -> Result<(Vec<ActivityRow>, Option<ActivityKey>), OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let user = match &ask.user {
        Some(named) => Some(person(roster, request, Some(organization), named).await?),
        None => None,
    };
    roster.policies.access.require(&standing, "activity:read", Reach::Organization)?;
    let mut sums = Sums { rows: BTreeMap::new(), after, most: usize::from(limit) + 1 };
    let home = Home::Activity(organization);
    let nobody = UserId::from_uuid(uuid::Uuid::nil());
    let mut place = Key::Customer(CustomerKey::Activity(user.unwrap_or(nobody), 0));
    loop {
        let found = roster.store.records(&home, Some(&place), SLICE).await?;
        let whole = found.len() == usize::from(SLICE);
        let mut months = Vec::new();
        for stored in found {
            let Record::Customer(it) = stored.record else { continue };
            let Customer::Activity(month) = *it else { continue };
            if user.is_none_or(|user| user == month.user) {
                months.push(month);
            }
        }
        let Some(last) = months.last() else { break };
        place = Key::Customer(CustomerKey::Activity(last.user, last.month));
        let (members, hides) = members(roster, organization, &months).await?;
        let hides = hides && ask.by_user && user.is_none();
        for month in &months {
            let member = members.get(&month.user);
            let is_former = member.is_some_and(|member| member.status == MemberStatus::Former);
            if counts(month, member) && !(hides && is_former) {
                add(&mut sums, month, ask);
            }
        }
        if !whole {
            break;
        }
    }
    let mut rows = sums.rows.into_iter().map(|(key, count)| ActivityRow { key, count });
    let page: Vec<ActivityRow> = rows.by_ref().take(usize::from(limit)).collect();
    let next = rows.next().and(page.last()).map(|row| row.key.clone());
    Ok((page, next))
}

/// Whether a month is in the statistics still.
fn counts(month: &ActivityMonth, member: Option<&Member>) -> bool {
    member.is_none_or(|member| !member.is_deleted() && month.since >= member.deleted_at)
}

/// The rows of a page and one more, the least of all: what is beyond them is not kept in memory.
struct Sums<'a> {
    rows: BTreeMap<ActivityKey, u64>,
    after: Option<&'a ActivityKey>,
    most: usize,
}

impl Sums<'_> {
    /// One that was beyond the last is never among the first again: that only comes to lie nearer.
    fn add(&mut self, key: ActivityKey, count: u64) {
        let is_full = self.rows.len() >= self.most;
        let is_beyond = is_full && self.rows.last_key_value().is_some_and(|(last, _)| key > *last);
        if is_beyond || self.after.is_some_and(|after| key <= *after) {
            return;
        }
        *self.rows.entry(key).or_default() += count;
        if self.rows.len() > self.most {
            self.rows.pop_last();
        }
    }
}

fn add(sums: &mut Sums<'_>, month: &ActivityMonth, ask: &ActivityAsk) {
    for (day, it) in &month.days {
        let at = |time: Timestamp| (month_of(time), day_of(time));
        let here = (month.month, *day);
        let late = ask.from.is_some_and(|from| here < at(from));
        // An instant at midnight ends the day before.
        let early = ask.to.is_some_and(|to| here > at(Timestamp::from_micros(to.micros() - 1)));
        if late || early {
            continue;
        }
        for (event, count) in &it.events {
            if ask.event.as_ref().is_some_and(|wanted| wanted != event) {
                continue;
            }
            let key = (
                ask.by_user.then_some(month.user),
                ask.by_event.then(|| event.clone()),
                ask.by_day.then(|| date_text(month.month, *day)),
            );
            sums.add(key, *count);
        }
    }
}

/// The people of some months, and whether reports hide those who have left.
async fn members(
    roster: &Roster,
    organization: OrganizationId,
    months: &[ActivityMonth],
) -> Result<(BTreeMap<UserId, Member>, bool), OpError> {
    let mut keys: Vec<Key> = months.iter().map(|month| Key::Member(month.user)).collect();
    keys.dedup();
    keys.push(Key::Organization);
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let now = read.now();
    let hides = match read.records.get(&Key::Organization).map(|stored| &stored.record) {
        Some(Record::Organization(it)) => it.settings.former_members == FormerMembers::Hide,
        _ => false,
    };
    let found = read.records.into_values().filter_map(|stored| match stored.record.at(now) {
        Record::Member(member) => Some((member.user, member)),
        _ => None,
    });
    Ok((found.collect(), hides))
}
