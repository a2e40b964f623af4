//! `roster activity`: what people did, from what sources tell.

use clap::{Args, ValueEnum};
use roster_api::shapes::customer as shapes;
use roster_core::reads::{self, ActivityAsk};
use roster_core::reference::UserRef;
use roster_core::time::Timestamp;

use super::open;
use crate::args::{Global, InOrganization, Limit};
use crate::cursor::Cursor;
use crate::failure::Failure;
use crate::output::Column;
use crate::session::Listed;

/// Flags.
#[derive(Debug, Args)]
pub struct Activity {
    #[command(flatten)]
    within: InOrganization,
    /// Only of this user, by id or `ext:VALUE`.
    #[arg(long)]
    user: Option<UserRef>,
    /// Only this event.
    #[arg(long)]
    event: Option<String>,
    /// From this day or instant on.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Timestamp>,
    /// Before this day or instant.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<Timestamp>,
    /// By what it is summed [default: all three].
    #[arg(long, value_enum, value_delimiter = ',')]
    group_by: Vec<Key>,
    #[command(flatten)]
    limit: Limit,
}

/// By what it is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    /// One row a user.
    User,
    /// One row an event.
    Event,
    /// One row a day.
    Day,
}

const COLUMNS: &[Column] = &[("USER", "/user_id"), ("EVENT", "/event"), ("DAY", "/day"), ("COUNT", "/count")];

fn instant(text: &str) -> Result<Timestamp, String> {
    let day = format!("{text}T00:00:00Z");
    text.parse().or_else(|_| day.parse()).map_err(|_| "write 2027-01-31 or 2027-01-31T12:00:00Z".to_owned())
}

/// Does it.
pub async fn run(asked: Activity, global: &Global) -> Result<(), Failure> {
    let session = open(global).await?;
    let organization = session.organization(&asked.within.organization).await?;
    let by = |key| asked.group_by.is_empty() || asked.group_by.contains(&key);
    let ask = ActivityAsk {
        user: asked.user.clone(),
        event: asked.event.clone(),
        from: asked.from,
        to: asked.to,
        by_user: by(Key::User),
        by_event: by(Key::Event),
        by_day: by(Key::Day),
    };
    let most = asked.limit.rows().unwrap_or(usize::MAX);
    let (mut rows, mut after) = (Vec::new(), asked.limit.after()?);
    let next = loop {
        let room = u16::try_from(most - rows.len()).unwrap_or(10_000).min(10_000);
        let request = session.request();
        let (page, next) =
            reads::activity(&session.roster, &request, organization, &ask, after.as_ref(), room).await?;
        rows.extend(page.iter().map(shapes::activity));
        after = next;
        if after.is_none() || rows.len() >= most {
            break after.as_ref().map(Cursor::to);
        }
    };
    session.out.list(
        "Activity",
        &Listed { rows, next },
        COLUMNS,
        "Nobody did anything that a source told of.",
    )
}
