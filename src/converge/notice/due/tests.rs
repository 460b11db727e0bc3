use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::api::{AccessStatus, CustomerDetails, NoticeState, NoticeStatus, PlanLimits};
use crate::converge::conditions::Outcome;
use crate::converge::desired::{self, Desired, Offer, ResolvedPlan};
use crate::converge::notice::{Channel, Marks, Sending, key};
use crate::converge::observed::samples::{customer, dispute, open_invoice, start, subscription};
use crate::converge::observed::{Account, Awaits, Customer, DisputeStatus, Disputes};
use crate::converge::status::{self, Enforcement, Look, Seen};

fn hours(hours: i64) -> Timestamp {
    start() + SignedDuration::from_hours(hours)
}

fn wanted() -> Desired {
    let spec = serde_json::json!({
        "customer": {"name": "Acme Inc", "email": "billing@acme.example"}, "plan": "pro",
        "tenantId": "t1",
    });
    let plan = ResolvedPlan {
        name: "pro".into(),
        offer: Offer::default(),
        rollout: crate::api::Rollout::default(),
        trial_days: 14,
        dunning: crate::converge::dunning::Schedule::default(),
        limits: PlanLimits::default(),
    };
    let key = crate::converge::observed::TenantKey {
        owner: "default".into(),
        tenant: "t1".into(),
    };
    desired::tenant(key, &serde_json::from_value(spec).unwrap(), &plan, None).unwrap()
}

/// One look at a tenant after another.
struct Tenant {
    observed: Observed,
    desired: Desired,
    status: TenantBillingStatus,
    enforcement: Enforcement,
    setup: Option<SetupLink>,
    hold: Option<&'static str>,
    /// Of the plan that is sold.
    limits: PlanLimits,
}

impl Tenant {
    fn new(status: SubscriptionStatus, invoices: Vec<Invoice>) -> Self {
        Self {
            observed: Observed {
                customers: vec![customer()],
                subscriptions: vec![subscription(status)],
                invoices,
                disputes: Some(Disputes::default()),
                ..Observed::default()
            },
            desired: wanted(),
            status: TenantBillingStatus::default(),
            enforcement: Enforcement::Free,
            setup: None,
            hold: None,
            limits: PlanLimits::default(),
        }
    }

    fn look(&mut self, now: Timestamp) -> Vec<Due> {
        let account = Account {
            id: "acct_1".into(),
            livemode: false,
        };
        let look = Look {
            generation: 1,
            tenant_id: "t1",
            now,
            outcome: Outcome::Reached("so it is".into()),
            requested_at: None,
            seen: Some(Seen {
                account: &account,
                desired: Some(&self.desired),
                observed: &self.observed,
                now,
                reverted: Vec::new(),
                reported: Vec::new(),
                agreed: None,
                change: None,
                made: None,
                setup: self.setup.as_ref(),
                limits: &self.limits,
                enforcement: self.enforcement.clone(),
            }),
            glimpse: None,
            event: None,
        };
        let after = status::tenant(&self.status, &look);
        let due = due(Telling {
            account: "acct_1",
            manifest: "tenants/acme",
            desired: &self.desired,
            observed: &self.observed,
            setup: self.setup.as_ref(),
            hold: self.hold,
            before: &self.status,
            after: &after,
            now,
            wall: now,
        });
        self.status = after;
        // As the outbox reports what it has taken in.
        self.status.notices = due.iter().map(|due| pending(&due.notice)).collect();
        due
    }

    fn kinds(&mut self, now: Timestamp) -> Vec<NoticeKind> {
        self.look(now).iter().map(|due| due.notice.kind).collect()
    }

    /// The outbox has delivered all of it.
    fn told(&mut self) {
        self.status.notices.clear();
    }
}

fn pending(notice: &Notice) -> NoticeStatus {
    NoticeStatus {
        kind: notice.kind,
        about: notice.about.clone(),
        since: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(notice.time),
        state: NoticeState::Pending,
        message: None,
    }
}

fn past_due() -> Tenant {
    Tenant::new(SubscriptionStatus::PastDue, vec![open_invoice()])
}

fn pay(tenant: &mut Tenant) {
    tenant.observed.invoices.clear();
    tenant.observed.subscriptions[0].status = SubscriptionStatus::Active;
}

#[test]
fn each_stage_is_due_while_it_is_in_force_and_none_before_it() {
    let mut tenant = past_due();
    for (at, kind) in [
        (0, NoticeKind::Reminder),
        (72, NoticeKind::Warning),
        (144, NoticeKind::Limited),
        (168, NoticeKind::Suspended),
        (999, NoticeKind::Suspended),
    ] {
        assert_eq!(tenant.kinds(hours(at)), [kind], "{at}");
    }
}

