//! Receipts of acts that one commit cannot hold: written before anything is changed, holding what the act's ids are drawn
//! from with the master key, and completed with the answer at the end. An act cut off in the middle is run again with the
//! same ids.

use std::sync::Arc;

use crate::facts::{Facts, ReceiptDraft, Request, Seed};
use crate::home::{Home, Key, Record};
use crate::model::Receipt;
use crate::op::{Decision, Operation, Roster, View, preflight, run};
use crate::opening::Opening;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// The request with the seed that its receipt stands for, which is written before the request changes anything; answers
/// [`OpError::Replay`] if it was answered before.
pub async fn begin_receipt(roster: &Roster, request: &Request, home: &Home) -> Result<Request, OpError> {
    let Some(draft) = request.receipt else {
        return Ok(request.clone());
    };
    let own = Seed { bytes: request.seed.derive("receipt"), millis: request.seed.millis };
    let bare = Request { if_match: None, ..request.clone() };
    let begin = Begin { home: home.clone(), draft, kept: own };
    let (kept, is_there) = preflight(roster, &bare, &begin).await?;
    let opening = (!is_there).then(|| Arc::new(Opening::new(home.clone(), bare, own)));
    Ok(Request { seed: roster.seed(kept.bytes, kept.millis), opening, ..request.clone() })
}

/// Writes a receipt, unless it is there: what is kept of its seed then.
pub(crate) async fn write_receipt(
    roster: &Roster,
    request: &Request,
    home: &Home,
    kept: Seed,
) -> Result<Seed, OpError> {
    let Some(draft) = request.receipt else { return Ok(kept) };
    let begin = Begin { home: home.clone(), draft, kept };
    Ok(run(roster, request, &begin).await?.output.0)
}

/// Whether the very request was answered in a home before.
pub async fn was_answered(roster: &Roster, home: &Home, draft: ReceiptDraft) -> Result<bool, StoreError> {
    let key = Key::Receipt(draft.id);
    let read = roster.store.read(home, std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.get(&key).map(|stored| &stored.record) {
        Some(Record::Receipt(found)) => {
            found.is_live(read.now()) && found.digest == draft.digest && found.answer.is_some()
        }
        _ => false,
    })
}

/// Takes the receipt away again, where it has no answer: refusals are not kept, and the key may come with another body.
/// Should that fail, the receipt only bars the key.
pub async fn drop_receipt(roster: &Roster, request: &Request, home: &Home) {
    let Some(draft) = request.receipt else { return };
    if let Some(opening) = &request.opening
        && !opening.is_written().await
    {
        return;
    }
    let forget = Forget { home: home.clone(), draft };
    if let Err(error) = run(roster, &request.as_system("receipt dropped"), &forget).await {
        tracing::warn!(%error, "the receipt of a refused request stays");
    }
}

/// Completes the receipt with the sealed answer. Does nothing for a request without one.
pub async fn finish_receipt(
    roster: &Roster,
    request: &Request,
    home: &Home,
    answer: Vec<u8>,
) -> Result<(), OpError> {
    let Some(draft) = request.receipt else {
        return Ok(());
    };
    let finish = Finish { home: home.clone(), draft, answer };
    // Where nothing was changed, this is all there is to write.
    let request = Request { opening: None, ..request.step("receipt") };
    run(roster, &request, &finish).await.map(|_| ())
}

#[derive(Debug)]
struct Begin {
    home: Home,
    draft: ReceiptDraft,
    kept: Seed,
}

impl Operation for Begin {
    type State = Option<Receipt>;
    /// What is kept of the seed, and whether the receipt was there.
    type Output = (Seed, bool);

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.draft.id).await
    }

    fn decide(&self, found: Option<Receipt>, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        if let Some(receipt) = found.filter(|receipt| receipt.is_live(facts.now)) {
            let kept = Seed { bytes: receipt.seed, millis: receipt.seed_millis };
            return Ok(Decision::unchanged((kept, true)));
        }
        let receipt = receipt(self.draft, self.kept, facts);
        Ok(Decision::unchanged((self.kept, false)).put(Record::Receipt(receipt)))
    }
}

fn receipt(draft: ReceiptDraft, kept: Seed, facts: &Facts) -> Receipt {
    Receipt {
        id: draft.id,
        digest: draft.digest,
        seed: kept.bytes,
        seed_millis: kept.millis,
        answer: None,
        created_at: facts.now,
    }
}

#[derive(Debug)]
struct Forget {
    home: Home,
    draft: ReceiptDraft,
}

impl Operation for Forget {
    type State = Option<Receipt>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.draft.id).await
    }

    fn decide(&self, found: Option<Receipt>, _: &Facts) -> Result<Decision<()>, Refusal> {
        let open = found.filter(|receipt| receipt.answer.is_none() && receipt.digest == self.draft.digest);
        let nothing = Decision::unchanged(());
        Ok(if open.is_some() { nothing.remove(Key::Receipt(self.draft.id)) } else { nothing })
    }
}

#[derive(Debug)]
struct Finish {
    home: Home,
    draft: ReceiptDraft,
    answer: Vec<u8>,
}

impl Operation for Finish {
    type State = Option<Receipt>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.draft.id).await
    }

    fn decide(&self, found: Option<Receipt>, facts: &Facts) -> Result<Decision<()>, Refusal> {
        // One who was refused at the same time may have taken it away.
        let found = found.filter(|found| found.is_live(facts.now));
        let receipt = found.unwrap_or_else(|| receipt(self.draft, Seed { bytes: [0; 32], millis: 0 }, facts));
        if receipt.answer.is_some() || receipt.digest != self.draft.digest {
            return Ok(Decision::unchanged(()));
        }
        let receipt = Receipt { answer: Some(self.answer.clone()), ..receipt };
        Ok(Decision::unchanged(()).put(Record::Receipt(receipt)))
    }
}
