//! By what a person is and was named.

use crate::home::{Home, Key, Record};
use crate::log::LogFilter;
use crate::model::{ClaimName, ClaimTarget, Names, User};
use crate::op::Roster;
use crate::store::StoreError;
use crate::text::Email;

/// Entries of the log that are read at a time.
const PAGE: u16 = 200;

/// Their external id and every address that they have or had.
pub(crate) async fn all_names(roster: &Roster, user: &User) -> Result<Names, StoreError> {
    let mut names = Names { external_id: user.external_id.clone(), ..Names::default() };
    names.addresses.extend(user.email.as_ref().map(|email| email.key().to_owned()));
    let (home, mut after) = (Home::User(user.id), 0);
    loop {
        let entries = roster.store.log(&home, after, PAGE, &LogFilter::ALL).await?;
        let Some(last) = entries.last() else { return Ok(names) };
        after = last.seq;
        let values = entries.iter().flat_map(|entry| &entry.personal).filter(|it| it.subject == user.id);
        let texts = values.filter_map(|it| serde_json::from_str::<String>(&it.value).ok());
        names
            .addresses
            .extend(texts.filter_map(|text| text.parse::<Email>().ok().map(|it| it.key().to_owned())));
    }
}

/// The same without addresses that somebody else has taken since: what is said under those may be the other's.
pub(crate) async fn own_names(roster: &Roster, user: &User) -> Result<Names, StoreError> {
    let mut names = all_names(roster, user).await?;
    let current = user.email.as_ref().map(Email::key);
    let former: Vec<String> =
        names.addresses.iter().filter(|it| Some(it.as_str()) != current).cloned().collect();
    for address in former {
        let home = Home::Claim(ClaimName::Email(address.clone()));
        let read = roster.store.read(&home, &[Key::Claim], &[]).await?;
        if let Some(Record::Claim(claim)) = read.records.get(&Key::Claim).map(|stored| &stored.record)
            && claim.target != ClaimTarget::User(user.id)
        {
            names.addresses.remove(&address);
        }
    }
    Ok(names)
}
