//! Nothing is left that names an erased person (rule L5). That their cards are blank and their names free, the checks of links
//! say.

use std::collections::BTreeMap;

use super::Report;
use crate::home::{Home, Key, Record};
use crate::id::UserId;
use crate::log::LogFilter;
use crate::model::customer::Customer;
use crate::model::{Card, JobStatus, Traits, User, UserStatus, Work};
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

/// Checks what an organization keeps of people whose erasure has come to its end: invitations that they accepted, keys of
/// their own, and values beside its log, by the first entry for each.
pub(super) async fn check_organization(
    roster: &Roster,
    dump: &Dump,
    logged: &BTreeMap<UserId, u64>,
    report: Report<'_>,
) -> Result<(), StoreError> {
    let mut traces: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    let mut shown = Vec::new();
    for stored in &dump.records {
        match &stored.record {
            Record::Invitation(it) => {
                let by = it.accepted_by.filter(|by| it.email.key() != format!("{by}@erased.invalid"));
                if let Some(by) = by {
                    traces.entry(by).or_default().push(format!("{} keeps their address", it.id));
                }
            }
            Record::ApiKey(key) => {
                if let Some(user) = key.user {
                    traces.entry(user).or_default().push(format!("{} is theirs", key.id));
                }
            }
            // Whoever is shown by name is not erased, or the check of links says so.
            Record::Member(member) if member.card != Card::default() => shown.push(member.user),
            _ => {}
        }
    }
    for (user, seq) in logged {
        let text = format!("entry {seq} of the log keeps values about them");
        traces.entry(*user).or_default().push(text);
    }
    for user in shown {
        traces.remove(&user);
    }
    for (user, found) in traces {
        if is_gone(roster, user).await? {
            for text in found {
                report("erased", format!("{user} is erased, and {text}"));
            }
        }
    }
    Ok(())
}

/// Whether everything that names somebody is said to be gone.
async fn is_gone(roster: &Roster, user: UserId) -> Result<bool, StoreError> {
    let home = Home::User(user);
    let read = roster.store.read(&home, &[Key::User], &[]).await?;
    let erased = match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) => user.status == UserStatus::Erased,
        Some(_) | None => false,
    };
    Ok(erased && self::erased(&roster.store.dump(&home).await?).is_some())
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
