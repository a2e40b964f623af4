//! What a home says of its webhooks, or of how far they have come.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::home::Record;
use crate::id::{DeliveryId, WebhookId};
use crate::model::{Delivery, DeliveryStatus, WebhookLine, WebhookList, WebhookRecord};
use crate::store::Dump;

/// The list names the webhooks that there are; what a line says waits is what waits.
pub(super) fn check(dump: &Dump, report: Report<'_>) {
    let (mut there, mut listed): (Vec<WebhookId>, Vec<WebhookId>) = (Vec::new(), Vec::new());
    let mut lines: Vec<&WebhookLine> = Vec::new();
    let mut deliveries: BTreeMap<WebhookId, Vec<&Delivery>> = BTreeMap::new();
    for stored in &dump.records {
        let Record::Webhook(it) = &stored.record else { continue };
        match it.as_ref() {
            WebhookRecord::Webhook(it) => there.push(it.id),
            WebhookRecord::List(WebhookList(ids)) => listed.clone_from(ids),
            WebhookRecord::Line(it) => lines.push(it),
            WebhookRecord::Delivery(it) => deliveries.entry(it.webhook).or_default().push(it),
        }
    }
    if there != listed {
        report("webhooks", format!("{} are there, {} are listed, not the same", there.len(), listed.len()));
    }
    for line in lines {
        let sent = deliveries.remove(&line.id).unwrap_or_default();
        let waits = sent.iter().filter(|it| it.status == DeliveryStatus::Pending).map(|it| it.id);
        let said: BTreeSet<DeliveryId> = line.pending.iter().map(|it| it.delivery).collect();
        if waits.collect::<BTreeSet<_>>() != said || said.len() != line.pending.len() {
            report("webhooks", format!("{} does not say rightly what waits", line.id));
        }
        if u32::try_from(sent.len()) != Ok(line.kept) {
            report("webhooks", format!("{} keeps {}, and says {}", line.id, sent.len(), line.kept));
        }
    }
    for webhook in deliveries.keys() {
        report("webhooks", format!("{webhook} has sent something, and nothing says how far it has come"));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{CommitId, EventId};
    use crate::log::Head;
    use crate::model::{DeliveredEvent, Pending};
    use crate::store::Stored;
    use crate::time::Timestamp;

    fn delivery(n: u128, status: DeliveryStatus) -> Delivery {
        let id = EventId::from_uuid(Uuid::from_u128(n));
        let (kind, home) = ("member.added".to_owned(), crate::home::Home::Deployment);
        Delivery {
            id: DeliveryId::from_uuid(Uuid::from_u128(n)),
            webhook: WebhookId::from_uuid(Uuid::from_u128(1)),
            event: DeliveredEvent { id, kind, organization: None, home, seq: 1, n: 0 },
            status,
            attempts: 1,
            tries: 1,
            response_status: None,
            error: None,
            created_at: Timestamp::EPOCH,
            next_attempt_at: None,
            delivered_at: None,
        }
    }

    fn findings(records: Vec<Record>) -> usize {
        let stored = |record| Stored { record, version: CommitId::from_uuid(Uuid::nil()) };
        let dump = Dump {
            head: Head::start(&crate::home::Home::Webhooks(0)),
            records: records.into_iter().map(stored).collect(),
            tallies: BTreeMap::new(),
            due: Vec::new(),
        };
        let mut found = 0;
        check(&dump, &mut |_, _| found += 1);
        found
    }

    #[test]
    fn what_does_not_fit_together_is_found() {
        let waits = delivery(2, DeliveryStatus::Pending);
        let pending = vec![Pending { at: Timestamp::EPOCH, delivery: waits.id }];
        let line = WebhookLine { pending, kept: 2, ..WebhookLine::new(waits.webhook, None) };
        let done = delivery(3, DeliveryStatus::Delivered);
        assert_eq!(findings(vec![line.clone().into(), waits.clone().into(), done.clone().into()]), 0);
        assert_eq!(findings(vec![line.clone().into(), waits.clone().into()]), 1, "one is missing");
        let other = WebhookLine { pending: Vec::new(), ..line.clone() };
        assert_eq!(findings(vec![other.into(), waits.into(), done.clone().into()]), 1, "nobody tries it");
        assert_eq!(findings(vec![done.into()]), 1, "the line is missing");
        assert_eq!(findings(vec![WebhookList(vec![line.id]).into()]), 1, "the webhook is missing");
    }
}
