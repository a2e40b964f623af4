//! Noting that the link of an invitation was shown to somebody else than whoever it was sent to.

use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::{InvitationId, OrganizationId};
use crate::model::{Note, NoteKey};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Notes it, before the link is shown. Links before this one are dead.
#[derive(Debug)]
pub(crate) struct NoteShownLink {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub invitation: InvitationId,
    /// The number of the link.
    pub link: u32,
}

impl Operation for NoteShownLink {
    type State = Option<Note>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&NoteKey::ShownLink(self.invitation)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let note = Note::ShownLink { invitation: self.invitation, link: self.link };
        let nothing = Decision::unchanged(());
        Ok(if found.as_ref() == Some(&note) { nothing } else { nothing.put(Record::Note(note)) })
    }
}
