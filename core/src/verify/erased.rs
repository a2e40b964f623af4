//! Nothing is left that names an erased person (rule L5). That their cards are blank and their names free, the checks of links
//! say.

use super::Report;
use crate::home::{Home, Record};
use crate::id::UserId;
use crate::log::LogFilter;
use crate::model::customer::Customer;
use crate::model::{JobStatus, Traits, User, UserStatus, Work};
use crate::op::Roster;
use crate::store::{Dump, StoreError};

/// Checks the home of one whose erasure has come to its end.
pub(super) async fn check(
    roster: &Roster,
    home: &Home,
    dump: &Dump,
    report: Report<'_>,
) -> Result<(), StoreError> {
    let Some(user) = erased(dump) else { return Ok(()) };
    if user.email.is_some()
        || user.external_id.is_some()
        || user.name.is_some()
        || user.traits != Traits::default()
    {
        report("erased", "the record of an erased person is not blank".into());
    }
    let clocks =
        |record: &Record| matches!(record, Record::Customer(it) if matches!(**it, Customer::UserClock(_)));
    if dump.records.iter().any(|stored| clocks(&stored.record)) {
        report("erased", "it is kept when sources set which of their traits".into());
    }
    if let Some(seq) = personal(roster, home, user.id).await? {
        report("erased", format!("entry {seq} of the log keeps values about them"));
    }
    Ok(())
}

/// The person whose home it is, if everything that names them is said to be gone.
fn erased(dump: &Dump) -> Option<&User> {
    let gone = dump.records.iter().any(|stored| {
        matches!(&stored.record, Record::Job(job)
            if matches!(job.work, Work::EraseUser { .. }) && job.status == JobStatus::Completed)
    });
    let user = dump.records.iter().find_map(|stored| match &stored.record {
        Record::User(user) if user.status == UserStatus::Erased => Some(user),
        _ => None,
    });
    user.filter(|_| gone)
}

/// The first entry beside which a value about somebody lies.
async fn personal(roster: &Roster, home: &Home, user: UserId) -> Result<Option<u64>, StoreError> {
    let mut after = 0;
    loop {
        let entries = roster.store.log(home, after, 500, &LogFilter::ALL).await?;
        let Some(last) = entries.last() else { return Ok(None) };
        after = last.seq;
        let kept = entries.iter().find(|entry| entry.personal.iter().any(|value| value.subject == user));
        if let Some(kept) = kept {
            return Ok(Some(kept.seq));
        }
    }
}
