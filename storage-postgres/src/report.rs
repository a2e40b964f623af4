//! Surveys for reports, a slice at a time: some accounts or organizations by one statement, and what is needed about all
//! of them by one more each. What belongs is for core to say; those that cannot are left out before anybody is looked up.
//!
//! Beside the listings this is the one file that puts SQL together at run time; every value in it is bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use roster_core::home::{Home, TypedKey};
use roster_core::id::{AccountId, OrganizationId, UserId};
use roster_core::listing::Scope;
use roster_core::model::customer::{Presence, ReportKind, ThePresence};
use roster_core::model::{Access, Account, Card, Member, Organization, Posts};
use roster_core::report::{
    Counts, Draft, LOOKED_THROUGH, Line, People, Place, SLICE, Spot, Spots, Survey, Walk,
};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::error::Fault;
use crate::log;
use crate::row::{bad, from_json, from_name, instant, parse, parse_some};

/// The next lines, and where the rest begins.
pub(crate) async fn slice(
    connection: &mut PgConnection,
    clock: &StoreClock,
    survey: &Survey,
    mut walk: Walk,
) -> Result<(Vec<Line>, Option<Walk>), Fault> {
    let clock = log::now(connection, clock).await?;
    let (mut drafts, spots, more) = match survey.kind {
        ReportKind::Accounts => accounts(connection, clock, survey, &mut walk).await?,
        ReportKind::Organizations => organizations(connection, clock, survey, &mut walk).await?,
    };
    if survey.needs.people {
        meet(connection, survey, &spots, &mut drafts).await?;
        drafts.retain(|draft| survey.wants(&draft.line));
    }
    if survey.needs.members && survey.kind == ReportKind::Accounts {
        count(connection, &spots, &mut drafts).await?;
    }
    Ok((drafts.into_iter().map(|draft| draft.line).collect(), more.then_some(walk)))
}

/// The next accounts of the organization whose turn it is, or of all.
async fn accounts(
    connection: &mut PgConnection,
    clock: Timestamp,
    survey: &Survey,
    walk: &mut Walk,
) -> Result<(Vec<Draft>, Spots, bool), Fault> {
    let place = match walk.turn(survey) {
        None => None,
        Some(None) => return Ok((Vec::new(), Spots::new(), false)),
        Some(Some((organization, scope))) => {
            let place = log::place(connection, &Home::Organization(*organization)).await?;
            Some((place.map_or(0, |place| place.home), scope))
        }
    };
    // No statement is kept for each number of texts that somebody looks for.
    let kept = survey.needles().is_empty();
    let end = end_of_look(connection, survey, walk, place).await?;
    let mut lines = next_accounts(survey, walk, place, end);
    let rows = lines.build().persistent(kept).fetch_all(&mut *connection).await?;
    let mut homes: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    homes.dedup();
    let last = rows.last().map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == SLICE);
    let spots = spots(connection, clock, survey, &homes, walk.known(survey, &homes)).await?;
    let drafts = rows.into_iter().filter_map(|row| account(survey, &spots, &row).transpose());
    let drafts = drafts.collect::<Result<Vec<Draft>, Fault>>()?;
    let more = walk.step(survey, last.filter(|_| full).or(end), &spots);
    Ok((drafts, spots, more))
}

/// The account up to which is looked for what traits must hold, where it is not the last one.
async fn end_of_look(
    connection: &mut PgConnection,
    survey: &Survey,
    walk: &Walk,
    place: Option<(i64, &Scope)>,
) -> Result<Option<(i64, Uuid)>, Fault> {
    if survey.needles().is_empty() {
        return Ok(None);
    }
    let mut line = QueryBuilder::<Postgres>::new("SELECT home, id FROM accounts WHERE ");
    behind(&mut line, walk, place);
    line.push(" ORDER BY home, id LIMIT 1 OFFSET ").push_bind(LOOKED_THROUGH - 1);
    Ok(line.build_query_as().fetch_optional(connection).await?)
}

fn behind(lines: &mut QueryBuilder<Postgres>, walk: &Walk, place: Option<(i64, &Scope)>) {
    match place {
        None => lines.push("(home, id) > (").push_bind(walk.home).push(", ").push_bind(walk.id).push(")"),
        Some((home, _)) => lines.push("home = ").push_bind(home).push(" AND id > ").push_bind(walk.id),
    };
}

