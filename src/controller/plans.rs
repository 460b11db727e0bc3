//! One look at a plan: its product and price in Stripe, its status, and its tenants told.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};

use super::catalogue::Entry;
use super::context::Context;
use super::error::Error;
use super::publish;
use crate::api::{BillingPlanStatus, Lenient, PlanObject, reason};
use crate::converge::catalogue::{self, CatalogueStep, DesiredPlan, DesiredPrice, ObservedPlan};
use crate::converge::conditions::Outcome;
use crate::converge::desired::InvalidSpec;
use crate::converge::observed::{Account, Price};
use crate::converge::status;
use crate::stripe::{Answer, ChangedCatalogue, Class, Session};

/// Requests for one step with keys of their own, within a minute.
const ATTEMPTS_A_MINUTE: u32 = 4;

/// Looks at a plan, brings it about, and reports.
pub(super) async fn reconcile(
    object: Arc<PlanObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    context.check_leadership()?;
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let looked = match look(&object, &context).await {
        Ok(looked) => looked,
        Err(error) => match error.outcome() {
            Some(outcome) => Looked {
                outcome,
                seen: None,
                account: None,
            },
            None => return Err(error),
        },
    };
    report(&object, &context, looked).await
}

struct Looked {
    outcome: Outcome,
    /// What should be, and the price that stands for it.
    seen: Option<(DesiredPlan, Option<Price>)>,
    account: Option<Account>,
}

async fn look(object: &PlanObject, context: &Context) -> Result<Looked, Error> {
    let desired = match desired(object, &context.owner) {
        Ok(desired) => desired,
        Err(invalid) => {
            let message = invalid.to_string();
            let outcome = Outcome::Stalled {
                reason: reason::INVALID_SPEC,
                message,
            };
            return Ok(Looked {
                outcome,
                seen: None,
                account: None,
            });
        }
    };
    let session = context.stripe.session().await?;
    let account = session.account().clone();
    if let Some(outcome) = wrong_account(&object.status_or_default(), &account) {
        return Ok(Looked {
            outcome,
            seen: None,
            account: Some(account),
        });
    }
    let observed = converge(object, context, &session, &desired).await?;
    let hold = catalogue::plan(&desired, &observed).hold;
    let outcome = match hold {
        Some(hold) => hold.into(),
        None => Outcome::Reached("the product and price in Stripe are as the manifest says".into()),
    };
    Ok(Looked {
        outcome,
        seen: Some((desired, observed.price)),
        account: Some(account),
    })
}

fn desired(object: &PlanObject, owner: &str) -> Result<DesiredPlan, InvalidSpec> {
    match &object.spec {
        Lenient::Valid(spec) => catalogue::desired(owner, &object.name_any(), spec),
        Lenient::Invalid(malformed) => Err(InvalidSpec::new(
            format!("spec.{}", malformed.path),
            malformed.message.clone(),
        )),
    }
}

fn wrong_account(status: &BillingPlanStatus, account: &Account) -> Option<Outcome> {
    let pinned = status.account_id.as_ref()?;
    let same = **pinned == *account.id && status.livemode == Some(account.livemode);
    (!same).then(|| Outcome::Stalled {
        reason: reason::WRONG_ACCOUNT,
        message: format!(
            "this plan lives in the Stripe account {pinned}, but the operator's API key belongs to \
             {}; give the operator the right key, or make the plan anew under another name",
            account.id
        ),
    })
}

