//! Steps in words.

use std::fmt;

use super::{NewSubscription, Step, TrialStart};
use crate::converge::money;

/// One line, for logs and events. It names no person: of a customer's fields it tells which, not
/// what.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateCustomer { test_clock, .. } => {
                f.write_str("+ create customer")?;
                test_clock
                    .as_ref()
                    .map_or(Ok(()), |clock| write!(f, " on {clock}"))
            }
            Self::CreateSubscription { customer, new, .. } => {
                let customer = customer.as_deref().unwrap_or("the new customer");
                write!(f, "+ subscribe {customer} to {new}")
            }
            Self::UpdateCustomer {
                customer, changes, ..
            } => {
                let fields: Vec<&str> = changes.iter().map(|change| change.field).collect();
                write!(f, "~ update {customer}: {}", fields.join(", "))
            }
            Self::CreateSchedule { subscription, .. } => {
                write!(f, "+ create a schedule for {subscription}")
            }
            Self::ReleaseSchedule {
                subscription,
                schedule,
            } => write!(f, "- release {subscription} from {schedule}"),
            Self::ScheduleChange { schedule, .. } => self.fmt_update(f, schedule),
            Self::ChangeItems { subscription, .. }
            | Self::SetAutomaticTax { subscription, .. }
            | Self::MoveTrialEnd { subscription, .. }
            | Self::SetTrialEnding { subscription, .. }
            | Self::SetCollection { subscription, .. }
            | Self::UndoCancellation { subscription, .. }
            | Self::RestoreIdentity { subscription, .. } => self.fmt_update(f, subscription),
            Self::CancelAtPeriodEnd { subscription } => {
                write!(f, "- cancel {subscription} at the end of its period")
            }
            Self::MarkCanceled { subscription } => {
                write!(f, "~ note on {subscription} that the manifest ends it")
            }
            Self::Collection(step) => step.fmt(f),
            Self::RemindOfTrialEnd { notice, .. } => f.write_str(notice),
            Self::SetDefaultPaymentMethod {
                customer,
                payment_method,
            } => write!(f, "~ charge {customer} by {payment_method}"),
            Self::CreateSetupSession { customer, .. } => write!(
                f,
                "+ make a page for {customer} to leave a payment method (status.payment.setupUrl)"
            ),
            Self::PayInvoice {
                invoice,
                payment_method,
            } => write!(f, "~ pay {invoice} by {payment_method}"),
            Self::Resume { subscription, .. } => write!(f, "~ resume {subscription}"),
            Self::CancelNow { subscription } => write!(f, "- cancel {subscription} now"),
        }
    }
}

/// Plan, prices and trial.
impl fmt::Display for NewSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = &self.offer.base;
        write!(f, "{} (", self.plan)?;
        if self.quantity != 1 {
            write!(f, "{} x ", self.quantity)?;
        }
        f.write_str(&price.id)?;
        if let Some(amount) = price.unit_amount {
            let amount = money::format(amount, &price.currency);
            write!(f, ", {amount} {}", price.currency)?;
        }
        for usage in &self.offer.usage {
            write!(f, ", {}", usage.id)?;
        }
        match self.trial {
            Some(TrialStart::Days(days)) => write!(f, ", trial {days} days")?,
            Some(TrialStart::Until(end)) => write!(f, ", trial until {end}")?,
            None => {}
        }
        f.write_str(")")
    }
}

impl Step {
    fn fmt_update(&self, f: &mut fmt::Formatter<'_>, id: &str) -> fmt::Result {
        write!(f, "~ update {id}")?;
        for (index, change) in self.changes().iter().enumerate() {
            let separator = if index == 0 { ":" } else { "," };
            write!(
                f,
                "{separator} {} \"{}\" -> \"{}\"",
                change.field, change.before, change.after
            )?;
        }
        Ok(())
    }
}
