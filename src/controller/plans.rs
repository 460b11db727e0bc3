//! One look at a plan: its product, prices and meters in Stripe, its status, and its tenants told.

mod converge;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource as _, ResourceExt as _};

use self::converge::Seen;
use super::catalogue::{Entry, Sighting, Subject};
use super::context::{Context, PlanRef};
use super::error::Error;
use super::publish;
use crate::api::{ANNOTATIONS, BillingPlanStatus, Lenient, PlanObject, reason};
use crate::converge::catalogue::{self, Claim, DesiredPlan};
use crate::converge::conditions::Outcome;
use crate::converge::desired::InvalidSpec;
use crate::converge::observed::Account;
use crate::converge::status::{self, PlanLook, PlanSeen};

/// When older prices are looked at after their tenants were told of new ones.
const SOON: Duration = Duration::from_secs(1);

/// Looks at a plan, brings it about, and reports.
pub(super) async fn reconcile(
    object: Arc<PlanObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    context.wait_until_watched().await;
    context.check_leadership()?;
    let Some(object) = current(object, &context).await? else {
        return Ok(Action::await_change());
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let looked = match look(&object, &context).await {
        Ok(Look::TooSoon(wait)) => return Ok(Action::requeue(wait)),
        Ok(Look::Took(looked)) => *looked,
        Err(error) => match error.outcome() {
            Some(outcome) => Looked::blind(outcome),
            None => return Err(error),
        },
    };
    report(&object, &context, looked).await
}

/// The plan as it is: the watch may not yet show the status that was written last.
async fn current(
    object: Arc<PlanObject>,
    context: &Context,
) -> Result<Option<Arc<PlanObject>>, Error> {
    let reference = ObjectRef::from_obj(object.as_ref());
    let seen = object.resource_version();
    if !context
        .plans_written
        .may_outdate(&reference, seen.as_deref())
    {
        return Ok(Some(object));
    }
    let api: Api<PlanObject> = Api::all(context.kube.clone());
    let fresh = publish::fresh(&api, &object.name_any()).await?;
    Ok(fresh.map(Arc::new))
}

/// Whether a manifest was not looked at yet as it is now.
pub(super) fn is_news(context: &Context, plan: &PlanObject) -> bool {
    let known = context.catalogue.get(&plan.name_any());
    plan.metadata.deletion_timestamp.is_some()
        || known.is_none_or(|entry| entry.generation != plan.generation())
}

/// The other plans with usage, whose meters a change of this one may concern.
pub(super) fn sharing(context: &Context, changed: &PlanObject) -> Vec<PlanRef> {
    let has_usage = |plan: &PlanObject| {
        let spec = plan.spec.as_valid();
        spec.is_some_and(|spec| !spec.usage.is_empty())
    };
    let plans = context.plans.state();
    let others = plans
        .iter()
        .filter(|plan| plan.name_any() != changed.name_any() && has_usage(plan));
    others
        .map(|plan| ObjectRef::from_obj(plan.as_ref()))
        .collect()
}

enum Look {
    /// It was taken.
    Took(Box<Looked>),
    /// Nothing but counts can have changed, and those were written a moment ago.
    TooSoon(Duration),
}

impl Look {
    fn took(looked: Looked) -> Self {
        Self::Took(Box::new(looked))
    }
}

/// What a look came to.
struct Looked {
    outcome: Outcome,
    account: Option<Account>,
    seen: Option<(DesiredPlan, Seen)>,
}

impl Looked {
    /// Nothing was seen in Stripe.
    fn blind(outcome: Outcome) -> Self {
        Self {
            outcome,
            account: None,
            seen: None,
        }
    }
}

async fn look(object: &PlanObject, context: &Context) -> Result<Look, Error> {
    let desired = match settled(object, context) {
        Ok(desired) => desired,
        Err(outcome) => return Ok(Look::took(Looked::blind(outcome))),
    };
    let session = context.stripe.session().await?;
    let account = session.account().clone();
    let status = object.status_or_default();
    if let Some(outcome) = wrong_account(&status, &account) {
        return Ok(Look::took(Looked {
            outcome,
            seen: None,
            account: Some(account),
        }));
    }
    let run = converge::Run {
        object,
        context,
        session: &session,
        desired: &desired,
        status: &status,
    };
    let about = subject(object, context, &account);
    let known = context.catalogue.sighting(&object.name_any(), &about);
    let seen = match known.and_then(|known| Some((run.recall(&known)?, known))) {
        Some((_, known)) if known.too_soon().is_some() => {
            return Ok(Look::TooSoon(known.too_soon().unwrap_or_default()));
        }
        Some((seen, _)) => seen,
        None => {
            // Forgotten first: if this fails half-way, nothing is known.
            context.catalogue.remember(&object.name_any(), None);
            run.converge().await?
        }
    };
    let sighting = Sighting {
        about,
        observed: seen.observed.clone(),
        in_use: seen.in_use.clone(),
        published: Instant::now(),
    };
    context
        .catalogue
        .remember(&object.name_any(), Some(sighting));
    let outcome = match seen.plan.hold.clone() {
        Some(hold) => hold.into(),
        None => Outcome::Reached(
            "the product, prices and meters in Stripe are as the manifest says".into(),
        ),
    };
    Ok(Look::took(Looked {
        outcome,
        seen: Some((desired, seen)),
        account: Some(account),
    }))
}

fn subject(object: &PlanObject, context: &Context, account: &Account) -> Subject {
    let annotation = |name| object.annotations().get(name).cloned();
    Subject {
        list: context.catalogue.lists(),
        account: account.clone(),
        uid: object.uid(),
        generation: object.generation(),
        annotations: ANNOTATIONS.into_iter().map(annotation).collect(),
    }
}

/// What the manifest asks for, as far as the other manifests allow.
fn settled(object: &PlanObject, context: &Context) -> Result<DesiredPlan, Outcome> {
    let stalled = |invalid: InvalidSpec| Outcome::Stalled {
        reason: reason::INVALID_SPEC,
        message: invalid.to_string(),
    };
    let mut plan = desired(object, &context.owner).map_err(stalled)?;
    if plan.usage.is_empty() {
        return Ok(plan);
    }
    let plans = context.plans.state();
    let others = plans
        .iter()
        .filter(|other| other.metadata.deletion_timestamp.is_none());
    let claims: Vec<Claim> = others
        .filter_map(|other| {
            // A plan that cannot be read claims nothing; its own look says what is wrong with it.
            let plan = desired(other, &context.owner).ok()?;
            let created = other.meta().creation_timestamp.as_ref();
            Some(Claim {
                created: created.map(|time| time.0),
                plan,
            })
        })
        .collect();
    catalogue::settle(&mut plan, &claims)?;
    Ok(plan)
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

async fn report(object: &PlanObject, context: &Context, looked: Looked) -> Result<Action, Error> {
    let previous = object.status_or_default();
    let seen = looked.account.as_ref().zip(looked.seen.as_ref());
    let status = status::plan(
        &previous,
        &PlanLook {
            generation: object.generation(),
            outcome: &looked.outcome,
            seen: seen.map(|(account, (desired, seen))| PlanSeen {
                account,
                desired,
                observed: &seen.observed,
                plan: &seen.plan,
                subscribers: seen.subscribers.as_ref(),
            }),
            now: Timestamp::now(),
        },
    );
    if let Outcome::Stalled { reason, message } = &looked.outcome
        && !previous
            .conditions
            .iter()
            .any(|c| c.type_ == "Stalled" && c.message == *message)
    {
        tracing::warn!(plan = object.name_any(), reason, message, "stalled");
        context.events.warning(object, reason, message).await;
    }
    let unfinished = seen.is_some_and(|(_, (_, seen))| seen.may_archive_later);
    let failing = matches!(looked.outcome, Outcome::Reconciling { .. });
    record(object, context, looked);
    let api: Api<PlanObject> = Api::all(context.kube.clone());
    let version = publish::status(&api, object, &previous, &status).await?;
    let reference = ObjectRef::from_obj(object);
    context.plans_written.note(reference.clone(), version);
    if failing {
        return Ok(Action::requeue(context.plan_backoff.failed(reference)));
    }
    context.plan_backoff.succeeded(&reference);
    Ok(Action::requeue(if unfinished {
        SOON
    } else {
        context.next_look()
    }))
}

/// Tells the tenants what they can be sold, if that is news.
fn record(object: &PlanObject, context: &Context, looked: Looked) {
    let name = object.name_any();
    let failing = matches!(looked.outcome, Outcome::Reconciling { .. });
    let offered = looked
        .seen
        .and_then(|(desired, seen)| seen.plan.resolve(&desired));
    let plan = offered.ok_or(looked.outcome);
    // A plan that was resolved stays so while Stripe cannot be asked: its prices are immutable.
    let known = context.catalogue.get(&name);
    let still_good =
        known.is_some_and(|entry| entry.plan.is_ok() && entry.generation == object.generation());
    if failing && still_good {
        return;
    }
    let entry = Entry {
        generation: object.generation(),
        account: looked.account,
        plan,
    };
    if context.catalogue.record(&name, entry) {
        context.triggers.tenants(context.tenants.on_plan(&name));
    }
}
