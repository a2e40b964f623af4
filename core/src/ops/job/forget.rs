//! Leaving out of a job what names an erased person (rule L5).

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::facts::Facts;
use crate::flows::import::ImportLine;
use crate::home::{Home, Record};
use crate::id::{JobId, UserId};
use crate::model::{Job, JobPart, JobPartId, JobSide, Names, Outcome, PartContent};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// What stands in the place of an item.
const ERASED: &str = "(erased)";

/// What came of items of a part of a request, as they are called there now: of those who were erased since the part was read
/// nothing is said that names them. Nothing is left out where the part has gone, all of it being done.
pub(crate) fn as_called(part: Option<&JobPart>, outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let Some(PartContent::Items(items)) = part.map(|part| &part.content) else { return outcomes };
    let called: BTreeSet<String> = items.iter().map(|item| called(item).0).collect();
    let as_called = |outcome: Outcome| {
        if called.contains(&outcome.item) {
            outcome
        } else {
            Outcome { item: ERASED.to_owned(), detail: None, ..outcome }
        }
    };
    outcomes.into_iter().map(as_called).collect()
}

/// What the results call an item, and the line of the file on which it begins.
pub(crate) fn called(item: &str) -> (String, Option<u64>) {
    #[derive(Deserialize)]
    struct Line {
        item: String,
        line: u64,
    }
    match serde_json::from_str(item) {
        Ok(Line { item, line }) => (item, Some(line)),
        Err(_) => (item.to_owned(), None),
    }
}

/// Replaces the items of a job or of a part of it that are a name of the person; their number stays, and so does every
/// other item. Of a job that the person asked for, the words in which they said why go as well.
#[derive(Debug)]
pub struct ForgetItems {
    /// Where.
    pub home: Home,
    /// Which job.
    pub job: JobId,
    /// Which part of it; the job itself if none.
    pub part: Option<JobPartId>,
    /// Who.
    pub user: UserId,
    /// What they are and were called.
    pub names: Names,
}

impl Operation for ForgetItems {
    type State = Option<Record>;
    type Output = ();

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok(match &self.part {
            Some(part) => view.get(part).await?.map(Record::JobPart),
            None => view.get(&self.job).await?.map(|job| Record::Job(Box::new(job))),
        })
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let Some(before) = found else { return Ok(nothing) };
        let after = self.without(&before);
        Ok(if after == before { nothing } else { nothing.put(after) })
    }
}

impl ForgetItems {
    /// Whether there is anything to replace.
    pub fn concerns(&self, record: &Record) -> bool {
        self.without(record) != *record
    }

    /// What of a record names the person, as it stands there: items, and outcomes by their items.
    pub fn found(&self, record: &Record) -> Vec<(String, Option<Outcome>)> {
        let outcomes = |outcomes: &[Outcome]| {
            let theirs = outcomes.iter().filter(|it| self.outcome(it) != **it);
            theirs.map(|it| (it.item.clone(), Some(it.clone()))).collect()
        };
        match record {
            Record::Job(job) => outcomes(&job.fresh),
            Record::JobPart(part) => match &part.content {
                PartContent::Items(items) if part.id.side == JobSide::Input => {
                    let theirs = items.iter().filter(|item| self.item(item) != **item);
                    theirs.map(|item| (item.clone(), None)).collect()
                }
                PartContent::Items(_) => Vec::new(),
                PartContent::Outcomes(it) => outcomes(it),
            },
            _ => Vec::new(),
        }
    }

    fn without(&self, record: &Record) -> Record {
        let outcomes = |outcomes: &[Outcome]| outcomes.iter().map(|it| self.outcome(it)).collect();
        match record {
            Record::Job(job) => {
                let reason = job.reason.clone().filter(|_| job.actor.user() != Some(self.user));
                Record::Job(Box::new(Job { fresh: outcomes(&job.fresh), reason, ..Job::clone(job) }))
            }
            // What an erasure keeps to find the names by goes with its end.
            Record::JobPart(part) => {
                let content = match &part.content {
                    PartContent::Items(items) if part.id.side == JobSide::Input => {
                        PartContent::Items(items.iter().map(|item| self.item(item)).collect())
                    }
                    PartContent::Items(items) => PartContent::Items(items.clone()),
                    PartContent::Outcomes(it) => PartContent::Outcomes(outcomes(it)),
                };
                Record::JobPart(JobPart { id: part.id, content })
            }
            other => other.clone(),
        }
    }

    /// An item as jobs take them: a row of a file, or what names a person.
    fn item(&self, item: &str) -> String {
        let Ok(line) = serde_json::from_str::<ImportLine>(item) else { return self.named(item) };
        let theirs = self.names.are(&line.item)
            || line.row.as_ref().is_ok_and(|row| {
                row.external_id.as_ref().is_some_and(|it| self.names.is(it))
                    || row.email.as_ref().is_some_and(|it| self.names.has(it))
            });
        if !theirs {
            return item.to_owned();
        }
        let line = ImportLine { item: ERASED.to_owned(), row: Err("erased".to_owned()), ..line };
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn named(&self, item: &str) -> String {
        if self.names.are(item) { ERASED.to_owned() } else { item.to_owned() }
    }

    fn outcome(&self, outcome: &Outcome) -> Outcome {
        let theirs = self.names.are(&outcome.item);
        let detail = outcome.detail.clone().filter(|_| !theirs);
        Outcome { item: self.named(&outcome.item), detail, ..outcome.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn l5_only_what_names_the_person_is_left_out_of_a_job() {
        let id = JobPartId { job: JobId::from_uuid(Uuid::nil()), side: JobSide::Input, n: 0 };
        let names = Names {
            external_id: Some("é\"1".parse().unwrap()),
            addresses: ["al@example.com".to_owned()].into(),
        };
        let operation = ForgetItems {
            home: Home::Deployment,
            job: id.job,
            part: Some(id),
            user: UserId::from_uuid(Uuid::nil()),
            names,
        };
        let row = |line: u64, id: &str, email: &str| {
            let row = serde_json::json!({
                "external_id": id, "email": email, "name": null, "account": "al", "role": "member",
            });
            serde_json::json!({"line": line, "item": id, "row": {"Ok": row}}).to_string()
        };
        let gone = r#"{"line":4,"item":"(erased)","row":{"Err":"erased"}}"#;
        let cases = [
            ("ext:é\"1".to_owned(), "(erased)".to_owned()),
            ("ext:é\"10".to_owned(), "ext:é\"10".to_owned()),
            (row(4, "é\"1", "x@example.com"), gone.to_owned()),
            (row(4, "u-2", "AL@example.com"), gone.to_owned()),
            (row(4, "u-2", "val@example.com"), row(4, "u-2", "val@example.com")),
        ];
        let (before, after): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        let part = |items| Record::JobPart(JobPart { id, content: PartContent::Items(items) });
        assert_eq!(operation.without(&part(before)), part(after.clone()));
        assert!(!operation.concerns(&part(after)));
    }
}
