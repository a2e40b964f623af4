//! Seats held for a batch of invitations that takes more than one commit (rule I8): the first takes them all, each spends
//! what it needs, and from an instant on they are held no more, whatever has become of whoever sent the batch.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::{Note, NoteKey, SeatHold};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::{Read, StoreError};

/// How long seats are held for what is still to be done of a batch, in seconds from each of its commits.
const HELD_SECONDS: i64 = 60;

/// What a batch holds once a commit of it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Which batch.
    pub batch: Uuid,
    /// How many seats, for its rows to come.
    pub seats: i64,
}

/// What an organization's home says of seats that are held for batches, if that was read.
pub(crate) fn holds(read: &Read) -> &[SeatHold] {
    match read.records.get(&Key::Note(NoteKey::SeatHolds)).map(|stored| &stored.record) {
        Some(Record::Note(Note::SeatHolds { holds })) => holds,
        Some(_) | None => &[],
    }
}

/// Seats that the tally counts and that are held no more, since the time of their batch is over.
pub(crate) fn seats_over(read: &Read) -> i64 {
    holds(read).iter().filter(|hold| !hold.is_live(read.now())).map(|hold| hold.seats).sum()
}

pub(super) async fn load(view: &mut View<'_>) -> Result<Vec<SeatHold>, StoreError> {
    Ok(match view.get(&NoteKey::SeatHolds).await? {
        Some(Note::SeatHolds { holds }) => holds,
        Some(_) | None => Vec::new(),
    })
}

/// Writes down what a batch holds from now on; what is over goes.
pub(super) fn held<T>(
    mut decision: Decision<T>,
    before: &[SeatHold],
    hold: Hold,
    facts: &Facts,
) -> Decision<T> {
    let now = facts.now;
    let mut holds: Vec<SeatHold> =
        before.iter().filter(|it| it.is_live(now) && it.batch != hold.batch).copied().collect();
    if hold.seats > 0 {
        let until = now.plus_seconds(HELD_SECONDS);
        holds.push(SeatHold { batch: hold.batch, seats: hold.seats, until });
    }
    if holds == before {
        return decision;
    }
    if holds.is_empty() {
        decision.removes.push(Key::Note(NoteKey::SeatHolds));
    } else {
        decision.puts.push(Record::Note(Note::SeatHolds { holds }));
    }
    decision
}

/// Lets go of seats: of batches that are over by time, and of one that ended early. Whether there were any.
#[derive(Debug)]
pub struct FreeSeats {
    /// Where.
    pub organization: OrganizationId,
    /// The one that ended early.
    pub batch: Option<Uuid>,
}

impl Operation for FreeSeats {
    type State = Vec<SeatHold>;
    type Output = bool;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        load(view).await
    }

    fn decide(&self, before: Self::State, facts: &Facts) -> Result<Decision<bool>, Refusal> {
        let none = Hold { batch: self.batch.unwrap_or_default(), seats: 0 };
        let decision = held(Decision::unchanged(true), &before, none, facts);
        Ok(if decision.is_empty() { Decision::unchanged(false) } else { decision })
    }
}
