//! Reading ahead for rows: what they are going to ask for, much at a time, so that the rows themselves find it in the
//! overlay. A row that asks for something else reads it by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{ImportLine, ImportRow};
use crate::facts::Request;
use crate::flows::create_user::fresh_id;
use crate::home::{Home, Key, Record, Tally};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::model::{ClaimName, ClaimTarget, DirectoryId};
use crate::overlay::{Overlay, Wanted};
use crate::store::{Store as _, StoreError};

/// Keys by home.
#[derive(Default)]
struct Asked(BTreeMap<Home, BTreeSet<Key>>);

impl Asked {
    fn add(&mut self, home: Home, keys: impl IntoIterator<Item = Key>) {
        self.0.entry(home).or_default().extend(keys);
    }

    async fn fetch(self, overlay: &Overlay) -> Result<(), StoreError> {
        let wanted = self.0.into_iter().map(|(home, keys)| {
            let tallies = if matches!(home, Home::Organization(_)) { vec![Tally::Seats] } else { Vec::new() };
            Wanted { home, keys: keys.into_iter().collect(), tallies }
        });
        overlay.fetch(wanted.collect()).await
    }
}

/// Reads what rows are about: first their names, then whom and what the names lead to, or who would be made.
pub(super) async fn read_ahead(
    overlay: &Overlay,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
) -> Result<(), StoreError> {
    let home = Home::Organization(organization);
    let rows: Vec<(u64, &ImportRow)> =
        lines.iter().filter_map(|line| Some((line.line, line.row.as_ref().ok()?))).collect();
    let mut names = Asked::default();
    names.add(home.clone(), [Key::Organization]);
    for (_, row) in &rows {
        names.add(home.clone(), [Key::AccountExternalId(row.account.clone())]);
        for claim in claims(row) {
            names.add(Home::Claim(claim), [Key::Claim]);
        }
    }
    names.fetch(overlay).await?;
    let mut things = Asked::default();
    for (line, row) in rows {
        let mut people = Vec::new();
        for claim in claims(row) {
            people.extend(user_of(overlay, claim).await?);
        }
        if people.is_empty() {
            let fresh = fresh_id(&request.step(&format!("line {line}")).step("person 0"));
            let entry = DirectoryId::User(fresh);
            things.add(Home::directory(entry), [Key::DirectoryEntry(entry)]);
            people.push(fresh);
        }
        for user in people {
            things.add(Home::User(user), [Key::User, Key::Membership(organization)]);
            things.add(home.clone(), [Key::Member(user)]);
        }
        let account = account_of(overlay, &home, row).await?;
        things.add(home.clone(), account.map(Key::Account));
    }
    things.fetch(overlay).await
}

fn claims(row: &ImportRow) -> impl Iterator<Item = ClaimName> {
    let email = row.email.as_ref().map(ClaimName::email);
    email.into_iter().chain(row.external_id.clone().map(ClaimName::UserExternalId))
}

async fn user_of(overlay: &Overlay, name: ClaimName) -> Result<Option<UserId>, StoreError> {
    let read = overlay.read(&Home::Claim(name), &[Key::Claim], &[]).await?;
    Ok(match read.records.get(&Key::Claim).map(|stored| &stored.record) {
        Some(Record::Claim(claim)) => match claim.target {
            ClaimTarget::User(user) => Some(user),
            ClaimTarget::Organization(_) => None,
        },
        _ => None,
    })
}

async fn account_of(
    overlay: &Overlay,
    home: &Home,
    row: &ImportRow,
) -> Result<Option<AccountId>, StoreError> {
    let key = Key::AccountExternalId(row.account.clone());
    let read = overlay.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.get(&key).map(|stored| &stored.record) {
        Some(Record::AccountExternalId(_, account)) => Some(*account),
        _ => None,
    })
}
