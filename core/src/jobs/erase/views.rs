//! Saved views that ask for the person by name.

use super::super::Interrupted;
use super::{Erasing, PAGE};
use crate::home::{Home, Key, Record};
use crate::id::ViewId;
use crate::model::customer::{Customer, CustomerKey};
use crate::op::run;
use crate::ops::customer::ForgetInView;

impl Erasing<'_> {
    pub(super) async fn views(&mut self) -> Result<(), Interrupted> {
        let mut after = Key::Customer(CustomerKey::View(ViewId::from_uuid(uuid::Uuid::nil())));
        loop {
            let found = self.held.roster.store.records(&Home::Deployment, Some(&after), PAGE).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.record.key();
            for stored in found {
                let Record::Customer(it) = stored.record else { return Ok(()) };
                let Customer::View(view) = *it else { return Ok(()) };
                let operation = ForgetInView { view: view.id, names: self.names.clone() };
                if operation.without(view.filter.as_deref()).is_some() {
                    run(&self.held.roster, &self.request.as_system("view"), &operation).await?;
                }
            }
            self.go_on().await?;
        }
    }
}