/// Runs the plan's steps. The product's id and the price's lookup key are fixed by the terms, so a
/// step that ran twice meets its first result.
async fn converge(
    object: &PlanObject,
    context: &Context,
    session: &Session,
    desired: &DesiredPlan,
) -> Result<ObservedPlan, Error> {
    let mut observed = observe(session, desired).await?;
    let steps = catalogue::plan(desired, &observed).steps;
    if steps.is_empty() {
        return Ok(observed);
    }
    for step in &steps {
        let answer = match run_step(context, session, desired, step).await {
            Ok(answer) => answer,
            // Ids and lookup keys are taken once. If what was to be made is there by now, another
            // replica's last request made it, and that is as good.
            Err(Error::Stripe(error)) if error.class == Class::Invalid => {
                let now = observe(session, desired).await?;
                if catalogue::plan(desired, &now).steps.contains(step) {
                    return Err(error.into());
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let note = step.describe(desired);
        tracing::info!(
            plan = desired.name,
            step = note,
            request_id = answer.request_id.as_deref().unwrap_or_default(),
            "changed Stripe"
        );
        context
            .events
            .normal(object, "CatalogueUpdated", &note)
            .await;
    }
    observed = observe(session, desired).await?;
    match catalogue::plan(desired, &observed).steps.first() {
        None => Ok(observed),
        Some(step) => Err(Error::NotConverging(steps.len(), step.describe(desired))),
    }
}

/// Runs one step, passing over failures that Stripe has stored for an earlier request.
async fn run_step(
    context: &Context,
    session: &Session,
    desired: &DesiredPlan,
    step: &CatalogueStep,
) -> Result<Answer<ChangedCatalogue>, Error> {
    // The lookup key guards against a second price; a minute later the request is another one, so
    // that a stored answer does not outlive its cause.
    let minute = u32::try_from(Timestamp::now().as_second() / 60).unwrap_or(u32::MAX);
    let mut salt = minute.saturating_mul(ATTEMPTS_A_MINUTE);
    for _ in 1..ATTEMPTS_A_MINUTE {
        context.check_leadership()?;
        match session.run_catalogue_step(step, desired, salt).await {
            Err(error) if error.replayed => salt = salt.saturating_add(1),
            answer => return Ok(answer?),
        }
    }
    context.check_leadership()?;
    Ok(session.run_catalogue_step(step, desired, salt).await?)
}

async fn observe(session: &Session, desired: &DesiredPlan) -> Result<ObservedPlan, Error> {
    let product = match desired.base {
        DesiredPrice::Managed { .. } => session.find_product(&desired.product_id()).await?,
        DesiredPrice::Existing { .. } => None,
    };
    let price = session
        .find_price_by_lookup_key(&desired.lookup_key())
        .await?;
    Ok(ObservedPlan { product, price })
}

async fn report(object: &PlanObject, context: &Context, looked: Looked) -> Result<Action, Error> {
    let Looked {
        outcome,
        seen,
        account,
    } = looked;
    let previous = object.status_or_default();
    let seen_facts = account.as_ref().zip(seen.as_ref());
    let status = status::plan(
        &previous,
        object.generation(),
        &outcome,
        seen_facts.map(|(account, (desired, price))| (account, desired, price.as_ref())),
        Timestamp::now(),
    );
    if let Outcome::Stalled { reason, message } = &outcome
        && !previous
            .conditions
            .iter()
            .any(|c| c.type_ == "Stalled" && c.message == *message)
    {
        tracing::warn!(plan = object.name_any(), reason, message, "stalled");
        context.events.warning(object, reason, message).await;
    }
    let plan = match (&outcome, seen) {
        (Outcome::Reached(_), Some((desired, Some(price)))) => Ok(desired.resolve(price)),
        _ => Err(outcome.clone()),
    };
    let reference = ObjectRef::from_obj(object);
    let failing = matches!(outcome, Outcome::Reconciling { .. });
    // A plan that was resolved stays so while Stripe cannot be asked: its price is immutable.
    let known = context.catalogue.get(&object.name_any());
    let still_good =
        known.is_some_and(|entry| entry.plan.is_ok() && entry.generation == object.generation());
    if !(failing && still_good) {
        let entry = Entry {
            generation: object.generation(),
            account,
            plan,
        };
        if context.catalogue.record(&object.name_any(), entry) {
            context
                .triggers
                .tenants(context.tenants.on_plan(&object.name_any()));
        }
    }
    let api: Api<PlanObject> = Api::all(context.kube.clone());
    publish::status(&api, object, &previous, &status).await?;
    if failing {
        return Ok(Action::requeue(context.plan_backoff.failed(reference)));
    }
    context.plan_backoff.succeeded(&reference);
    Ok(Action::requeue(context.next_look()))
}
