//! A survey: reading all that a report could show, with as little of each line as its columns, its order and its filter
//! look at.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cell::Cell;
use super::field::Field;
use super::filter::{Filter, Op, Operand, Test};
use super::line::Line;
use super::order::{Order, ReportPosition};
use crate::id::OrganizationId;
use crate::listing::Scope;
use crate::model::Traits;
use crate::model::customer::ReportKind;

/// What is read, and of what.
#[derive(Debug)]
pub struct Survey {
    /// What has a line.
    pub kind: ReportKind,
    /// In which organizations, on which accounts of each; in all if there are none.
    pub within: Option<Vec<(OrganizationId, Scope)>>,
    /// What must be read.
    pub needs: Needs,
    pub(super) order: Order,
    filter: Option<Filter>,
    traits: BTreeSet<String>,
    organization_traits: BTreeSet<String>,
}

/// What must be read beside the account or the organization itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a read of its own")]
pub struct Needs {
    /// Seats in use.
    pub seats: bool,
    /// Accounts that are not archived.
    pub accounts: bool,
    /// How many members.
    pub members: bool,
    /// Who is named.
    pub people: bool,
    /// When they were seen.
    pub presence: bool,
}

impl Survey {
    /// A survey for some columns and a filter.
    pub fn new<'a>(
        kind: ReportKind,
        within: Option<Vec<(OrganizationId, Scope)>>,
        filter: Option<Filter>,
        columns: impl IntoIterator<Item = &'a Field>,
    ) -> Self {
        let mut fields: Vec<&Field> = columns.into_iter().collect();
        if let Some(filter) = &filter {
            filter.fields(&mut fields);
        }
        let needs = Needs::of(&fields);
        let (mut traits, mut organization_traits) = (BTreeSet::new(), BTreeSet::new());
        for field in fields {
            match (field, kind) {
                (Field::Trait(name), ReportKind::Accounts) => traits.insert(name.clone()),
                (Field::Trait(name), ReportKind::Organizations) | (Field::OrganizationTrait(name), _) => {
                    organization_traits.insert(name.clone())
                }
                (Field::Own(_), _) => false,
            };
        }
        Self { kind, within, needs, order: Order::default(), filter, traits, organization_traits }
    }

    /// The same for a page behind a row, of which no more than its own rows are needed.
    #[must_use]
    pub fn in_order(self, sort: Vec<(Field, bool)>, after: Option<ReportPosition>) -> Self {
        Self { order: Order::new(sort, after), ..self }
    }

    /// Whether a line is wanted, as far as it was read: one that was read in full belongs, another could, whatever is put in
    /// yet. Lines that are not wanted need not be read any further.
    pub fn wants(&self, line: &Line) -> bool {
        let known = &mut |field: &Field| line.known(field);
        let held = |filter: &Filter| filter.verdict(known, line.now()) != Some(false);
        self.filter.as_ref().is_none_or(held) && self.order.could_show(line)
    }

    /// What the traits of every account that is wanted hold, as JSON without spaces: one text of each of these. A coarse look,
    /// which spares reading most of those that are not wanted; it lets some pass.
    pub fn needles(&self) -> Vec<Vec<String>> {
        let mut demands = Vec::new();
        if let (Some(filter), ReportKind::Accounts) = (&self.filter, self.kind) {
            filter.demands(&mut demands);
        }
        let mut room = MOST_NEEDLES;
        let few = |texts: &Vec<String>| {
            let fits = texts.len() <= room;
            room -= if fits { texts.len() } else { 0 };
            fits
        };
        demands.into_iter().filter_map(needles).filter(few).collect()
    }

    /// Whether traits of accounts are looked at.
    pub fn looks_at_traits(&self) -> bool {
        !self.traits.is_empty()
    }

    /// Those traits of an account that are looked at, from JSON.
    pub fn account_traits(&self, json: &str) -> Result<Traits, serde_json::Error> {
        Traits::some(json, &self.traits)
    }

    /// Those traits of an organization that are looked at, from JSON.
    pub fn organization_traits(&self, json: &str) -> Result<Traits, serde_json::Error> {
        Traits::some(json, &self.organization_traits)
    }
}

/// How many texts are looked for at most: a statement has no room for any number, and each is looked for in every row.
const MOST_NEEDLES: usize = 16;

/// How a trait that passes a test is written, where the test names texts or truths that it must be.
fn needles(test: &Test) -> Option<Vec<String>> {
    let (Field::Trait(name), Op::Eq | Op::In) = (&test.field, test.op) else { return None };
    let name = Value::from(name.as_str());
    let needle = |operand: &Operand| match operand {
        Operand::Cell(Cell::Text(wanted)) => Some(format!("{name}:{}", Value::from(wanted.as_str()))),
        Operand::Cell(Cell::Truth(truth)) => Some(format!("{name}:{truth}")),
        Operand::Cell(_) | Operand::Relative(_) => None,
    };
    test.values.iter().map(needle).collect()
}

impl Needs {
    fn of(fields: &[&Field]) -> Self {
        let any = |fits: &dyn Fn(&str) -> bool| fields.iter().any(|field| fits(field.own()));
        Self {
            seats: any(&|name| name == "seats.used"),
            accounts: any(&|name| name == "accounts"),
            members: any(&|name| name.starts_with("members")),
            people: any(&|name| name.starts_with("owner") || name == "governor.email"),
            presence: any(&|name| {
                name.starts_with("owner.last_") || ["owner.first_seen_at", "owner.sessions"].contains(&name)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::parse_where;

    #[test]
    fn only_what_every_wanted_account_must_hold_is_looked_for() {
        let needles = |text: &str| {
            let filter = parse_where(ReportKind::Accounts, text).unwrap();
            Survey::new(ReportKind::Accounts, None, Some(filter), []).needles()
        };
        let one = |text: &str| vec![vec![text.to_owned()]];
        assert_eq!(needles(r#"traits.plan eq "p\"ro" and owner exists"#), one(r#""plan":"p\"ro""#));
        assert_eq!(needles("traits.on eq true"), one(r#""on":true"#));
        assert_eq!(needles(r#"traits.a in ("x", false)"#), [[r#""a":"x""#, r#""a":false"#]]);
        let many: Vec<String> = (0..1_000).map(|n| format!(r#""{n}""#)).collect();
        let many = format!("traits.a in ({}) and traits.on eq true", many.join(", "));
        assert_eq!(needles(&many), one(r#""on":true"#), "no statement takes any number of texts");
        for none in [
            "traits.n eq 1",
            "traits.n eq null",
            r#"traits.n in ("x", 1)"#,
            r#"traits.n ne "x""#,
            r#"not traits.n eq "x""#,
            r#"traits.n eq "x" or owner exists"#,
            r#"organization.traits.n eq "x""#,
            r#"name eq "x""#,
        ] {
            assert_eq!(needles(none), [[""; 0]; 0], "{none}");
        }
    }
}
