//! Puts right what leads from one home to another, after a crash between the steps of an act: names, directory
//! entries, pointers, cards; and owners who do not follow the trait that names them. What else a home says of itself is never touched.

use super::links::{self, Broken};
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::claims::{self, Taken};
use crate::flows::map_owner;
use crate::flows::refresh::{refresh_card, refresh_organization, refresh_user_entry};
use crate::home::{Home, Key, Record};
use crate::model::{DirectoryEntry, DirectoryId};
use crate::op::{Roster, run};
use crate::ops::pointer::{PointToOrganization, RemoveDirectoryEntry};
use crate::refusal::OpError;
use crate::store::StoreError;

/// What was announced in a directory this long ago, and is not there, never comes. Long, since the instant is that of
/// the clock of whoever announced it.
const NEVER_COMES_MILLIS: i64 = 3_600_000;

/// What was put right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repair {
    /// Where.
    pub home: Home,
    /// What was wrong.
    pub detail: String,
}

/// Goes through every home, also while servers run. `progress` hears how many homes are done. What cannot be put
/// right, a name that another bears rightly, is left for [`super::verify_all`] to report.
pub async fn repair_all(
    roster: &Roster,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Vec<Repair>, OpError> {
    let (mut repairs, mut done) = (Vec::new(), 0);
    let mut after: Option<Home> = None;
    loop {
        let homes = roster.store.homes(after.as_ref(), 500).await?;
        let Some(last) = homes.last().cloned() else {
            return Ok(repairs);
        };
        for home in homes {
            let details = repair_home(roster, &home).await?;
            repairs.extend(details.into_iter().map(|detail| Repair { home: home.clone(), detail }));
            done += 1;
            progress(done);
        }
        after = Some(last);
    }
}

async fn repair_home(roster: &Roster, home: &Home) -> Result<Vec<String>, OpError> {
    let request = Request::new(Actor::System, roster.entropy.as_ref());
    match home {
        Home::Claim(name) => {
            let swept = claims::sweep(roster, &request, name).await?;
            Ok(swept.then(|| "the name led to nothing".to_owned()).into_iter().collect())
        }
        Home::Directory(..) => sweep_directory(roster, &request, home).await,
        _ => mend_links(roster, &request, home).await,
    }
}

async fn mend_links(roster: &Roster, request: &Request, home: &Home) -> Result<Vec<String>, OpError> {
    let dump = roster.store.dump(home).await?;
    let mut mended = Vec::new();
    for broken in links::broken(roster, home, &dump).await? {
        if mend(roster, request, &broken).await? {
            mended.push(broken.to_string());
        }
    }
    Ok(mended)
}

async fn mend(roster: &Roster, request: &Request, broken: &Broken) -> Result<bool, OpError> {
    match broken {
        Broken::Claim(name, target) => {
            match claims::take(roster, request, std::slice::from_ref(name), *target).await {
                Ok(Taken::All(_)) => {}
                Ok(Taken::Not(_)) | Err(OpError::Busy) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Broken::Entry(DirectoryId::User(user)) => drop(refresh_user_entry(roster, request, *user).await?),
        Broken::Entry(DirectoryId::Organization(organization)) => {
            refresh_organization(roster, request, *organization).await?;
        }
        Broken::Pointer(organization, user) => {
            let pointer = PointToOrganization { user: *user, organization: *organization };
            run(roster, &request.as_system("pointer"), &pointer).await?;
        }
        Broken::Card(organization, user, shown) => {
            refresh_card(roster, request, *organization, *user, shown.clone()).await?;
        }
        Broken::Owner(organization, account) => {
            map_owner(roster, request, *organization, *account, None).await?;
        }
        Broken::Nobody(_) | Broken::Entry(DirectoryId::Job(_)) => return Ok(false),
    }
    Ok(true)
}

/// Takes things that never came out of a directory.
async fn sweep_directory(roster: &Roster, request: &Request, home: &Home) -> Result<Vec<String>, OpError> {
    let dump = roster.store.dump(home).await?;
    let clock = roster.store.read(home, &[], &[]).await?.clock;
    let mut swept = Vec::new();
    for stored in &dump.records {
        let Record::DirectoryEntry(entry) = &stored.record else { continue };
        let made_at = i64::try_from(stored.version.unix_millis()).unwrap_or(i64::MAX);
        let dead = clock.micros() / 1_000 > made_at.saturating_add(NEVER_COMES_MILLIS);
        if dead && !exists(roster, entry).await? {
            let operation = RemoveDirectoryEntry { id: entry.id, version: stored.version };
            run(roster, &request.as_system("sweep"), &operation).await?;
            swept.push(match entry.id {
                DirectoryId::User(user) => format!("{user} does not exist"),
                DirectoryId::Organization(organization) => format!("{organization} does not exist"),
                DirectoryId::Job(job) => format!("{job} does not exist"),
            });
        }
    }
    Ok(swept)
}

async fn exists(roster: &Roster, entry: &DirectoryEntry) -> Result<bool, StoreError> {
    let (home, key) = match entry.id {
        DirectoryId::Job(job) => match entry.home() {
            Some(home) => (home, Key::Job(job)),
            None => return Ok(false),
        },
        DirectoryId::User(user) => (Home::User(user), Key::User),
        DirectoryId::Organization(organization) => (Home::Organization(organization), Key::Organization),
    };
    Ok(roster.store.read(&home, std::slice::from_ref(&key), &[]).await?.records.contains_key(&key))
}