#[test]
fn a_stage_tells_whom_what_and_what_comes_next() {
    let due = past_due().look(hours(80)).swap_remove(0);
    let notice = due.notice;
    assert_eq!(due.carrier, Carrier::Invoice("in_1".into()));
    assert_eq!((notice.about.as_str(), notice.day), ("in_1", Some(4)));
    assert_eq!(notice.customer.unwrap().email, "billing@acme.example");
    assert_eq!(notice.amount_due.as_deref(), Some("99.00"));
    assert_eq!(notice.currency.as_deref(), Some("USD"));
    assert_eq!(notice.next_stage, Some(DunningStage::Limited));
    assert_eq!(notice.suspend_at, Some(hours(168)));
    assert!(notice.url.is_some() && notice.message.is_some());
}

#[test]
fn the_same_notice_has_the_same_id_and_another_one_another() {
    let mut tenant = past_due();
    let reminder = tenant.look(hours(0)).swap_remove(0).notice;
    let later = tenant.look(hours(50)).swap_remove(0).notice;
    assert_eq!((&reminder.id, reminder.time), (&later.id, later.time));
    let warning = tenant.look(hours(72)).swap_remove(0).notice;
    assert_ne!(reminder.id, warning.id);
    let mut lost = past_due();
    let again = lost.look(hours(50)).swap_remove(0).notice;
    assert_eq!(again.id, reminder.id, "also when the status is lost");
}

#[test]
fn the_mark_on_the_invoice_goes_along() {
    let mark = Mark::default().with(Channel::Mail, Some(Sending::Accepted(hours(1))));
    let mut tenant = past_due();
    let (name, value) = (key(NoticeKind::Reminder), mark.to_string());
    tenant.observed.invoices[0].notices = Marks::read([(name.as_str(), value.as_str())]);
    assert_eq!(tenant.look(hours(0))[0].mark, mark);
    assert_eq!(tenant.look(hours(72))[0].mark, Mark::default());
}

#[test]
fn what_the_breaker_holds_back_is_not_told() {
    let mut tenant = past_due();
    tenant.look(hours(80));
    tenant.enforcement = Enforcement::Held("too many".into());
    assert_eq!(tenant.kinds(hours(150)), []);
    assert_eq!(tenant.kinds(hours(170)), []);
    tenant.enforcement = Enforcement::Free;
    assert_eq!(tenant.kinds(hours(171)), [NoticeKind::Suspended]);
}

#[test]
fn payment_after_a_restriction_is_told_until_it_was_and_once() {
    for restricted_at in [150, 170] {
        let mut tenant = past_due();
        tenant.look(hours(restricted_at));
        pay(&mut tenant);
        assert_eq!(tenant.kinds(hours(200)), [NoticeKind::Reactivated]);
        let again = tenant.look(hours(201)).swap_remove(0);
        assert_eq!(again.notice.about, "in_1");
        assert_eq!(again.notice.time, hours(200), "since the first time");
        tenant.told();
        assert_eq!(tenant.kinds(hours(202)), []);
    }
}

#[test]
fn the_limits_that_are_told_are_those_of_the_plan_that_is_sold() {
    let mut tenant = past_due();
    tenant.desired.limits.limited = [("requestsPerMinute".to_owned(), 9)].into();
    tenant.limits.limited = [("requestsPerMinute".to_owned(), 60)].into();
    tenant.limits.full = [("requestsPerMinute".to_owned(), 600)].into();
    let told = |due: Vec<Due>| due[0].notice.limits.clone();
    assert_eq!(told(tenant.look(hours(0))), None, "nothing has changed yet");
    let limited = told(tenant.look(hours(150)));
    assert_eq!(limited, Some(tenant.limits.limited.clone()));
    pay(&mut tenant);
    let back = told(tenant.look(hours(160)));
    assert_eq!(back, Some(tenant.limits.full.clone()));
}

#[test]
fn payment_before_any_restriction_is_no_reactivation() {
    let mut tenant = past_due();
    tenant.look(hours(100));
    pay(&mut tenant);
    assert_eq!(tenant.kinds(hours(101)), []);
}

#[test]
fn a_hold_that_gives_access_back_is_no_reactivation() {
    let mut tenant = past_due();
    tenant.look(hours(200));
    tenant.desired.dunning.hold_until = Some(hours(400));
    assert_eq!(tenant.kinds(hours(201)), []);
    tenant.desired.dunning.hold_until = None;
    assert_eq!(tenant.kinds(hours(202)), [NoticeKind::Suspended]);
}