/// The statement that finds them, in a home and a scope or everywhere. What nobody looks at is not read.
fn next_accounts(
    survey: &Survey,
    walk: &Walk,
    place: Option<(i64, &Scope)>,
    end: Option<(i64, Uuid)>,
) -> QueryBuilder<Postgres> {
    let traits = if survey.looks_at_traits() { "traits" } else { "'{}'" };
    let posts = if survey.needs.people { "posts" } else { "'{}'" };
    let mut lines = QueryBuilder::new(format!(
        "SELECT home, id, external_id, name, status, created_at, {traits}, {posts} FROM accounts WHERE "
    ));
    behind(&mut lines, walk, place);
    if let Some((home, id)) = end {
        lines.push(" AND (home, id) <= (").push_bind(home).push(", ").push_bind(id).push(")");
    }
    if let Some((_, Scope::Accounts(accounts))) = place {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.uuid()).collect();
        lines.push(" AND id = ANY (").push_bind(ids).push(")");
    }
    for texts in survey.needles() {
        lines.push(" AND (false");
        for text in texts {
            lines.push(" OR strpos(traits, ").push_bind(text).push(") > 0");
        }
        lines.push(")");
    }
    lines.push(" ORDER BY home, id LIMIT ").push_bind(SLICE);
    lines
}

/// An account that could belong.
fn account(survey: &Survey, spots: &Spots, row: &PgRow) -> Result<Option<Draft>, Fault> {
    let (home, id): (i64, Uuid) = (row.try_get(0)?, row.try_get(1)?);
    let Some(spot) = spots.get(&home) else { return Ok(None) };
    let traits = survey.account_traits(row.try_get(6)?).map_err(|error| bad("traits", error))?;
    let account = Account {
        id: AccountId::from_uuid(id),
        external_id: parse_some("external_id", row.try_get(2)?)?,
        name: parse("name", row.try_get(3)?)?,
        status: from_name("status", row.try_get(4)?)?,
        traits,
        posts: Posts::default(),
        created_at: Timestamp::from_micros(row.try_get(5)?),
    };
    let line = Line::new(Arc::clone(&spot.place), Some(account));
    if !survey.wants(&line) {
        return Ok(None);
    }
    Ok(Some(Draft { home, id, line, posts: row.try_get(7)? }))
}

/// The next organizations.
async fn organizations(
    connection: &mut PgConnection,
    clock: Timestamp,
    survey: &Survey,
    walk: &mut Walk,
) -> Result<(Vec<Draft>, Spots, bool), Fault> {
    let mut lines = QueryBuilder::<Postgres>::new("SELECT home FROM organizations WHERE home > ");
    lines.push_bind(walk.home);
    if let Some(within) = &survey.within {
        let names: Vec<String> = within.iter().map(|(id, _)| Home::Organization(*id).to_string()).collect();
        lines.push(" AND home IN (SELECT home FROM homes WHERE name = ANY (").push_bind(names).push("))");
    }
    lines.push(" ORDER BY home LIMIT ").push_bind(SLICE);
    let homes: Vec<(i64,)> = lines.build_query_as().fetch_all(&mut *connection).await?;
    let homes: Vec<i64> = homes.into_iter().map(|(home,)| home).collect();
    walk.home = homes.last().copied().unwrap_or(walk.home);
    let full = i64::try_from(homes.len()).is_ok_and(|homes| homes == SLICE);
    let spots = spots(connection, clock, survey, &homes, Spots::new()).await?;
    let drafts = spots.iter().map(|(home, spot)| Draft {
        home: *home,
        id: Uuid::nil(),
        line: Line::new(Arc::clone(&spot.place), None),
        posts: String::new(),
    });
    let drafts = drafts.filter(|draft| survey.wants(&draft.line)).collect();
    Ok((drafts, spots, full))
}

/// What is known of the organizations of some homes.
async fn spots(
    connection: &mut PgConnection,
    clock: Timestamp,
    survey: &Survey,
    homes: &[i64],
    mut spots: Spots,
) -> Result<Spots, Fault> {
    let new: Vec<i64> = homes.iter().copied().filter(|home| !spots.contains_key(home)).collect();
    if new.is_empty() {
        return Ok(spots);
    }
    let mut places = places(connection, clock, survey, &new).await?;
    if survey.needs.members {
        count_in_all(connection, &mut places).await?;
    }
    let activity = if survey.needs.presence { activity(connection, &places).await? } else { BTreeMap::new() };
    spots.extend(places.into_iter().map(|(home, place)| {
        let activity = activity.get(&place.organization.id).copied();
        (home, Spot { place: Arc::new(place), activity })
    }));
    Ok(spots)
}

