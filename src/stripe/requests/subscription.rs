//! Requests that change what a subscription sells, at once or by a schedule, and ask what it charges.

use jiff::Timestamp;
use stripe_billing::invoice::{
    CreatePreviewInvoice, CreatePreviewInvoiceSubscriptionDetails,
    CreatePreviewInvoiceSubscriptionDetailsItems,
    CreatePreviewInvoiceSubscriptionDetailsProrationBehavior as PreviewBehavior,
};
use stripe_billing::subscription::{
    CreateSubscription, CreateSubscriptionAutomaticTax, CreateSubscriptionItems,
    CreateSubscriptionPaymentBehavior, CreateSubscriptionTrialEnd, CreateSubscriptionTrialSettings,
    CreateSubscriptionTrialSettingsEndBehavior,
    CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod, UpdateSubscription,
    UpdateSubscriptionAutomaticTax, UpdateSubscriptionItems, UpdateSubscriptionPaymentBehavior,
    UpdateSubscriptionProrationBehavior,
};
use stripe_billing::subscription_schedule::{
    CreateSubscriptionSchedule, ReleaseSubscriptionSchedule, UpdateSubscriptionSchedule,
    UpdateSubscriptionSchedulePhases, UpdateSubscriptionSchedulePhasesDiscounts,
    UpdateSubscriptionSchedulePhasesDuration, UpdateSubscriptionSchedulePhasesDurationInterval,
    UpdateSubscriptionSchedulePhasesEndDate, UpdateSubscriptionSchedulePhasesItems,
    UpdateSubscriptionSchedulePhasesProrationBehavior, UpdateSubscriptionSchedulePhasesStartDate,
};
use stripe_client_core::RequestBuilder;
use stripe_shared::{SubscriptionCollectionMethod, SubscriptionScheduleEndBehavior};

use super::{build, checked, identity, metadata_map, trial};
use crate::api::{Charged, IfNoPaymentMethod, Interval, Proration};
use crate::converge::observed::{Phase, PhaseItem, TenantKey};
use crate::converge::payment::CollectionMethod;
use crate::converge::quote::QuoteRequest;
use crate::converge::steps::{FirstPayment, ItemChange, NewSubscription, Step, TrialStart};
use crate::stripe::error::{Class, Error};

/// What is asked of Stripe whenever it answers with a subscription: whose its schedule is, and what
/// that leads to.
pub(in crate::stripe) const EXPAND: &str = "schedule";

/// What a schedule is to do.
#[derive(Clone, Copy)]
struct Phases<'a> {
    /// The running phase.
    current: &'a Phase,
    /// What is sold after it.
    next: &'a [PhaseItem],
    /// How often that is billed.
    interval: Interval,
    /// Discounts of the subscription.
    discounts: &'a [String],
}

/// Subscribes a customer.
pub(super) fn create(
    customer: &str,
    new: &NewSubscription,
    key: &TenantKey,
) -> Result<RequestBuilder, Error> {
    let mut base = CreateSubscriptionItems::new();
    base.price = Some(new.offer.base.id.clone());
    base.quantity = Some(count(new.quantity)?);
    // Stripe refuses a quantity with a metered price.
    let usage = new.offer.usage.iter().map(|price| {
        let mut item = CreateSubscriptionItems::new();
        item.price = Some(price.id.clone());
        item
    });
    let items: Vec<CreateSubscriptionItems> = std::iter::once(base).chain(usage).collect();
    let entries = identity(key).into_iter().chain([trial(new.declared_trial)]);
    let mut create = CreateSubscription::new()
        .customer(checked(customer)?)
        .items(items)
        .expand([EXPAND.to_owned()])
        .metadata(metadata_map(entries));
    if new.automatic_tax {
        create = create.automatic_tax(CreateSubscriptionAutomaticTax::new(true));
    }
    Ok(build(&collected(with_trial(create, new)?, new)?))
}

/// Says how the invoices of a new subscription are paid. How a first payment is made has a meaning
/// only for those that are charged.
fn collected(
    create: CreateSubscription,
    new: &NewSubscription,
) -> Result<CreateSubscription, Error> {
    use CreateSubscriptionPaymentBehavior::{AllowIncomplete, DefaultIncomplete};
    Ok(match (new.collection, new.first_payment) {
        (CollectionMethod::Invoice { days_until_due }, _) => create
            .collection_method(SubscriptionCollectionMethod::SendInvoice)
            .days_until_due(days(days_until_due)?),
        (CollectionMethod::Automatic, FirstPayment::OnFile) => {
            create.payment_behavior(AllowIncomplete).off_session(true)
        }
        // Stripe refuses to charge where nothing is on file; this leaves the invoice to the customer.
        (CollectionMethod::Automatic, FirstPayment::ByCustomer) => {
            create.payment_behavior(DefaultIncomplete)
        }
    })
}

