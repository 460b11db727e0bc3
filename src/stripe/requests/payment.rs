//! Requests about how a tenant pays: its payment method, its trial's end, its collection.

use std::collections::HashMap;

use stripe_billing::invoice::PayInvoice;
use stripe_billing::subscription::{
    ResumeSubscription, ResumeSubscriptionBillingCycleAnchor,
    ResumeSubscriptionBillingCycleAnchorType, ResumeSubscriptionPaymentBehavior,
    UpdateSubscriptionProrationBehavior, UpdateSubscriptionTrialEnd,
    UpdateSubscriptionTrialSettings, UpdateSubscriptionTrialSettingsEndBehavior,
    UpdateSubscriptionTrialSettingsEndBehaviorMissingPaymentMethod as Missing,
};
use stripe_checkout::checkout_session::CreateCheckoutSession;
use stripe_client_core::RequestBuilder;
use stripe_core::customer::{UpdateCustomer, UpdateCustomerInvoiceSettings};
use stripe_shared::{CheckoutSessionMode, SubscriptionCollectionMethod};

use super::subscription::{EXPAND, days, update};
use super::{CUSTOMER_EXPAND, build, checked, identity, metadata_map, trial, with_metadata};
use crate::api::{IfNoPaymentMethod, metadata};
use crate::converge::observed::TenantKey;
use crate::converge::payment::CollectionMethod;
use crate::converge::steps::Step;
use crate::stripe::error::{Class, Error};

/// The request for a step that concerns how a tenant pays.
pub(super) fn request(step: &Step, key: &TenantKey) -> Result<RequestBuilder, Error> {
    match step {
        Step::MoveTrialEnd {
            subscription,
            end,
            declared,
            ..
        } => {
            let end = end.map_or(UpdateSubscriptionTrialEnd::Now, |end| {
                UpdateSubscriptionTrialEnd::Timestamp(end.as_second())
            });
            let update = with_metadata(subscription, [trial(*declared)])?
                .trial_end(end)
                .proration_behavior(UpdateSubscriptionProrationBehavior::None)
                .off_session(true);
            Ok(build(&update))
        }
        Step::SetTrialEnding {
            subscription,
            behavior,
            ..
        } => set_trial_ending(subscription, *behavior),
        Step::RemindOfTrialEnd {
            subscription, end, ..
        } => {
            let mark = (metadata::TRIAL_REMINDER, end.to_string());
            Ok(build(&with_metadata(subscription, [mark])?))
        }
        Step::SetCollection {
            subscription,
            collection,
            ..
        } => set_collection(subscription, *collection),
        Step::SetDefaultPaymentMethod {
            customer,
            payment_method,
        } => {
            let mut settings = UpdateCustomerInvoiceSettings::new();
            settings.default_payment_method = Some(checked(payment_method)?.to_owned());
            let update = UpdateCustomer::new(checked(customer)?)
                .expand([CUSTOMER_EXPAND.to_owned()])
                .invoice_settings(settings);
            Ok(build(&update))
        }
        Step::CreateSetupSession {
            customer,
            currency,
            return_url,
            ..
        } => create_setup_session(customer, currency, return_url, key),
        // A resumed subscription runs from when it is paid for: who cannot pay does not start by
        // accident.
        Step::Resume { subscription, .. } => {
            let anchor = ResumeSubscriptionBillingCycleAnchor::new(
                ResumeSubscriptionBillingCycleAnchorType::Now,
            );
            let resume = ResumeSubscription::new(checked(subscription)?)
                .billing_cycle_anchor(anchor)
                .payment_behavior(ResumeSubscriptionPaymentBehavior::ResumeOnPaymentSuccess)
                .expand([EXPAND.to_owned()]);
            Ok(build(&resume))
        }
        Step::PayInvoice {
            invoice,
            payment_method,
        } => {
            let pay = PayInvoice::new(checked(invoice)?).payment_method(checked(payment_method)?);
            Ok(build(&pay))
        }
        other => Err(Error::new(
            Class::Invalid,
            format!("{other} does not concern how a tenant pays"),
        )),
    }
}

fn set_trial_ending(
    subscription: &str,
    behavior: IfNoPaymentMethod,
) -> Result<RequestBuilder, Error> {
    let mut ending = UpdateSubscriptionTrialSettingsEndBehavior::new();
    ending.missing_payment_method = Some(match behavior {
        IfNoPaymentMethod::Cancel => Missing::Cancel,
        IfNoPaymentMethod::Pause => Missing::Pause,
        IfNoPaymentMethod::Invoice => Missing::CreateInvoice,
    });
    let settings = UpdateSubscriptionTrialSettings::new(ending);
    Ok(build(&update(subscription)?.trial_settings(settings)))
}

fn set_collection(
    subscription: &str,
    collection: CollectionMethod,
) -> Result<RequestBuilder, Error> {
    let update = update(subscription)?;
    Ok(build(&match collection {
        CollectionMethod::Automatic => {
            update.collection_method(SubscriptionCollectionMethod::ChargeAutomatically)
        }
        CollectionMethod::Invoice { days_until_due } => update
            .collection_method(SubscriptionCollectionMethod::SendInvoice)
            .days_until_due(days(days_until_due)?),
    }))
}

/// A page on which the customer leaves a payment method, and nothing is paid.
fn create_setup_session(
    customer: &str,
    currency: &str,
    return_url: &str,
    key: &TenantKey,
) -> Result<RequestBuilder, Error> {
    let currency: stripe_types::Currency = currency.parse().map_err(|_| {
        Error::new(
            Class::Invalid,
            format!("{currency} is no currency that Stripe knows"),
        )
    })?;
    let whose: HashMap<String, String> = metadata_map(identity(key));
    let create = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Setup)
        .customer(checked(customer)?)
        .currency(currency)
        .success_url(return_url)
        .cancel_url(return_url)
        .metadata(whose);
    Ok(build(&create))
}
