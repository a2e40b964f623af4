//! Sending what waits, under a lease: one sender at a time, and each letter until it is sent or given up.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMail};
use crate::id::MailId;
use crate::model::{Lease, Letter, Mail};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How long a sender may be silent, in seconds: longer than handing over one letter takes.
pub const LEASE_SECONDS: i64 = 120;
/// How often a letter is tried.
pub const TRIES: u32 = 12;
/// How often one is tried that was refused for good: a server may have been wrong about that.
pub const TRIES_REFUSED: u32 = 3;
/// The longest wait between two tries, in seconds.
const LONGEST_WAIT: i64 = 3_600;

/// Takes letters to send them.
#[derive(Debug)]
pub struct TakeMail {
    /// The home that holds them.
    pub home: Home,
    /// Which.
    pub id: MailId,
    /// The sender, by a number drawn for this taking.
    pub holder: Uuid,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TakenMail {
    /// They are the sender's.
    Mine(Mail),
    /// Not to be taken before this instant.
    NotNow(Timestamp),
    /// Nothing is there.
    Missing,
}

impl Operation for TakeMail {
    type State = Option<Mail>;
    type Output = TakenMail;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheMail(self.id)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<TakenMail>, Refusal> {
        let Some((mut mail, due)) = found.and_then(|mail| mail.due().map(|due| (mail, due))) else {
            return Ok(Decision::unchanged(TakenMail::Missing));
        };
        let until = mail.lease.map_or(due, |lease| due.max(lease.until));
        if until > facts.now {
            return Ok(Decision::unchanged(TakenMail::NotNow(until)));
        }
        mail.lease = Some(lease(self.holder, facts));
        Ok(Decision::unchanged(TakenMail::Mine(mail.clone())).put(Record::Mail(mail)))
    }
}

/// What became of a letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Handed over.
    Sent,
    /// Overtaken: it says what is true no more.
    Overtaken,
    /// Not taken; whether another try would end alike.
    Refused {
        /// It would.
        for_good: bool,
    },
}

/// Writes down what became of a letter. The letters that are left; nothing for a sender that has lost them.
#[derive(Debug)]
pub struct NoteFate {
    /// The home that holds them.
    pub home: Home,
    /// Which.
    pub id: MailId,
    /// The sender.
    pub holder: Uuid,
    /// Which letter.
    pub letter: Letter,
    /// What became of it.
    pub fate: Fate,
}

/// What is left after a letter's fate was noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The letters, under the sender's lease.
    pub mail: Mail,
    /// Whether this one was given up.
    pub given_up: bool,
}

impl Operation for NoteFate {
    type State = Option<Mail>;
    type Output = Option<Left>;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheMail(self.id)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Option<Left>>, Refusal> {
        let held = |mail: &Mail| mail.lease.is_some_and(|lease| lease.holder == self.holder);
        let Some(mut mail) = found.filter(held) else { return Ok(Decision::unchanged(None)) };
        let place = mail.letters.iter().position(|waiting| waiting.letter == self.letter);
        let Some(place) = place else { return Ok(Decision::unchanged(None)) };
        let mut given_up = false;
        match self.fate {
            Fate::Sent | Fate::Overtaken => drop(mail.letters.remove(place)),
            Fate::Refused { for_good } => {
                let waiting = &mut mail.letters[place];
                waiting.attempts += 1;
                waiting.not_before = facts.now.plus_seconds(pause(waiting.attempts));
                given_up = waiting.attempts >= if for_good { TRIES_REFUSED } else { TRIES };
                if given_up {
                    mail.letters.remove(place);
                }
            }
        }
        mail.lease = Some(lease(self.holder, facts));
        let left = Decision::unchanged(Some(Left { mail: mail.clone(), given_up }));
        Ok(if mail.letters.is_empty() {
            left.remove(Key::Mail(self.id))
        } else {
            left.put(Record::Mail(mail))
        })
    }
}

/// Gives letters back that are left.
#[derive(Debug)]
pub struct ReleaseMail {
    /// The home that holds them.
    pub home: Home,
    /// Which.
    pub id: MailId,
    /// The sender.
    pub holder: Uuid,
}

impl Operation for ReleaseMail {
    type State = Option<Mail>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheMail(self.id)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let held = |mail: &Mail| mail.lease.is_some_and(|lease| lease.holder == self.holder);
        Ok(match found.filter(held) {
            Some(mail) => Decision::unchanged(()).put(Record::Mail(Mail { lease: None, ..mail })),
            None => Decision::unchanged(()),
        })
    }
}

fn lease(holder: Uuid, facts: &Facts) -> Lease {
    Lease { holder, until: facts.now.plus_seconds(LEASE_SECONDS) }
}

/// 2 s after the first failure, four times as long after each further one, an hour at the most.
fn pause(attempts: u32) -> i64 {
    2_i64.saturating_mul(4_i64.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_lie_further_and_further_apart() {
        assert_eq!([1, 2, 3, 6, 7, 60].map(pause), [2, 8, 32, 2_048, 3_600, 3_600]);
        let hours = (1..TRIES).map(pause).sum::<i64>() / 3_600;
        assert_eq!(hours, 5, "a server that is down for hours loses nothing");
    }
}