async fn places(
    connection: &mut PgConnection,
    clock: Timestamp,
    survey: &Survey,
    homes: &[i64],
) -> Result<BTreeMap<i64, Place>, Fault> {
    let mut lines = QueryBuilder::<Postgres>::new(
        "SELECT o.home, h.time, o.id, o.external_id, o.name, o.slug, o.status, o.owner_id, o.purchased, o.settings, o.traits,
         o.posts, o.created_at, ",
    );
    let (seats, accounts) = (survey.needs.seats, survey.needs.accounts);
    if seats {
        lines.push("coalesce((SELECT sum FROM tallies t WHERE t.home = o.home AND t.tally = 'seats'), 0)");
        lines
            .push(" - (SELECT coalesce(sum(seats), 0)::bigint FROM due d WHERE d.home = o.home AND d.at <= ");
        lines.push("greatest(h.time, ").push_bind(clock.micros()).push(")), ");
    } else {
        lines.push("0::bigint, ");
    }
    lines.push(if accounts {
        "coalesce((SELECT sum FROM tallies t WHERE t.home = o.home AND t.tally = 'active_accounts'), 0)"
    } else {
        "0::bigint"
    });
    lines.push(" FROM organizations o JOIN homes h ON h.home = o.home WHERE o.home = ANY (");
    lines.push_bind(homes.to_vec()).push(")");
    let rows = lines.build().fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, place(clock, survey, row)?))).collect()
}

fn place(clock: Timestamp, survey: &Survey, row: &PgRow) -> Result<Place, Fault> {
    let purchased: Option<i64> = row.try_get(8)?;
    let organization = Organization {
        id: OrganizationId::from_uuid(row.try_get(2)?),
        external_id: parse_some("external_id", row.try_get(3)?)?,
        name: parse("name", row.try_get(4)?)?,
        slug: parse("slug", row.try_get(5)?)?,
        status: from_name("status", row.try_get(6)?)?,
        owner: UserId::from_uuid(row.try_get(7)?),
        purchased: purchased.map(u32::try_from).transpose().map_err(|error| bad("purchased", error))?,
        settings: from_json("settings", row.try_get(9)?)?,
        traits: survey.organization_traits(row.try_get(10)?).map_err(|error| bad("traits", error))?,
        posts: from_json("posts", row.try_get(11)?)?,
        created_at: Timestamp::from_micros(row.try_get(12)?),
    };
    let now = clock.max(Timestamp::from_micros(row.try_get(1)?));
    let counts = Counts::default();
    Ok(Place { organization, now, seats: row.try_get(13)?, accounts: row.try_get(14)?, counts })
}

/// The homes of activity of organizations.
async fn activity(
    connection: &mut PgConnection,
    places: &BTreeMap<i64, Place>,
) -> Result<BTreeMap<OrganizationId, i64>, Fault> {
    let ids = places.values().map(|place| place.organization.id);
    let by_name: BTreeMap<String, OrganizationId> =
        ids.map(|id| (Home::Activity(id).to_string(), id)).collect();
    let names: Vec<String> = by_name.keys().cloned().collect();
    let mut lines = QueryBuilder::<Postgres>::new("SELECT name, home FROM homes WHERE name = ANY (");
    lines.push_bind(names).push(")");
    let found: Vec<(String, i64)> = lines.build_query_as().fetch_all(connection).await?;
    Ok(found.into_iter().filter_map(|(name, home)| Some((*by_name.get(&name)?, home))).collect())
}

