//! Taking a request in: stored in the inbox before it is answered.

use crate::actor::Actor;
use crate::facts::{Request, Seed};
use crate::home::{Home, Record, TypedKey};
use crate::model::customer::{Customer, Inbox, Source, TheSource};
use crate::op::{Roster, run};
use crate::ops::stream::StoreInbox;
use crate::refusal::{OpError, Refusal};
use crate::secret::{Token, TokenKind};
use crate::time::Timestamp;

/// The source whose write key this is.
pub async fn authenticate_source(roster: &Roster, secret: &str) -> Result<Source, OpError> {
    let token = Token::parse(secret).map_err(|_| Refusal::Unauthenticated)?;
    let TokenKind::Write(id) = token.kind() else { return Err(Refusal::Unauthenticated.into()) };
    match find_source(roster, id).await? {
        Some(source) if token.fits(&source.secret_hash) => Ok(source),
        _ => Err(Refusal::Unauthenticated.into()),
    }
}

pub(super) async fn find_source(
    roster: &Roster,
    id: crate::id::SourceId,
) -> Result<Option<Source>, crate::store::StoreError> {
    let key = TheSource(id).key();
    let mut read = roster.store.read(&Home::Deployment, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.remove(&key).and_then(|stored| match stored.record {
        Record::Customer(it) => match *it {
            Customer::Source(source) => Some(source),
            _ => None,
        },
        _ => None,
    }))
}

/// Stores messages, each with its kind where the path named it, in one commit. They are taken in once this answers.
pub async fn receive(
    roster: &Roster,
    source: &Source,
    messages: Vec<(Option<String>, String)>,
    sent_at: Option<String>,
) -> Result<(), OpError> {
    if messages.is_empty() {
        return Ok(());
    }
    store(roster, source, messages, sent_at, None, Seed::draw(roster.entropy.as_ref())).await
}

/// `came` says when messages came that were taken in before and are applied all the same. What is stored twice under one
/// seed counts once.
pub(super) async fn store(
    roster: &Roster,
    source: &Source,
    messages: Vec<(Option<String>, String)>,
    sent_at: Option<String>,
    came: Option<Timestamp>,
    seed: Seed,
) -> Result<(), OpError> {
    let request = Request::new(Actor::Source { source: source.id }, roster.entropy.as_ref());
    let id = seed.uuid("inbox");
    let Seed { bytes: seed, millis: seed_millis } = seed;
    let (again, received_at) = (came.is_some(), came.unwrap_or(Timestamp::EPOCH));
    let inbox = Inbox { id, seed, seed_millis, again, received_at, sent_at, messages };
    run(roster, &request, &StoreInbox { source: source.id, inbox }).await.map(|_| ())
}
