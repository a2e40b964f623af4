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
use roster_core::model::{Access, Account, Card, Member, MemberStatus, Organization, Posts};
use roster_core::report::{
    Counts, Draft, LOOKED_THROUGH, Line, People, Place, SLICE, Spot, Spots, Survey, Walk,
};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::error::Fault;
use crate::log;
use crate::row::{bad, from_hex_some, from_json, from_name, instant, parse, parse_some, to_json, uuid_list};

/// Lines of a slice that lack whom they name.
#[derive(Default)]
pub(crate) struct Begun {
    drafts: Vec<Draft>,
    spots: Spots,
}

/// Begins the next slice, and tells where the rest begins.
pub(crate) async fn begin(
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    survey: &Survey,
    mut walk: Walk,
) -> Result<(Begun, Option<Walk>), Fault> {
    let clock = log::now(connection, clock).await?;
    let (drafts, spots, more) = match survey.kind {
        ReportKind::Accounts => accounts(connection, clock, survey, &mut walk).await?,
        ReportKind::Organizations => organizations(connection, clock, survey, &mut walk).await?,
    };
    Ok((Begun { drafts, spots }, more.then_some(walk)))
}

/// The lines of a slice, within the snapshot in which it was begun.
pub(crate) async fn complete(
    connection: &mut SqliteConnection,
    survey: &Survey,
    begun: Begun,
) -> Result<Vec<Line>, Fault> {
    let Begun { mut drafts, spots } = begun;
    if survey.needs.people {
        meet(connection, survey, &spots, &mut drafts).await?;
        drafts.retain(|draft| survey.wants(&draft.line));
    }
    if survey.needs.members && survey.kind == ReportKind::Accounts {
        count(connection, &spots, &mut drafts).await?;
    }
    Ok(drafts.into_iter().map(|draft| draft.line).collect())
}

/// The next accounts of the organization whose turn it is, or of all.
async fn accounts(
    connection: &mut SqliteConnection,
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
    let end = end_of_look(connection, survey, walk, place).await?;
    let mut rows: Vec<AccountRow> = packed(connection, next_accounts(survey, walk, place, end)).await?;
    rows.sort_unstable_by_key(|row| (row.home, row.id));
    let mut homes: Vec<i64> = rows.iter().map(|row| row.home).collect();
    homes.dedup();
    let last = rows.last().map(|row| (row.home, row.id));
    let full = i64::try_from(rows.len()).is_ok_and(|rows| rows == SLICE);
    let spots = spots(connection, clock, survey, &homes, walk.known(survey, &homes)).await?;
    let drafts = rows.into_iter().filter_map(|row| account(survey, &spots, row).transpose());
    let drafts = drafts.collect::<Result<Vec<Draft>, Fault>>()?;
    let more = walk.step(survey, last.filter(|_| full).or(end), &spots);
    Ok((drafts, spots, more))
}

/// The account up to which is looked for what traits must hold, where it is not the last one.
async fn end_of_look(
    connection: &mut SqliteConnection,
    survey: &Survey,
    walk: &Walk,
    place: Option<(i64, &Scope)>,
) -> Result<Option<(i64, Uuid)>, Fault> {
    if survey.needles().is_empty() {
        return Ok(None);
    }
    let mut line = QueryBuilder::<Sqlite>::new("SELECT home, id FROM accounts WHERE ");
    behind(&mut line, walk, place);
    line.push(" ORDER BY home, id LIMIT 1 OFFSET ").push_bind(LOOKED_THROUGH - 1);
    Ok(line.build_query_as().fetch_optional(connection).await?)
}

fn behind(lines: &mut QueryBuilder<Sqlite>, walk: &Walk, place: Option<(i64, &Scope)>) {
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
) -> QueryBuilder<Sqlite> {
    let traits = if survey.looks_at_traits() { "traits" } else { "'{}'" };
    let posts = if survey.needs.people { "posts" } else { "'{}'" };
    let mut lines = QueryBuilder::new(format!(
        "SELECT CAST(json_group_array(json_array(home, hex(id), external_id, name, status, created_at, kept, held)) AS BLOB)
         FROM (SELECT home, id, external_id, name, status, created_at, {traits} AS kept, {posts} AS held FROM accounts WHERE "
    ));
    behind(&mut lines, walk, place);
    if let Some((home, id)) = end {
        lines.push(" AND (home, id) <= (").push_bind(home).push(", ").push_bind(id).push(")");
    }
    if let Some((_, Scope::Accounts(accounts))) = place {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.uuid()).collect();
        lines.push(" AND id IN (SELECT unhex(value) FROM json_each(").push_bind(uuid_list(&ids)).push("))");
    }
    for texts in survey.needles() {
        lines.push(" AND (false");
        for text in texts {
            lines.push(" OR instr(traits, ").push_bind(text).push(") > 0");
        }
        lines.push(")");
    }
    lines.push(" ORDER BY home, id LIMIT ").push_bind(SLICE).push(")");
    lines
}