/// Counts the members of organizations.
async fn count_in_all(connection: &mut PgConnection, places: &mut BTreeMap<i64, Place>) -> Result<(), Fault> {
    let homes: Vec<i64> = places.keys().copied().collect();
    let now: Vec<i64> = places.values().map(|place| place.now.micros()).collect();
    let mut lines = QueryBuilder::<Postgres>::new(
        "SELECT m.home, CASE WHEN m.expires_at <= p.now THEN 'former' ELSE m.status END, m.organization_role IS NOT NULL,
         count(*) FROM UNNEST(",
    );
    lines.push_bind(homes).push(", ").push_bind(now);
    lines.push(") AS p (home, now) JOIN members m ON m.home = p.home GROUP BY 1, 2, 3");
    let found: Vec<(i64, String, bool, i64)> = lines.build_query_as().fetch_all(connection).await?;
    for (home, status, wide, number) in found {
        let Some(place) = places.get_mut(&home) else { continue };
        place.counts.add(from_name("status", status)?, wide, number);
    }
    Ok(())
}

/// Counts the members who have access to accounts by name.
async fn count(connection: &mut PgConnection, spots: &Spots, drafts: &mut [Draft]) -> Result<(), Fault> {
    let homes: Vec<i64> = drafts.iter().map(|draft| draft.home).collect();
    let ids: Vec<Uuid> = drafts.iter().map(|draft| draft.id).collect();
    let now = |draft: &Draft| spots.get(&draft.home).map_or(0, |spot| spot.place.now.micros());
    let now: Vec<i64> = drafts.iter().map(now).collect();
    let mut lines = QueryBuilder::<Postgres>::new("SELECT p.home, p.id, m.status, count(*) FROM UNNEST(");
    lines.push_bind(homes).push(", ").push_bind(ids).push(", ").push_bind(now);
    lines.push(
        ") AS p (home, id, now) JOIN member_access a ON a.home = p.home AND a.account_id = p.id
         JOIN members m ON m.home = a.home AND m.user_id = a.user_id
         WHERE m.status <> 'former' AND (m.expires_at IS NULL OR m.expires_at > p.now) GROUP BY 1, 2, 3",
    );
    let found: Vec<(i64, Uuid, String, i64)> = lines.build_query_as().fetch_all(connection).await?;
    let found = found
        .into_iter()
        .map(|(home, id, status, number)| Ok::<_, Fault>((home, id, from_name("status", status)?, number)));
    Draft::count(drafts, found.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

/// Puts in who is named, and when they were seen.
async fn meet(
    connection: &mut PgConnection,
    survey: &Survey,
    spots: &Spots,
    drafts: &mut [Draft],
) -> Result<(), Fault> {
    for draft in drafts.iter_mut().filter(|draft| !draft.posts.is_empty()) {
        draft.line.set_posts(from_json("posts", &draft.posts)?);
    }
    let wanted = Draft::users(drafts);
    let mut people: BTreeMap<i64, People> = BTreeMap::new();
    for row in members(connection, survey, spots, &wanted).await? {
        let home: i64 = row.try_get(0)?;
        let Some(spot) = spots.get(&home) else { continue };
        let content: Option<&[u8]> = row.try_get(10)?;
        let presence = content.map(presence).transpose()?.flatten();
        people.entry(home).or_default().add(member(&row)?.at(spot.place.now), presence);
    }
    Draft::meet(drafts, &people);
    Ok(())
}

async fn members(
    connection: &mut PgConnection,
    survey: &Survey,
    spots: &Spots,
    wanted: &[(i64, UserId)],
) -> Result<Vec<PgRow>, Fault> {
    let homes: Vec<i64> = wanted.iter().map(|(home, _)| *home).collect();
    let users: Vec<Uuid> = wanted.iter().map(|(_, user)| user.uuid()).collect();
    let mut lines = QueryBuilder::<Postgres>::new(
        "SELECT m.home, m.user_id, m.status, m.expires_at, m.joined_at, m.left_at, m.deleted_at, m.email, m.name, m.external_id, ",
    );
    lines.push(if survey.needs.presence { "d.content" } else { "NULL::bytea" }).push(" FROM UNNEST(");
    lines.push_bind(homes).push(", ").push_bind(users);
    if survey.needs.presence {
        let activity = |(home, _): &(i64, _)| spots.get(home).and_then(|spot| spot.activity).unwrap_or(0);
        let activities: Vec<i64> = wanted.iter().map(activity).collect();
        let names = wanted.iter().filter_map(|(_, user)| ThePresence(*user).key().document());
        lines.push(", ").push_bind(activities).push(", ").push_bind(names.collect::<Vec<String>>());
        lines.push(") AS p (home, user_id, activity, name) JOIN members m ON m.home = p.home AND m.user_id = p.user_id");
        lines.push(" LEFT JOIN documents d ON d.home = p.activity AND d.name = p.name");
    } else {
        lines.push(") AS p (home, user_id) JOIN members m ON m.home = p.home AND m.user_id = p.user_id");
    }
    Ok(lines.build().fetch_all(connection).await?)
}

/// A member without what no report looks at: access, and what was cut.
fn member(row: &PgRow) -> Result<Member, Fault> {
    Ok(Member {
        user: UserId::from_uuid(row.try_get(1)?),
        status: from_name("status", row.try_get(2)?)?,
        access: Access::NONE,
        starts_at: None,
        expires_at: instant(row.try_get(3)?),
        joined_at: Timestamp::from_micros(row.try_get(4)?),
        left_at: instant(row.try_get(5)?),
        cut_at: None,
        deleted_at: instant(row.try_get(6)?),
        epoch: 0,
        card: Card {
            email: parse_some("email", row.try_get(7)?)?,
            name: parse_some("name", row.try_get(8)?)?,
            external_id: parse_some("external_id", row.try_get(9)?)?,
        },
    })
}

fn presence(content: &[u8]) -> Result<Option<Presence>, Fault> {
    let record = rmp_serde::from_slice(content).map_err(|error| bad("content", error))?;
    Ok(ThePresence::pick(record))
}