/// Says what trial a new subscription begins with, and what happens at its end.
fn with_trial(
    create: CreateSubscription,
    new: &NewSubscription,
) -> Result<CreateSubscription, Error> {
    use CreateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod as Missing;
    let create = match new.trial {
        None => return Ok(create),
        Some(TrialStart::Days(length)) => create.trial_period_days(days(length)?),
        Some(TrialStart::Until(end)) => {
            create.trial_end(CreateSubscriptionTrialEnd::Timestamp(end.as_second()))
        }
    };
    if new.collection != CollectionMethod::Automatic {
        return Ok(create);
    }
    let mut ending = CreateSubscriptionTrialSettingsEndBehavior::new();
    ending.missing_payment_method = Some(match new.if_no_payment_method {
        IfNoPaymentMethod::Cancel => Missing::Cancel,
        IfNoPaymentMethod::Pause => Missing::Pause,
        IfNoPaymentMethod::Invoice => Missing::CreateInvoice,
    });
    Ok(create.trial_settings(CreateSubscriptionTrialSettings::new(ending)))
}

/// A number of days, as Stripe's parameters take it.
pub(super) fn days(days: i64) -> Result<u32, Error> {
    u32::try_from(days).map_err(|_| {
        Error::new(
            Class::Invalid,
            format!("{days} is no number of days that Stripe takes"),
        )
    })
}

/// The request for a step that changes what a subscription sells, now or later, or its taxes.
pub(super) fn change(step: &Step, key: &TenantKey) -> Result<RequestBuilder, Error> {
    match step {
        Step::ChangeItems {
            subscription,
            items,
            proration,
            proration_date,
            ..
        } => {
            let date = proration_date.map(Timestamp::as_second);
            change_items(subscription, items, *proration, date)
        }
        Step::CreateSchedule { subscription, .. } => create_schedule(subscription),
        Step::ScheduleChange {
            schedule,
            current,
            next,
            interval,
            discounts,
            ..
        } => {
            let phases = Phases {
                current,
                next,
                interval: *interval,
                discounts,
            };
            schedule_change(schedule, &phases, key)
        }
        Step::ReleaseSchedule { schedule, .. } => release_schedule(schedule),
        Step::SetAutomaticTax {
            subscription,
            enabled,
            ..
        } => {
            let tax = UpdateSubscriptionAutomaticTax::new(*enabled);
            Ok(build(&update(subscription)?.automatic_tax(tax)))
        }
        other => Err(Error::new(
            Class::Invalid,
            format!("{other} is no change of a subscription's items"),
        )),
    }
}