/// The rows of a statement that makes one of them, in JSON: each row by itself would be a message between two threads, and a
/// text of this length would be copied once more to end in a zero byte.
async fn packed<T: DeserializeOwned>(
    connection: &mut SqliteConnection,
    mut lines: QueryBuilder<Sqlite>,
) -> Result<Vec<T>, Fault> {
    // No statement is kept for each number of texts that somebody looks for.
    let row = lines.build().persistent(false).fetch_one(connection).await?;
    let rows: &[u8] = row.try_get(0)?;
    serde_json::from_slice(rows).map_err(|error| bad("rows", error))
}

/// An account as it is packed.
#[derive(Deserialize)]
struct AccountRow {
    home: i64,
    id: Uuid,
    external_id: Option<String>,
    name: String,
    status: String,
    created_at: i64,
    traits: String,
    posts: String,
}

/// An account that could belong.
fn account(survey: &Survey, spots: &Spots, row: AccountRow) -> Result<Option<Draft>, Fault> {
    let AccountRow { home, id, posts, .. } = row;
    let Some(spot) = spots.get(&home) else { return Ok(None) };
    let account = Account {
        id: AccountId::from_uuid(id),
        external_id: parse_some("external_id", row.external_id)?,
        name: parse("name", &row.name)?,
        status: from_name("status", row.status)?,
        traits: survey.account_traits(&row.traits).map_err(|error| bad("traits", error))?,
        posts: Posts::default(),
        created_at: Timestamp::from_micros(row.created_at),
    };
    let line = Line::new(Arc::clone(&spot.place), Some(account));
    Ok(survey.wants(&line).then_some(Draft { home, id, line, posts }))
}

