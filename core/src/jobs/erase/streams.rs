//! What sources have sent about the person: what waits to be applied, and what could not be.

use serde_json::Value;

use super::super::Interrupted;
use super::{Erasing, PAGE};
use crate::home::{Home, Key, Record};
use crate::id::{DeadLetterId, SourceId};
use crate::model::Names;
use crate::model::customer::{Customer, CustomerKey};
use crate::op::run;
use crate::ops::stream::{ForgetInInbox, RemoveDeadLetters};

impl Erasing<'_> {
    /// Every source's, of those that were deleted too.
    pub(super) async fn streams(&mut self) -> Result<(), Interrupted> {
        let mut after = Home::Stream(SourceId::from_uuid(uuid::Uuid::nil()), 0);
        loop {
            let homes = self.held.roster.store.homes(Some(&after), PAGE).await?;
            let Some(last) = homes.last().cloned() else { return Ok(()) };
            after = last;
            for home in homes {
                match home {
                    Home::Stream(source, 0) => self.inbox(source).await?,
                    Home::Stream(source, 1) => self.letters(source).await?,
                    Home::Stream(..) => {}
                    _ => return Ok(()),
                }
                self.go_on().await?;
            }
        }
    }

    async fn inbox(&mut self, source: SourceId) -> Result<(), Interrupted> {
        let home = Home::Stream(source, 0);
        let mut after = Key::Customer(CustomerKey::Inbox(uuid::Uuid::nil()));
        loop {
            let found = self.held.roster.store.records(&home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            for stored in found {
                let Record::Customer(it) = stored.record else { return Ok(()) };
                let Customer::Inbox(inbox) = *it else { return Ok(()) };
                let theirs =
                    inbox.messages.iter().enumerate().filter(|(_, (_, it))| speaks_of(it, &self.names));
                let messages: Vec<usize> = theirs.map(|(n, _)| n).collect();
                if !messages.is_empty() {
                    let operation = ForgetInInbox { source, id: inbox.id, messages };
                    run(&self.held.roster, &self.request.as_system("inbox"), &operation).await?;
                }
            }
            self.go_on().await?;
        }
    }

    async fn letters(&mut self, source: SourceId) -> Result<(), Interrupted> {
        let home = Home::Stream(source, 1);
        let mut after = Key::Customer(CustomerKey::DeadLetter(DeadLetterId::from_uuid(uuid::Uuid::nil())));
        loop {
            let found = self.held.roster.store.records(&home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            let mut letters = Vec::new();
            for stored in found {
                let Record::Customer(it) = stored.record else { continue };
                match *it {
                    Customer::DeadLetter(it) if speaks_of(&it.payload, &self.names) => letters.push(it.id),
                    _ => {}
                }
            }
            if !letters.is_empty() {
                let operation = RemoveDeadLetters { source, letters };
                run(&self.held.roster, &self.request.as_system("letters"), &operation).await?;
            }
            self.go_on().await?;
        }
    }
}

/// Whether a message is about the person, by id or by address; one that cannot be read, whether it could be.
fn speaks_of(message: &str, names: &Names) -> bool {
    let Ok(message) = serde_json::from_str::<Value>(message) else { return names.stand_in(message) };
    let is = |value: Option<&Value>| match value {
        Some(Value::String(text)) => names.are(text),
        Some(number @ Value::Number(_)) => names.are(&number.to_string()),
        _ => false,
    };
    let traits = [message.get("traits"), message.pointer("/context/traits")];
    ["userId", "previousId", "anonymousId"].iter().any(|name| is(message.get(*name)))
        || traits.iter().any(|traits| is(traits.and_then(|traits| traits.get("email"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_a_message_is_theirs_by_id_or_address() {
        let names = Names {
            external_id: Some("7".parse().unwrap()),
            addresses: ["al@example.com".to_owned()].into(),
        };
        for theirs in [
            r#"{"userId": "7"}"#,
            r#"{"userId": 7}"#,
            r#"{"type": "alias", "userId": "8", "previousId": "7"}"#,
            r#"{"userId": "8", "traits": {"email": "AL@example.com"}}"#,
            r#"{"userId": "8", "context": {"traits": {"email": "al@example.com"}}}"#,
            r#"{"userId": "x", "traits": {"email": "al@example.com""#,
        ] {
            assert!(speaks_of(theirs, &names), "{theirs}");
        }
        for other in [
            r#"{"userId": "77", "traits": {"email": "val@example.com", "seven": 7}}"#,
            "{}",
            "null",
            r#""7""#,
        ] {
            assert!(!speaks_of(other, &names), "{other}");
        }
    }
}
