//! Reading ahead for rows: what they are going to ask for, much at a time, so that the rows themselves find it in the
//! overlay. A row that asks for something else reads it by itself.

use super::{ImportLine, ImportRow};
use crate::facts::Request;
use crate::flows::claims::erased;
use crate::flows::create_user::fresh_id;
use crate::home::{Home, Key};
use crate::id::OrganizationId;
use crate::model::{ClaimName, DirectoryId};
use crate::op::Roster;
use crate::overlay::{Ahead, Overlay};
use crate::store::StoreError;

/// Reads what rows are about: first their names, then whom and what the names lead to, or who would be made.
pub(super) async fn read_ahead(
    roster: &Roster,
    overlay: &Overlay,
    request: &Request,
    organization: OrganizationId,
    lines: &[ImportLine],
) -> Result<(), StoreError> {
    let home = Home::Organization(organization);
    let rows: Vec<(u64, &ImportRow)> =
        lines.iter().filter_map(|line| Some((line.line, line.row.as_ref().ok()?))).collect();
    let mut names = Ahead::default();
    names.add(home.clone(), [Key::Organization]);
    for (_, row) in &rows {
        names.add(home.clone(), [Key::AccountExternalId(row.account.clone())]);
        let erased = row.external_id.as_ref().map(|id| erased(roster, id));
        for claim in claims(row).chain(erased) {
            names.add(Home::Claim(claim), [Key::Claim]);
        }
        let invited = row.email.as_ref().map(|email| Key::InvitedAddress(email.key().to_owned()));
        names.add(home.clone(), invited);
    }
    names.fetch(overlay).await?;
    let mut things = Ahead::default();
    for (line, row) in rows {
        let mut people = Vec::new();
        for claim in claims(row) {
            people.extend(overlay.user_of(claim).await?);
        }
        if people.is_empty() {
            let fresh = fresh_id(&request.step(&format!("line {line}")).step("person 0"));
            let entry = DirectoryId::User(fresh);
            overlay.presume_none(&Home::directory(entry), Key::DirectoryEntry(entry));
            people.push(fresh);
        }
        for user in people {
            things.add(Home::User(user), [Key::User, Key::Membership(organization)]);
            things.add(home.clone(), [Key::Member(user)]);
        }
        let account = overlay.account_of(organization, &row.account).await?;
        things.add(home.clone(), account.map(Key::Account));
    }
    things.fetch(overlay).await
}

pub(super) fn claims(row: &ImportRow) -> impl Iterator<Item = ClaimName> {
    let email = row.email.as_ref().map(ClaimName::email);
    email.into_iter().chain(row.external_id.clone().map(ClaimName::UserExternalId))
}