/// The next organizations.
async fn organizations(
    connection: &mut SqliteConnection,
    clock: Timestamp,
    survey: &Survey,
    walk: &mut Walk,
) -> Result<(Vec<Draft>, Spots, bool), Fault> {
    let mut lines = QueryBuilder::<Sqlite>::new("SELECT home FROM organizations WHERE home > ");
    lines.push_bind(walk.home);
    if let Some(within) = &survey.within {
        let names: Vec<String> = within.iter().map(|(id, _)| Home::Organization(*id).to_string()).collect();
        lines.push(" AND home IN (SELECT home FROM homes WHERE name IN (SELECT value FROM json_each(");
        lines.push_bind(to_json("homes", &names)?).push(")))");
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
    connection: &mut SqliteConnection,
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
    connection: &mut SqliteConnection,
    clock: Timestamp,
    survey: &Survey,
    homes: &[i64],
) -> Result<BTreeMap<i64, Place>, Fault> {
    let (seats, accounts) = (survey.needs.seats, survey.needs.accounts);
    let mut lines = QueryBuilder::<Sqlite>::new(
        "SELECT CAST(json_group_array(json_array(o.home, h.time, hex(o.id), o.external_id, o.name, o.slug, o.status,
         hex(o.owner_id), o.purchased, o.settings, o.traits, o.posts, o.created_at, ",
    );
    if seats {
        lines.push("coalesce((SELECT sum FROM tallies t WHERE t.home = o.home AND t.tally = 'seats'), 0)");
        lines.push(" - (SELECT coalesce(sum(seats), 0) FROM due d WHERE d.home = o.home AND d.at <= ");
        lines.push("max(h.time, ").push_bind(clock.micros()).push(")), ");
    } else {
        lines.push("0, ");
    }
    lines.push(if accounts {
        "coalesce((SELECT sum FROM tallies t WHERE t.home = o.home AND t.tally = 'active_accounts'), 0)"
    } else {
        "0"
    });
    lines.push(")) AS BLOB) FROM organizations o JOIN homes h ON h.home = o.home WHERE o.home IN (");
    lines.push("SELECT value FROM json_each(").push_bind(to_json("homes", &homes)?).push("))");
    let rows: Vec<PlaceRow> = packed(connection, lines).await?;
    rows.into_iter().map(|row| Ok((row.home, place(clock, survey, row)?))).collect()
}

/// An organization as it is packed.
#[derive(Deserialize)]
struct PlaceRow {
    home: i64,
    time: i64,
    id: Uuid,
    external_id: Option<String>,
    name: String,
    slug: String,
    status: String,
    owner: Uuid,
    purchased: Option<i64>,
    settings: String,
    traits: String,
    posts: String,
    created_at: i64,
    seats: i64,
    accounts: i64,
}

fn place(clock: Timestamp, survey: &Survey, row: PlaceRow) -> Result<Place, Fault> {
    let organization = Organization {
        id: OrganizationId::from_uuid(row.id),
        external_id: parse_some("external_id", row.external_id)?,
        name: parse("name", &row.name)?,
        slug: parse("slug", &row.slug)?,
        status: from_name("status", row.status)?,
        owner: UserId::from_uuid(row.owner),
        purchased: row.purchased.map(u32::try_from).transpose().map_err(|error| bad("purchased", error))?,
        settings: from_json("settings", &row.settings)?,
        traits: survey.organization_traits(&row.traits).map_err(|error| bad("traits", error))?,
        posts: from_json("posts", &row.posts)?,
        created_at: Timestamp::from_micros(row.created_at),
    };
    let now = clock.max(Timestamp::from_micros(row.time));
    let counts = Counts::default();
    Ok(Place { organization, now, seats: row.seats, accounts: row.accounts, counts })
}

/// The homes of activity of organizations.
async fn activity(
    connection: &mut SqliteConnection,
    places: &BTreeMap<i64, Place>,
) -> Result<BTreeMap<OrganizationId, i64>, Fault> {
    let ids = places.values().map(|place| place.organization.id);
    let by_name: BTreeMap<String, OrganizationId> =
        ids.map(|id| (Home::Activity(id).to_string(), id)).collect();
    let names: Vec<String> = by_name.keys().cloned().collect();
    let mut lines = QueryBuilder::<Sqlite>::new(
        "SELECT CAST(json_group_array(json_array(name, home)) AS BLOB) FROM homes WHERE name IN (",
    );
    lines.push("SELECT value FROM json_each(").push_bind(to_json("homes", &names)?).push("))");
    let found: Vec<(String, i64)> = packed(connection, lines).await?;
    Ok(found.into_iter().filter_map(|(name, home)| Some((*by_name.get(&name)?, home))).collect())
}

/// Counts the members of organizations: of each by one pass, without sorting them.
async fn count_in_all(
    connection: &mut SqliteConnection,
    places: &mut BTreeMap<i64, Place>,
) -> Result<(), Fault> {
    let asked: Vec<(i64, i64)> = places.iter().map(|(home, place)| (*home, place.now.micros())).collect();
    let mut lines = QueryBuilder::<Sqlite>::new(
        "WITH asked AS MATERIALIZED (SELECT value ->> 0 AS home, value ->> 1 AS now FROM json_each(",
    );
    lines.push_bind(to_json("homes", &asked)?);
    lines.push(
        ")) SELECT CAST(json_group_array(json_array(a.home, json((SELECT json_array(
            count(*) FILTER (WHERE status = 'active' AND organization_role IS NOT NULL),
            count(*) FILTER (WHERE status = 'active' AND organization_role IS NULL),
            count(*) FILTER (WHERE status = 'deactivated' AND organization_role IS NOT NULL),
            count(*) FILTER (WHERE status = 'deactivated' AND organization_role IS NULL),
            count(*) FILTER (WHERE status = 'former'), count(*)
         ) FROM (SELECT organization_role, CASE WHEN expires_at <= a.now THEN 'former' ELSE status END AS status
            FROM members WHERE home = a.home))))) AS BLOB) FROM asked a",
    );
    let found: Vec<(i64, [i64; COUNTED.len() + 1])> = packed(connection, lines).await?;
    for (home, [numbers @ .., all]) in found {
        let Some(place) = places.get_mut(&home) else { continue };
        if numbers.iter().sum::<i64>() != all {
            return Err(bad("status", "not one that is counted"));
        }
        for ((status, wide), number) in COUNTED.into_iter().zip(numbers) {
            place.counts.add(status, wide, number);
        }
    }
    Ok(())
}

/// What is counted apart: members of a status, with access to every account or not.
const COUNTED: [(MemberStatus, bool); 5] = [
    (MemberStatus::Active, true),
    (MemberStatus::Active, false),
    (MemberStatus::Deactivated, true),
    (MemberStatus::Deactivated, false),
    (MemberStatus::Former, false),
];

