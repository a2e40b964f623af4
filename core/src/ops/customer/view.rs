//! Saved views (rule T6). Operators only.

use serde_json::json;

use super::require_operator;
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::ViewId;
use crate::model::customer::{ReportKind, TheView, View as SavedView};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;

/// Saves a question, whose filter, columns and order were read already.
#[derive(Debug)]
pub struct CreateView {
    /// What people call it.
    pub name: Name,
    /// What it has a row for.
    pub kind: ReportKind,
    /// Its filter, as JSON text.
    pub filter: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its order.
    pub sort: Vec<String>,
}

impl Operation for CreateView {
    type State = ();
    type Output = SavedView;

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<(), StoreError> {
        view.fetch([]).await
    }

    fn decide(&self, (): (), facts: &Facts) -> Result<Decision<SavedView>, Refusal> {
        require_operator(facts)?;
        let view = SavedView {
            id: ViewId::from_uuid(facts.fresh("view")),
            name: self.name.clone(),
            kind: self.kind,
            filter: self.filter.clone(),
            columns: self.columns.clone(),
            sort: self.sort.clone(),
            created_at: facts.now,
        };
        let event = Event::new("view.created", "view", view.id).after(fields(&view));
        Ok(Decision::unchanged(view.clone()).put(view.into()).event(event))
    }
}

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ViewPatch {
    /// What people call it.
    pub name: Option<Name>,
    /// Its filter.
    pub filter: Option<Option<String>>,
    /// Its columns.
    pub columns: Option<Vec<String>>,
    /// Its order.
    pub sort: Option<Vec<String>>,
}

/// Changes a view; what it has a row for stays.
#[derive(Debug)]
pub struct UpdateView {
    /// Which.
    pub view: ViewId,
    /// What.
    pub patch: ViewPatch,
}

impl Operation for UpdateView {
    type State = Option<SavedView>;
    type Output = SavedView;

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheView(self.view).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheView(self.view)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<SavedView>, Refusal> {
        let before = found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let ViewPatch { name, filter, columns, sort } = self.patch.clone();
        let after = SavedView {
            name: name.unwrap_or_else(|| before.name.clone()),
            filter: filter.unwrap_or_else(|| before.filter.clone()),
            columns: columns.unwrap_or_else(|| before.columns.clone()),
            sort: sort.unwrap_or_else(|| before.sort.clone()),
            ..before.clone()
        };
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event =
            Event::new("view.updated", "view", after.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}

/// Deletes a view; for indicators on it, what was in it has left it.
#[derive(Debug)]
pub struct DeleteView {
    /// Which.
    pub view: ViewId,
}

impl Operation for DeleteView {
    type State = Option<SavedView>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheView(self.view).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheView(self.view)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let view = found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let event = Event::new("view.deleted", "view", view.id).before(fields(&view));
        Ok(Decision::unchanged(()).remove(TheView(self.view).key()).event(event))
    }
}

fn fields(view: &SavedView) -> serde_json::Value {
    json!({"name": view.name, "kind": view.kind, "filter": view.filter, "sort": view.sort})
}