/// Changes what a subscription sells.
fn change_items(
    subscription: &str,
    changes: &[ItemChange],
    proration: Proration,
    proration_date: Option<i64>,
) -> Result<RequestBuilder, Error> {
    let items = changes
        .iter()
        .map(|change| {
            let fields = ItemFields::of(change)?;
            let mut item = UpdateSubscriptionItems::new();
            item.id = fields.id;
            item.price = fields.price;
            item.quantity = fields.quantity;
            item.deleted = fields.deleted;
            Ok(item)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let behavior = match proration {
        Proration::Create => UpdateSubscriptionProrationBehavior::CreateProrations,
        Proration::InvoiceNow => UpdateSubscriptionProrationBehavior::AlwaysInvoice,
        Proration::None => UpdateSubscriptionProrationBehavior::None,
    };
    // A card that is declined leaves an open invoice, and dunning takes it from there; the change
    // itself is made either way.
    let mut update = update(subscription)?
        .items(items)
        .proration_behavior(behavior)
        .payment_behavior(UpdateSubscriptionPaymentBehavior::AllowIncomplete)
        .off_session(true);
    if let Some(date) = proration_date {
        update = update.proration_date(date);
    }
    Ok(build(&update))
}

/// An update of a subscription, answered with its schedule.
pub(super) fn update(subscription: &str) -> Result<UpdateSubscription, Error> {
    Ok(UpdateSubscription::new(checked(subscription)?).expand([EXPAND.to_owned()]))
}

/// Puts a subscription under a schedule. Stripe takes no other parameter along with this one.
fn create_schedule(subscription: &str) -> Result<RequestBuilder, Error> {
    let create = CreateSubscriptionSchedule::new().from_subscription(checked(subscription)?);
    Ok(build(&create))
}

/// Writes the two phases of a schedule: the running one as it is, and what comes after it. When the
/// second has begun the schedule has done its work, and it lets go by itself at the latest when that
/// phase ends.
fn schedule_change(
    schedule: &str,
    phases: &Phases<'_>,
    key: &TenantKey,
) -> Result<RequestBuilder, Error> {
    let Phases {
        current,
        next,
        interval,
        discounts,
    } = *phases;
    let mut first = UpdateSubscriptionSchedulePhases::new(phase_items(&current.items)?);
    first.start_date = Some(UpdateSubscriptionSchedulePhasesStartDate::Timestamp(
        current.start.as_second(),
    ));
    first.end_date = Some(UpdateSubscriptionSchedulePhasesEndDate::Timestamp(
        current.end.as_second(),
    ));
    first.proration_behavior = Some(UpdateSubscriptionSchedulePhasesProrationBehavior::None);
    let mut second = UpdateSubscriptionSchedulePhases::new(phase_items(next)?);
    second.proration_behavior = Some(UpdateSubscriptionSchedulePhasesProrationBehavior::None);
    let mut duration = UpdateSubscriptionSchedulePhasesDuration::new(match interval {
        Interval::Month => UpdateSubscriptionSchedulePhasesDurationInterval::Month,
        Interval::Year => UpdateSubscriptionSchedulePhasesDurationInterval::Year,
    });
    duration.interval_count = Some(1);
    second.duration = Some(duration);
    // What a phase does not name, it does not have.
    if !discounts.is_empty() {
        let reused = phase_discounts(discounts)?;
        first.discounts = Some(reused.clone());
        second.discounts = Some(reused);
    }
    let update = UpdateSubscriptionSchedule::new(checked(schedule)?)
        .phases([first, second])
        .end_behavior(SubscriptionScheduleEndBehavior::Release)
        .metadata(metadata_map(identity(key)));
    Ok(build(&update))
}

/// Takes the subscription out of a schedule.
fn release_schedule(schedule: &str) -> Result<RequestBuilder, Error> {
    Ok(build(&ReleaseSubscriptionSchedule::new(checked(schedule)?)))
}

/// Asks what a change would charge.
///
/// A change whose difference goes on the next invoice is previewed as if it were invoiced at once:
/// Stripe prorates alike, and that invoice holds nothing else that could push the lines in question
/// off the first page.
pub(in crate::stripe) fn preview(request: &QuoteRequest) -> Result<RequestBuilder, Error> {
    let items = request
        .items
        .iter()
        .map(|change| {
            let fields = ItemFields::of(change)?;
            let mut item = CreatePreviewInvoiceSubscriptionDetailsItems::new();
            item.id = fields.id;
            item.price = fields.price;
            item.quantity = fields.quantity;
            item.deleted = fields.deleted;
            Ok(item)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut details = CreatePreviewInvoiceSubscriptionDetails::new();
    details.items = Some(items);
    details.proration_behavior = Some(match (request.proration, request.charged) {
        (Proration::None, _) => PreviewBehavior::None,
        (Proration::Create, Charged::Now) => PreviewBehavior::CreateProrations,
        _ => PreviewBehavior::AlwaysInvoice,
    });
    if request.proration != Proration::None {
        details.proration_date = Some(request.proration_date.as_second());
    }
    let preview = CreatePreviewInvoice::new()
        .subscription(checked(&request.subscription)?)
        .subscription_details(details);
    Ok(build(&preview))
}

struct ItemFields {
    id: Option<String>,
    price: Option<String>,
    quantity: Option<u64>,
    deleted: Option<bool>,
}

impl ItemFields {
    fn of(change: &ItemChange) -> Result<Self, Error> {
        let owned = |id: &str| checked(id).map(|id| Some(id.to_owned()));
        Ok(match change {
            ItemChange::Update {
                item,
                price,
                quantity,
            } => Self {
                id: owned(item)?,
                price: owned(price)?,
                quantity: quantity.map(count).transpose()?,
                deleted: None,
            },
            ItemChange::Add { price, quantity } => Self {
                id: None,
                price: owned(price)?,
                quantity: quantity.map(count).transpose()?,
                deleted: None,
            },
            ItemChange::Remove { item } => Self {
                id: owned(item)?,
                price: None,
                quantity: None,
                deleted: Some(true),
            },
        })
    }
}

fn phase_discounts(
    ids: &[String],
) -> Result<Vec<UpdateSubscriptionSchedulePhasesDiscounts>, Error> {
    ids.iter()
        .map(|id| {
            let mut discount = UpdateSubscriptionSchedulePhasesDiscounts::new();
            discount.discount = Some(checked(id)?.to_owned());
            Ok(discount)
        })
        .collect()
}

fn phase_items(items: &[PhaseItem]) -> Result<Vec<UpdateSubscriptionSchedulePhasesItems>, Error> {
    items
        .iter()
        .map(|item| {
            let mut phase_item = UpdateSubscriptionSchedulePhasesItems::new();
            phase_item.price = Some(checked(&item.price)?.to_owned());
            phase_item.quantity = item.quantity.map(count).transpose()?;
            Ok(phase_item)
        })
        .collect()
}

fn count(quantity: i64) -> Result<u64, Error> {
    u64::try_from(quantity)
        .map_err(|_| Error::new(Class::Invalid, format!("{quantity} is no quantity")))
}