#[test]
fn who_never_had_access_is_not_reactivated_by_the_first_payment() {
    let mut tenant = Tenant::new(SubscriptionStatus::Incomplete, vec![]);
    tenant.look(hours(0));
    let access: &AccessStatus = tenant.status.access.as_ref().unwrap();
    assert_eq!(access.level, AccessLevel::Suspended);
    pay(&mut tenant);
    assert_eq!(tenant.kinds(hours(1)), []);
}

#[test]
fn a_payment_to_authenticate_is_told_beside_the_stage() {
    let mut tenant = past_due();
    tenant.observed.invoices[0].awaits = Awaits::Action;
    let kinds = tenant.kinds(hours(0));
    assert_eq!(kinds, [NoticeKind::Reminder, NoticeKind::ActionRequired]);
    let mut first = Tenant::new(SubscriptionStatus::Incomplete, vec![open_invoice()]);
    assert_eq!(first.kinds(hours(0)), [NoticeKind::ActionRequired]);
}

#[test]
fn a_trial_is_told_of_from_the_reminder_to_its_end_and_per_end() {
    let mut tenant = Tenant::new(SubscriptionStatus::Trialing, vec![]);
    tenant.observed.subscriptions[0].trial_end = Some(hours(240));
    assert_eq!(tenant.kinds(hours(240 - 73)), []);
    let due = tenant.look(hours(240 - 72)).swap_remove(0);
    assert_eq!(due.notice.kind, NoticeKind::TrialEnding);
    assert_eq!(due.notice.until, Some(hours(240)));
    assert_eq!(due.carrier, Carrier::Subscription("sub_1".into()));
    assert_eq!(tenant.kinds(hours(240)), []);
    tenant.observed.subscriptions[0].trial_end = Some(hours(480));
    let later = tenant.look(hours(480 - 72)).swap_remove(0);
    assert_ne!(later.notice.id, due.notice.id);
    tenant.observed.subscriptions[0].cancel_at_period_end = true;
    assert_eq!(tenant.kinds(hours(480 - 71)), [], "who has cancelled knows");
}

#[test]
fn a_payment_method_is_asked_for_once_there_is_a_page_and_per_subscription() {
    let page = SetupLink {
        session: "cs_1".into(),
        url: "https://checkout.example/cs_1".into(),
        expires_at: hours(24),
    };
    let mut tenant = Tenant::new(SubscriptionStatus::Paused, vec![]);
    tenant.hold = Some(reason::PAYMENT_METHOD_MISSING);
    assert_eq!(tenant.kinds(hours(0)), []);
    tenant.setup = Some(page);
    let due = tenant.look(hours(0)).swap_remove(0);
    assert_eq!(due.notice.kind, NoticeKind::PaymentMethodNeeded);
    assert_eq!(
        (due.occasion.as_str(), &due.notice.url),
        ("sub_1", &tenant.setup.clone().map(|p| p.url))
    );
    let mut first = Tenant {
        setup: tenant.setup.clone(),
        hold: tenant.hold,
        ..Tenant::new(SubscriptionStatus::Paused, vec![])
    };
    first.observed.subscriptions.clear();
    assert_eq!(first.look(hours(0))[0].occasion, "first");
    first.hold = None;
    assert_eq!(first.kinds(hours(0)), []);
}

#[test]
fn an_open_dispute_is_told_and_a_decided_one_is_not() {
    let mut tenant = Tenant::new(SubscriptionStatus::Active, vec![]);
    let disputed = |status| {
        Some(Disputes {
            disputes: vec![dispute(status)],
            warnings: Vec::new(),
        })
    };
    tenant.observed.disputes = disputed(DisputeStatus::NeedsResponse);
    let due = tenant.look(hours(0)).swap_remove(0);
    assert_eq!(due.notice.kind, NoticeKind::Dispute);
    assert_eq!(due.carrier, Carrier::Dispute("du_1".into()));
    tenant.observed.disputes = disputed(DisputeStatus::Won);
    assert_eq!(tenant.kinds(hours(1)), []);
}

#[test]
fn who_pays_is_told_nothing() {
    let mut tenant = Tenant::new(SubscriptionStatus::Active, vec![]);
    let details: &CustomerDetails = &tenant.desired.customer;
    let found = Customer {
        name: Some(details.name.clone()),
        ..customer()
    };
    tenant.observed.customers = vec![found];
    assert_eq!(tenant.kinds(hours(0)), []);
}
