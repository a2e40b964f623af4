//! Saved views (rule T6). Operators only.

use serde_json::{Map, Value, json};

use super::require_operator;
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::ViewId;
use crate::model::Names;
use crate::model::customer::{ReportKind, TheView, View as SavedView};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::report::{columns_of, order_of};
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
        check(self.kind, &self.columns, &self.sort)?;
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

/// Whether there are such columns and such an order.
fn check(kind: ReportKind, columns: &[String], sort: &[String]) -> Result<(), Refusal> {
    columns_of(kind, columns)
        .map(drop)
        .and_then(|()| order_of(kind, sort).map(drop))
        .map_err(|wrong| Refusal::Invalid(vec![wrong]))
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
        check(after.kind, &after.columns, &after.sort)?;
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let mut now = fields(&after);
        if after.filter != before.filter {
            now["filter_changed"] = true.into();
        }
        let event = Event::new("view.updated", "view", after.id).before(fields(&before)).after(now);
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

/// Takes what names an erased person out of the filter of a view (rule L5): what was compared with them is compared with
/// an empty text. All text holds that and comes after it, so such a test asks for the same instead, and finds nobody.
#[derive(Debug)]
pub struct ForgetInView {
    /// Which.
    pub view: ViewId,
    /// What names them.
    pub names: Names,
}

impl ForgetInView {
    /// A filter without them, as JSON text; nothing where it does not name them.
    pub fn without(&self, filter: Option<&str>) -> Option<String> {
        let mut filter: Value = serde_json::from_str(filter?).ok()?;
        let mut found = false;
        each_test(&mut filter, &mut |test| {
            let field = test.get("field").and_then(Value::as_str).unwrap_or_default().to_owned();
            let mut here = false;
            each_value(test, &mut |operand| {
                if self.is_theirs(&field, operand) {
                    *operand = "".into();
                    here = true;
                }
            });
            if here && !matches!(test.get("op").and_then(Value::as_str), Some("eq" | "ne" | "in")) {
                test.insert("op".to_owned(), "eq".into());
            }
            found |= here;
        });
        found.then(|| filter.to_string())
    }

    /// Whether a value that a column is compared with names them: by an address anywhere, by the vendor's id where people
    /// stand; a number is one only where nothing else stands.
    fn is_theirs(&self, field: &str, value: &Value) -> bool {
        let people = ["owner.external_id", "owner.email", "governor.email"].contains(&field)
            || field.starts_with("traits.")
            || field.starts_with("organization.traits.");
        match value {
            Value::String(text) if people => self.names.are(text),
            Value::String(text) => self.names.are_address(text),
            Value::Number(number) => field == "owner.external_id" && self.names.are(&number.to_string()),
            _ => false,
        }
    }
}

impl Operation for ForgetInView {
    type State = Option<SavedView>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheView(self.view)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let Some(view) = found else { return Ok(nothing) };
        Ok(match self.without(view.filter.as_deref()) {
            Some(filter) => nothing.put(SavedView { filter: Some(filter), ..view }.into()),
            None => nothing,
        })
    }
}

/// What is said of a view. Of its filter, what it tests and not against what: that may be somebody's address.
fn fields(view: &SavedView) -> Value {
    let filter = view.filter.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let filter = filter.map(|mut filter| {
        each_test(&mut filter, &mut |test| each_value(test, &mut |operand| *operand = Value::Null));
        filter
    });
    json!({"name": view.name, "kind": view.kind, "filter": filter, "columns": view.columns, "sort": view.sort})
}

/// Every test of a filter. It was read before: it is nested as deep as may be.
fn each_test(filter: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(fields) = filter else { return };
    if fields.contains_key("field") {
        return act(fields);
    }
    for (_, part) in fields {
        match part {
            Value::Array(all) => all.iter_mut().for_each(|one| each_test(one, act)),
            one => each_test(one, act),
        }
    }
}

/// Every value that a test compares with, those of a list each.
fn each_value(test: &mut Map<String, Value>, act: &mut impl FnMut(&mut Value)) {
    match test.get_mut("value") {
        Some(Value::Array(values)) => values.iter_mut().for_each(act),
        Some(value) => act(value),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_only_what_names_the_person_leaves_a_filter() {
        let test = |value: Value| json!({"field": "owner.email", "op": "eq", "value": value});
        let filter = |one: Value, other: Value| {
            let some = json!({"field": "traits.csm", "op": "in", "value": ["anna", other]});
            json!({"and": [{"not": test(one)}, {"or": [some, {"field": "name", "op": "exists"}]}]})
        };
        let names = Names {
            external_id: Some("zoe".parse().unwrap()),
            addresses: ["zoe@example.com".to_owned()].into(),
        };
        let forget = ForgetInView { view: ViewId::from_uuid(uuid::Uuid::nil()), names };
        let of = |filter: Value| forget.without(Some(&filter.to_string())).map(|text| text.parse().unwrap());
        let theirs = filter(json!("ZOE@example.com"), json!("zoe"));
        assert_eq!(of(theirs), Some(filter(json!(""), json!(""))));
        assert_eq!(of(filter(json!("max@example.com"), json!("zoe2"))), None::<Value>);
        assert_eq!(forget.without(None), None);
        for op in ["contains", "starts_with", "gte", "gt"] {
            let told = json!({"field": "owner.email", "op": op, "value": "zoe@example.com"});
            assert_eq!(of(told), Some(test(json!(""))), "{op}: it must not come to hold for everybody");
        }
        let names = Names { external_id: Some("7".parse().unwrap()), ..forget.names };
        let forget = ForgetInView { names, ..forget };
        let goes = |field: &str, op: &str, value: Value| {
            let filter = json!({"field": field, "op": op, "value": value});
            forget.without(Some(&filter.to_string())).is_some()
        };
        for (field, op, value) in [
            ("traits.csm", "eq", json!("7")),
            ("organization.traits.csm", "in", json!(["8", "7"])),
            ("owner.external_id", "in", json!([8, 7])),
            ("owner.external_id", "ne", json!("7")),
            ("external_id", "eq", json!("zoe@example.com")),
        ] {
            assert!(goes(field, op, value), "{field} {op}");
        }
        for (field, op, value) in [
            ("external_id", "eq", json!("7")),
            ("name", "contains", json!("7")),
            ("members", "eq", json!(7)),
            ("traits.seats", "eq", json!(7)),
            ("traits.mrr", "gt", json!(7)),
            ("traits.csm", "eq", json!(77)),
            ("owner.last_seen_at", "before", json!("-7d")),
        ] {
            assert!(!goes(field, op, value), "{field} {op}");
        }
    }
}
