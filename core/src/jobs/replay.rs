//! All dead letters of a source put back into its inbox: those that were there when it was asked for (rule G5).

use std::time::Duration;

use super::{Held, Interrupted, as_asked};
use crate::id::{DeadLetterId, SourceId};
use crate::ingest::{letters_behind, put_back_named, waits_again};
use crate::model::Job;
use crate::ops::job::Advance;

/// How many letters are put back before the job says so.
const CHUNK: u16 = 50;
/// So often, at most, it is looked whether those before are applied, and after how long again. They are older than all that
/// comes meanwhile, which would wait for all of them.
const LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many are counted at a time.
const COUNTED: u16 = 200;

/// Behind which letter it goes on, and those before that it is at: they are named before they are put back, so that whoever
/// takes over tells of each of them.
#[derive(Default)]
struct Place {
    after: Option<DeadLetterId>,
    at: Vec<DeadLetterId>,
}

impl Place {
    fn read(cursor: Option<&str>) -> Self {
        let (after, at) = cursor.and_then(|cursor| cursor.split_once('/')).unwrap_or_default();
        Self { after: after.parse().ok(), at: at.split(' ').filter_map(|id| id.parse().ok()).collect() }
    }

    fn written(&self) -> String {
        let after = self.after.map(|id| id.to_string()).unwrap_or_default();
        let at: Vec<String> = self.at.iter().map(ToString::to_string).collect();
        format!("{after}/{}", at.join(" "))
    }
}

impl Held {
    pub(super) async fn replay_letters(&self, mut job: Job, source: SourceId) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        let asked_at = job.created_at;
        if job.cursor.is_none() {
            let (mut total, mut after) = (0, None);
            while let Some((letters, last)) = letters_behind(&self.roster, source, after, COUNTED).await? {
                total += letters.iter().filter(|letter| letter.was_there(asked_at)).count() as u64;
                after = Some(last);
            }
            let (total, cursor) = (Some(total), Some(Place::default().written()));
            job = self.say(&request, job.id, Advance { cursor, total, ..Advance::default() }).await?;
        }
        loop {
            let mut place = Place::read(job.cursor.as_deref());
            let mut outcomes = Vec::new();
            if place.at.is_empty() {
                let found = letters_behind(&self.roster, source, place.after, CHUNK).await?;
                let Some((letters, last)) = found else { return Ok(()) };
                let there = letters.iter().filter(|letter| letter.was_there(asked_at));
                place = Place { after: Some(last), at: there.map(|letter| letter.id).collect() };
            } else {
                if job.done > 0 {
                    self.let_news_by(source).await?;
                }
                let Some(put_back) = put_back_named(&self.roster, &request, source, &place.at).await? else {
                    return Err(Interrupted::Hopeless("the source was deleted".to_owned()));
                };
                (outcomes, place.at) = (put_back, Vec::new());
            }
            let cursor = Some(place.written());
            job = self.say(&request, job.id, Advance { outcomes, cursor, ..Advance::default() }).await?;
        }
    }

    /// Waits a little until what was put back before is applied, where somebody applies it.
    async fn let_news_by(&self, source: SourceId) -> Result<(), Interrupted> {
        for _ in 0..LOOKS {
            if !waits_again(&self.roster, source).await? {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}
