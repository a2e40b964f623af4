//! What sources have sent about the person and is not applied: it waits, or could not be.

use serde_json::json;

use super::{Cut, Exporting, Message, PAGE, Range, Section};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{DeadLetterId, SourceId};
use crate::ingest::Meant;
use crate::model::customer::{Customer, CustomerKey, TheEarly};

/// How many inboxes are read at a time: each holds what one request brought.
const INBOXES: u16 = 4;
/// How many dead letters are read at a time.
const DEAD_LETTERS: u16 = 20;

impl Exporting<'_> {
    /// Every source's, of those that were deleted too.
    pub(super) async fn messages(&self) -> Result<(), Cut> {
        self.rows(Section::Messages(Vec::new())).await?;
        let mut after = Home::Stream(SourceId::from_uuid(uuid::Uuid::nil()), 0);
        loop {
            let homes = self.roster.store.homes(Some(&after), PAGE).await?;
            let Some(last) = homes.last().cloned() else { return Ok(()) };
            after = last;
            for home in homes {
                match home {
                    Home::Stream(source, 0) => self.waiting(source).await?,
                    Home::Stream(source, 1) => {
                        self.early(source).await?;
                        self.dead(source).await?;
                    }
                    Home::Stream(..) => {}
                    _ => return Ok(()),
                }
            }
        }
    }

    async fn waiting(&self, source: SourceId) -> Result<(), Cut> {
        let first = Key::Customer(CustomerKey::Inbox(uuid::Uuid::nil()));
        let of =
            |record: &Record| matches!(record, Record::Customer(it) if matches!(**it, Customer::Inbox(_)));
        let meant = Meant::by(self.roster, source, self.user.id).await?;
        let mut range = Range::behind(Home::Stream(source, 0), first, of).at_once(INBOXES);
        while let Some(found) = range.next(self.roster).await? {
            for record in found {
                let Record::Customer(it) = record else { continue };
                let Customer::Inbox(inbox) = *it else { continue };
                let mut messages = Vec::new();
                for (_, payload) in inbox.messages {
                    if self.names.are_named_in(&payload)
                        || meant.are_spoken_of_in(self.roster, &payload).await?
                    {
                        let received_at = inbox.received_at;
                        messages.push(Message { source, received_at, reason: None, payload });
                    }
                }
                self.told(messages).await?;
            }
        }
        Ok(())
    }

    /// What waits for an organization; of the messages only that is left.
    async fn early(&self, source: SourceId) -> Result<(), Cut> {
        let key = TheEarly(self.user.id).key();
        let read = self.roster.store.read(&Home::Stream(source, 1), std::slice::from_ref(&key), &[]).await?;
        let found = read.records.into_values().find_map(|stored| TheEarly::pick(stored.record));
        let mut messages = Vec::new();
        for part in found.into_iter().flat_map(|early| early.parts) {
            for sign in part.signs {
                let payload = json!({"event": sign.event, "timestamp": sign.at.to_string()}).to_string();
                messages.push(Message { source, received_at: part.came_at, reason: None, payload });
            }
        }
        self.told(messages).await
    }

    async fn dead(&self, source: SourceId) -> Result<(), Cut> {
        let first = Key::Customer(CustomerKey::DeadLetter(DeadLetterId::from_uuid(uuid::Uuid::nil())));
        let meant = Meant::by(self.roster, source, self.user.id).await?;
        let mut range = Range::behind(Home::Stream(source, 1), first, |_| true).at_once(DEAD_LETTERS);
        while let Some(found) = range.next(self.roster).await? {
            let mut messages = Vec::new();
            for record in found {
                let Record::Customer(it) = record else { continue };
                let Customer::DeadLetter(it) = *it else { continue };
                if self.names.are_named_in(&it.payload)
                    || meant.are_spoken_of_in(self.roster, &it.payload).await?
                {
                    let (received_at, reason, payload) = (it.received_at, Some(it.reason), it.payload);
                    messages.push(Message { source, received_at, reason, payload });
                }
            }
            self.told(messages).await?;
        }
        Ok(())
    }

    async fn told(&self, messages: Vec<Message>) -> Result<(), Cut> {
        if messages.is_empty() { Ok(()) } else { self.rows(Section::Messages(messages)).await }
    }
}
