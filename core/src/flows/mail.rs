//! Before a commit that causes mail: the pointer that leads whoever sends it there.

use crate::facts::Request;
use crate::home::Home;
use crate::id::MailId;
use crate::model::{MailPointer, Sought};
use crate::op::{Roster, run};
use crate::ops::mail::{Posting, PutMailPointer};
use crate::ops::pointer::NOT_AFTER;
use crate::refusal::OpError;

/// Notes where letters are about to be; nothing where mail is not set up. A request that is sent again names the same.
pub(crate) async fn announce_mail(
    roster: &Roster,
    request: &Request,
    home: &Home,
) -> Result<Option<Posting>, OpError> {
    if !roster.post.is_set_up() {
        return Ok(None);
    }
    let id = mail_id(request);
    let clock = roster.store.read(home, &[], &[]).await?.clock;
    let pointer = MailPointer { id, to: Sought::Letters(home.clone()) };
    run(roster, &request.as_system("mail pointer"), &PutMailPointer { pointer }).await?;
    Ok(Some(Posting { id, not_after: clock.plus_seconds(NOT_AFTER) }))
}

/// The id of the letters that a request causes.
pub(super) fn mail_id(request: &Request) -> MailId {
    MailId::from_uuid(request.seed.uuid("mail"))
}