/// Counts the members who have access to accounts by name.
async fn count(connection: &mut SqliteConnection, spots: &Spots, drafts: &mut [Draft]) -> Result<(), Fault> {
    let now = |draft: &Draft| spots.get(&draft.home).map_or(0, |spot| spot.place.now.micros());
    let asked: Vec<(i64, String, i64)> =
        drafts.iter().map(|draft| (draft.home, draft.id.simple().to_string(), now(draft))).collect();
    let mut lines =
        QueryBuilder::<Sqlite>::new("SELECT a.home, a.account_id, m.status, count(*) FROM jsonb_each(");
    lines.push_bind(to_json("accounts", &asked)?);
    lines.push(
        ") p CROSS JOIN member_access a ON a.home = p.value ->> 0 AND a.account_id = unhex(p.value ->> 1)
         CROSS JOIN members m ON m.home = a.home AND m.user_id = a.user_id
         WHERE m.status <> 'former' AND (m.expires_at IS NULL OR m.expires_at > p.value ->> 2) GROUP BY 1, 2, 3",
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
    connection: &mut SqliteConnection,
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
        let home = row.home;
        let Some(spot) = spots.get(&home) else { continue };
        let presence = row.content.as_deref().map(presence).transpose()?.flatten();
        people.entry(home).or_default().add(member(row)?.at(spot.place.now), presence);
    }
    Draft::meet(drafts, &people);
    Ok(())
}

async fn members(
    connection: &mut SqliteConnection,
    survey: &Survey,
    spots: &Spots,
    wanted: &[(i64, UserId)],
) -> Result<Vec<MemberRow>, Fault> {
    let mut asked: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (home, user) in wanted {
        asked.entry(*home).or_default().push(user.uuid().simple().to_string());
    }
    let activity =
        |home: i64| spots.get(&home).and_then(|spot| spot.activity).filter(|_| survey.needs.presence);
    let asked: Vec<_> = asked.into_iter().map(|(home, users)| (home, activity(home), users)).collect();
    // What is said once of a home is taken apart once, rather than with each of its members.
    let mut lines = QueryBuilder::<Sqlite>::new(
        "WITH asked AS MATERIALIZED (SELECT value ->> 0 AS home, value ->> 1 AS activity, value ->> 2 AS users FROM json_each(",
    );
    lines.push_bind(to_json("members", &asked)?);
    lines.push(
        ")) SELECT CAST(json_group_array(json_array(m.home, hex(m.user_id), m.status, m.expires_at, m.joined_at, m.left_at,
         m.deleted_at, m.email, m.name, m.external_id, hex(d.content))) AS BLOB)
         FROM asked a CROSS JOIN json_each(a.users) u
         CROSS JOIN members m ON m.home = a.home AND m.user_id = unhex(u.value)
         LEFT JOIN documents d ON d.home = a.activity AND d.name = ",
    );
    lines.push_bind(presence_names()).push(" || u.value");
    packed(connection, lines).await
}

/// What the names of the documents begin with that tell when people were seen; their id in hexadecimal follows.
fn presence_names() -> String {
    let nobody = Uuid::nil();
    let name = ThePresence(UserId::from_uuid(nobody)).key().document();
    let name = name.as_deref().and_then(|name| name.strip_suffix(&nobody.simple().to_string()));
    name.expect("a document is named by its person's id").to_owned()
}

/// A member as it is packed.
#[derive(Deserialize)]
struct MemberRow {
    home: i64,
    user: Uuid,
    status: String,
    expires_at: Option<i64>,
    joined_at: i64,
    left_at: Option<i64>,
    deleted_at: Option<i64>,
    email: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    #[serde(deserialize_with = "from_hex_some")]
    content: Option<Vec<u8>>,
}

/// A member without what no report looks at: access, and what was cut.
fn member(row: MemberRow) -> Result<Member, Fault> {
    Ok(Member {
        user: UserId::from_uuid(row.user),
        status: from_name("status", row.status)?,
        access: Access::NONE,
        starts_at: None,
        expires_at: instant(row.expires_at),
        joined_at: Timestamp::from_micros(row.joined_at),
        left_at: instant(row.left_at),
        cut_at: None,
        deleted_at: instant(row.deleted_at),
        epoch: 0,
        card: Card {
            email: parse_some("email", row.email)?,
            name: parse_some("name", row.name)?,
            external_id: parse_some("external_id", row.external_id)?,
        },
    })
}

fn presence(content: &[u8]) -> Result<Option<Presence>, Fault> {
    let record = rmp_serde::from_slice(content).map_err(|error| bad("content", error))?;
    Ok(ThePresence::pick(record))
}
