//! Seats held for a batch of invitations that takes more than one commit (rule I8): one commit takes them all, each that
//! follows spends what it needs, and from an instant on they are held no more, whatever has become of whoever sent the batch.

use uuid::Uuid;

use super::create::CreateInvitations;
use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::{Note, NoteKey};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// How long seats are held for what is still to be done of a batch, in seconds from each of its commits.
const HELD_SECONDS: i64 = 60;

/// Takes the seats that a whole batch needs, in place of those that it holds already; none if there are too few. How many.
#[derive(Debug)]
pub struct HoldSeats {
    /// Which batch.
    pub batch: Uuid,
    /// All of it, however much, as one that spends what the batch holds.
    pub whole: CreateInvitations,
}

impl Operation for HoldSeats {
    type State = <CreateInvitations as Operation>::State;
    type Output = i64;

    fn home(&self) -> Home {
        self.whole.home()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        self.whole.load(view).await
    }

    fn decide(&self, state: Self::State, facts: &Facts) -> Result<Decision<i64>, Refusal> {
        let (_, _, held) = &state;
        let none = held.is_none();
        let needed = seats(&self.whole.decide(state, facts)?);
        if none && needed == 0 {
            return Ok(Decision::unchanged(0));
        }
        Ok(holding(Decision::unchanged(needed), self.batch, needed, facts))
    }
}

/// How many seats invitations hold that come about.
fn seats<T>(decision: &Decision<T>) -> i64 {
    let made = decision.puts.iter().filter_map(|record| match record {
        Record::Invitation(it) => Some(it.seats()),
        _ => None,
    });
    made.sum()
}

/// The same decision, which takes what it needs from what its batch holds, as far as that goes.
pub(super) fn spent<T>(decision: Decision<T>, held: Option<&Note>, facts: &Facts) -> Decision<T> {
    let Some(Note::SeatHold { batch, seats: held, .. }) = held else { return decision };
    let left = held - seats(&decision);
    holding(decision, *batch, left, facts)
}

fn holding<T>(decision: Decision<T>, batch: Uuid, seats: i64, facts: &Facts) -> Decision<T> {
    if seats <= 0 {
        return decision.remove(Key::Note(NoteKey::SeatHold(batch)));
    }
    let until = facts.now.plus_seconds(HELD_SECONDS);
    decision.put(Record::Note(Note::SeatHold { batch, seats, until }))
}

/// Lets go of what a batch holds, if it holds anything.
#[derive(Debug)]
pub struct FreeSeats {
    /// Where.
    pub organization: OrganizationId,
    /// Which batch.
    pub batch: Uuid,
}

impl Operation for FreeSeats {
    type State = Option<Note>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&NoteKey::SeatHold(self.batch)).await
    }

    fn decide(&self, held: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(if held.is_some() { nothing.remove(Key::Note(NoteKey::SeatHold(self.batch))) } else { nothing })
    }
}
