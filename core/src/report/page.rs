//! A page of a report: the first rows of what a survey finds, in an order.

use std::sync::Arc;

use super::cell::Cell;
use super::field::Field;
use super::filter::Filter;
use super::line::Line;
use super::order::ReportPosition;
use super::survey::Survey;
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::listing::Scope;
use crate::model::customer::ReportKind;
use crate::op::Roster;
use crate::permission::Permission;
use crate::policy::Reach;
use crate::reads::{pointers, visible_standing};
use crate::refusal::{OpError, Refusal};

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// What has a row.
    pub kind: ReportKind,
    /// The columns; the usual ones if there are none.
    pub columns: Vec<Field>,
    /// Which rows; all without one.
    pub filter: Option<Filter>,
    /// In which order: columns, `true` for downwards; then by id.
    pub sort: Vec<(Field, bool)>,
    /// How many rows.
    pub limit: u16,
    /// Behind this row.
    pub after: Option<ReportPosition>,
}

/// A page of a report: the values of each row in the order of the columns.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportPage {
    /// The columns.
    pub columns: Vec<Field>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Where the next page begins.
    pub next: Option<ReportPosition>,
}

/// A page of a report on what the actor may see: operators all, others where they hold `customers:read`.
///
/// # Errors
/// `forbidden` where seats are asked for and the actor may not read those of an organization in the report.
pub async fn report(roster: &Roster, request: &Request, asked: &Asked) -> Result<ReportPage, OpError> {
    let mut columns =
        if asked.columns.is_empty() { super::usual_columns(asked.kind) } else { asked.columns.clone() };
    let within = if request.actor.is_operator() {
        None
    } else {
        let Own { organizations, may_see_seats } = own(roster, request, asked.kind).await?;
        if !may_see_seats {
            if asked.columns.is_empty() {
                columns.retain(|field| !field.is_of_seats());
            }
            let mut looked_at: Vec<&Field> =
                columns.iter().chain(asked.sort.iter().map(|(field, _)| field)).collect();
            if let Some(filter) = &asked.filter {
                filter.fields(&mut looked_at);
            }
            if looked_at.into_iter().any(Field::is_of_seats) {
                return Err(Refusal::lacks(SEATS).into());
            }
        }
        Some(organizations)
    };
    let looked_at = columns.iter().chain(asked.sort.iter().map(|(field, _)| field));
    let survey = Survey::new(asked.kind, within, asked.filter.clone(), looked_at);
    let survey = Arc::new(survey.in_order(asked.sort.clone(), asked.after.clone()));
    let mut first = First { most: usize::from(asked.limit) + 1, columns, rows: Vec::new() };
    let mut take = |line: &Line| first.offer(&survey, line);
    roster.store.survey(&survey, &mut take).await?;
    Ok(first.page())
}

/// The first rows of those that were offered: as many as the page has, and one more.
struct First {
    most: usize,
    columns: Vec<Field>,
    rows: Vec<(ReportPosition, Vec<Cell>)>,
}

impl First {
    fn offer(&mut self, survey: &Survey, line: &Line) {
        if !survey.wants(line) {
            return;
        }
        let position = survey.order.position(line);
        let at = self.rows.partition_point(|(known, _)| survey.order.compare(known, &position).is_lt());
        let row = self.columns.iter().map(|field| line.cell(field)).collect();
        self.rows.insert(at, (position, row));
        self.rows.truncate(self.most);
        if let Some((last, _)) = self.rows.get(self.most - 1) {
            survey.order.end_before(last);
        }
    }

    fn page(mut self) -> ReportPage {
        let limit = self.most - 1;
        let more = self.rows.len() > limit;
        self.rows.truncate(limit);
        let next = self.rows.last().filter(|_| more).map(|(position, _)| position.clone());
        let rows = self.rows.into_iter().map(|(_, row)| row).collect();
        ReportPage { columns: self.columns, rows, next }
    }
}

/// Who may read the seats of an organization holds this on the whole of it.
const SEATS: &str = "organization:read";

/// What of a report the actor may see.
struct Own {
    /// The organizations in which the actor holds `customers:read`, with the accounts on which.
    organizations: Vec<(OrganizationId, Scope)>,
    /// Whether the seats of each of them.
    may_see_seats: bool,
}

async fn own(roster: &Roster, request: &Request, kind: ReportKind) -> Result<Own, OpError> {
    let organizations = match (request.actor.bound_to(), request.actor.user()) {
        (Some(organization), _) => vec![organization],
        (None, Some(user)) => pointers(roster, user).await?,
        (None, None) => Vec::new(),
    };
    let permission = Permission::of("customers:read");
    let (mut found, mut may_see_seats) = (Vec::new(), true);
    for organization in organizations {
        let standing = match visible_standing(roster, request, organization).await {
            Ok((_, standing)) => standing,
            Err(OpError::Refused(_)) => continue,
            Err(error) => return Err(error),
        };
        let scope = standing.scope(&permission);
        let whole = standing.holds(&permission, Reach::Organization);
        match (&scope, kind) {
            (Scope::All, _) if whole => found.push((organization, scope)),
            (Scope::Accounts(accounts), ReportKind::Accounts) if !accounts.is_empty() => {
                found.push((organization, scope));
            }
            _ => continue,
        }
        may_see_seats &= standing.holds(&Permission::of(SEATS), Reach::Organization);
    }
    if found.is_empty() {
        return Err(Refusal::lacks("customers:read").into());
    }
    Ok(Own { organizations: found, may_see_seats })
}
