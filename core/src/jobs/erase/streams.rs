//! What sources have sent about the person: what waits to be applied, and what could not be.

use super::super::Interrupted;
use super::{Erasing, PAGE};
use crate::home::{Home, Key, Record};
use crate::id::{DeadLetterId, SourceId};
use crate::ingest::Meant;
use crate::model::customer::{Customer, CustomerKey};
use crate::op::run;
use crate::ops::stream::{ForgetEarly, ForgetInInbox, RemoveDeadLetters, RewordDeadLetters};

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
                    Home::Stream(source, 1) => {
                        let early = ForgetEarly { source, users: vec![self.user], all: true };
                        run(&self.held.roster, &self.request.as_system("early"), &early).await?;
                        self.letters(source).await?;
                    }
                    Home::Stream(..) => {}
                    _ => return Ok(()),
                }
                self.go_on().await?;
            }
        }
    }

    async fn inbox(&mut self, source: SourceId) -> Result<(), Interrupted> {
        let home = Home::Stream(source, 0);
        let meant = Meant::by(&self.held.roster, source, self.user).await?;
        let mut after = Key::Customer(CustomerKey::Inbox(uuid::Uuid::nil()));
        loop {
            let found = self.held.roster.store.records(&home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            for stored in found {
                let Record::Customer(it) = stored.record else { return Ok(()) };
                let Customer::Inbox(inbox) = *it else { return Ok(()) };
                let mut messages = Vec::new();
                for (n, (_, it)) in inbox.messages.iter().enumerate() {
                    if self.names.are_spoken_of_in(it)
                        || meant.are_spoken_of_in(&self.held.roster, it).await?
                    {
                        messages.push(n);
                    }
                }
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
        let meant = Meant::by(&self.held.roster, source, self.user).await?;
        let mut after = Key::Customer(CustomerKey::DeadLetter(DeadLetterId::from_uuid(uuid::Uuid::nil())));
        loop {
            let found = self.held.roster.store.records(&home, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            let (mut letters, mut others) = (Vec::new(), Vec::new());
            for stored in found {
                let Record::Customer(it) = stored.record else { continue };
                let Customer::DeadLetter(it) = *it else { continue };
                if meant.are_spoken_of_in(&self.held.roster, &it.payload).await? {
                    letters.push(it.id);
                } else if self.names.stand_in(&it.payload) {
                    others.push(it.id);
                }
            }
            if !others.is_empty() {
                let operation = RewordDeadLetters { source, letters: others, names: self.names.clone() };
                run(&self.held.roster, &self.request.as_system("others' letters"), &operation).await?;
            }
            if !letters.is_empty() {
                let operation = RemoveDeadLetters { source, letters };
                run(&self.held.roster, &self.request.as_system("letters"), &operation).await?;
            }
            self.go_on().await?;
        }
    }
}
