//! Steps in words.

use std::fmt;

use super::Step;
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
            Self::CreateSubscription {
                customer,
                plan,
                offer,
                quantity,
                trial_days,
                ..
            } => {
                let price = &offer.base;
                let customer = customer.as_deref().unwrap_or("the new customer");
                write!(f, "+ subscribe {customer} to {plan} (")?;
                if *quantity != 1 {
                    write!(f, "{quantity} x ")?;
                }
                f.write_str(&price.id)?;
                if let Some(amount) = price.unit_amount {
                    write!(
                        f,
                        ", {} {}",
                        money::format(amount, &price.currency),
                        price.currency
                    )?;
                }
                for usage in &offer.usage {
                    write!(f, ", {}", usage.id)?;
                }
                if *trial_days > 0 {
                    write!(f, ", trial {trial_days} days")?;
                }
                f.write_str(")")
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
            | Self::UndoCancellation { subscription, .. }
            | Self::RestoreIdentity { subscription, .. } => self.fmt_update(f, subscription),
            Self::CancelAtPeriodEnd { subscription } => {
                write!(f, "- cancel {subscription} at the end of its period")
            }
            Self::MarkCanceled { subscription } => {
                write!(f, "~ note on {subscription} that the manifest ends it")
            }
            Self::CancelNow { subscription } => write!(f, "- cancel {subscription} now"),
        }
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
