//! Receipts of acts that one commit cannot hold: written first, holding the seed that the act's ids are drawn from,
//! and completed with the answer at the end. An act cut off in the middle is run again with the same ids.

use crate::facts::{Facts, ReceiptDraft, Request, Seed};
use crate::home::{Home, Record};
use crate::model::Receipt;
use crate::op::{Decision, Operation, Roster, View, run};
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// The request with the seed that its receipt holds; answers [`OpError::Replay`] if it was answered before.
pub async fn begin_receipt(roster: &Roster, request: &Request, home: &Home) -> Result<Request, OpError> {
    let Some(draft) = request.receipt else {
        return Ok(request.clone());
    };
    let begin = Begin { home: home.clone(), draft, seed: request.seed };
    let seed = run(roster, &Request { if_match: None, ..request.clone() }, &begin).await?.output;
    Ok(Request { seed, ..request.clone() })
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
    run(roster, &request.step("receipt"), &finish).await.map(|_| ())
}

#[derive(Debug)]
struct Begin {
    home: Home,
    draft: ReceiptDraft,
    seed: Seed,
}

impl Operation for Begin {
    type State = Option<Receipt>;
    type Output = Seed;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.draft.id).await
    }

    fn decide(&self, found: Option<Receipt>, facts: &Facts) -> Result<Decision<Seed>, Refusal> {
        if let Some(receipt) = found.filter(|receipt| receipt.is_live(facts.now)) {
            return Ok(Decision::unchanged(Seed { bytes: receipt.seed, millis: receipt.seed_millis }));
        }
        let receipt = Receipt {
            id: self.draft.id,
            digest: self.draft.digest,
            seed: self.seed.bytes,
            seed_millis: self.seed.millis,
            answer: None,
            created_at: facts.now,
        };
        Ok(Decision::unchanged(self.seed).put(Record::Receipt(receipt)))
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

    fn decide(&self, found: Option<Receipt>, _: &Facts) -> Result<Decision<()>, Refusal> {
        let open = found.filter(|receipt| receipt.answer.is_none() && receipt.digest == self.draft.digest);
        Ok(match open {
            Some(receipt) => {
                let receipt = Receipt { answer: Some(self.answer.clone()), ..receipt };
                Decision::unchanged(()).put(Record::Receipt(receipt))
            }
            None => Decision::unchanged(()),
        })
    }
}
