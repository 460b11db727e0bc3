//! Billing meters: what they are, what they take, and what they make of it.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, event_types, meter, report, usage},
    harness::{Sandbox, data, id, ids, int, text},
};

pub(crate) const START: &str = "2026-01-10T00:00:00Z";

/// What the meter says of the tenant from one time to another.
pub(crate) async fn total(
    sandbox: &Sandbox,
    meter: &str,
    tenant: &Tenant,
    from: i64,
    to: i64,
) -> i64 {
    let path = summaries(meter, tenant, from, to);
    let summaries = sandbox.get(path).await;
    let [summary] = data(&summaries) else {
        panic!("{summaries}")
    };
    assert_eq!(
        (&summary["start_time"], &summary["end_time"]),
        (&json!(from), &json!(to))
    );
    int(&summary["aggregated_value"])
}

fn summaries(meter: &str, tenant: &Tenant, from: i64, to: i64) -> String {
    let customer = &tenant.customer;
    format!(
        "/v1/billing/meters/{meter}/event_summaries?customer={customer}&start_time={from}&end_time={to}"
    )
}

#[tokio::test]
async fn a_meter_has_stripes_defaults_and_what_it_was_told() {
    let sandbox = Sandbox::start();
    let plain = meter(&sandbox, "calls", "").await;
    let plain = sandbox.get(format!("/v1/billing/meters/{plain}")).await;
    assert_eq!(plain["status"], "active");
    assert_eq!(plain["event_time_window"], Value::Null);
    assert_eq!(
        plain["customer_mapping"],
        json!({"event_payload_key": "stripe_customer_id", "type": "by_id"})
    );
    assert_eq!(
        plain["value_settings"],
        json!({"event_payload_key": "value"})
    );
    let own = "display_name=Storage&event_name=storage&default_aggregation[formula]=last&event_time_window=day\
               &customer_mapping[type]=by_id&customer_mapping[event_payload_key]=tenant\
               &value_settings[event_payload_key]=gigabytes";
    let own = sandbox.post("/v1/billing/meters", own).await;
    assert_eq!(own["default_aggregation"]["formula"], "last");
    assert_eq!(own["event_time_window"], "day");
    assert_eq!(own["customer_mapping"]["event_payload_key"], "tenant");
    assert_eq!(own["value_settings"]["event_payload_key"], "gigabytes");
    let tenant = Tenant::without_card(&sandbox, START).await;
    let event = format!(
        "event_name=storage&payload[tenant]={}&payload[gigabytes]=12",
        tenant.customer
    );
    sandbox.post("/v1/billing/meter_events", event).await;
    let (from, to) = (at(START), at(START) + DAY);
    assert_eq!(total(&sandbox, &id(&own), &tenant, from, to).await, 12);
}

#[tokio::test]
async fn only_the_display_name_of_a_meter_changes() {
    let sandbox = Sandbox::start();
    let path = format!("/v1/billing/meters/{}", meter(&sandbox, "calls", "").await);
    let renamed = sandbox.post(&path, "display_name=API+calls").await;
    assert_eq!(renamed["display_name"], "API calls");
    for fixed in [
        "event_name=other",
        "default_aggregation[formula]=last",
        "metadata[k]=v",
    ] {
        let error = sandbox.post(&path, fixed).wrong().refused(400).await;
        assert_eq!(error["code"], "parameter_unknown", "{fixed}");
    }
    sandbox.delete(&path).wrong().refused(404).await;
}

#[tokio::test]
async fn an_event_name_belongs_to_one_active_meter() {
    let sandbox = Sandbox::start();
    let first = meter(&sandbox, "calls", "").await;
    let form = "display_name=Usage&event_name=calls&default_aggregation[formula]=sum";
    let error = sandbox.post("/v1/billing/meters", form).refused(400).await;
    assert_eq!(error["param"], "event_name");
    let path = |action: &str| format!("/v1/billing/meters/{first}/{action}");
    sandbox.post(path("deactivate"), "").await;
    meter(&sandbox, "calls", "").await;
    let error = sandbox.post(path("reactivate"), "").refused(400).await;
    assert_eq!(error["param"], "event_name");
}

#[tokio::test]
async fn a_deactivated_meter_takes_no_events_until_it_is_active_again() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let path = |action: &str| format!("/v1/billing/meters/{meter}/{action}");
    let inactive = sandbox.post(path("deactivate"), "").await;
    assert_eq!(inactive["status"], "inactive");
    assert!(inactive["status_transitions"]["deactivated_at"].is_i64());
    let event = usage(&tenant.customer, "calls", "1", at(START));
    let refused = sandbox
        .post("/v1/billing/meter_events", &event)
        .refused(400)
        .await;
    assert_eq!(
        refused["message"],
        "No active meter found for event name \"calls\"."
    );
    sandbox.post(path("deactivate"), "").refused(400).await;
    let active = sandbox.post(path("reactivate"), "").await;
    assert_eq!(active["status"], "active");
    assert_eq!(active["status_transitions"]["deactivated_at"], Value::Null);
    sandbox.post(path("reactivate"), "").refused(400).await;
    sandbox.post("/v1/billing/meter_events", &event).await;
}

#[tokio::test]
async fn meters_are_listed_newest_first_and_by_status() {
    let sandbox = Sandbox::start();
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        made.insert(0, meter(&sandbox, name, "").await);
    }
    sandbox
        .post(format!("/v1/billing/meters/{}/deactivate", made[1]), "")
        .await;
    let listed = async |query: &str| ids(&sandbox.get(format!("/v1/billing/meters{query}")).await);
    assert_eq!(listed("").await, made);
    assert_eq!(listed("?status=inactive").await, made[1..2]);
    assert_eq!(listed("?status=active&limit=1").await, made[..1]);
    let rest = format!("?status=active&starting_after={}", made[0]);
    assert_eq!(listed(&rest).await, made[2..]);
}

#[tokio::test]
async fn what_happens_to_a_meter_is_told() {
    let sandbox = Sandbox::start();
    let path = format!("/v1/billing/meters/{}", meter(&sandbox, "calls", "").await);
    sandbox.post(&path, "display_name=Calls").await;
    sandbox.post(&path, "display_name=Calls").await;
    sandbox.post(format!("{path}/deactivate"), "").await;
    sandbox.post(format!("{path}/reactivate"), "").await;
    let told = [
        "billing.meter.created",
        "billing.meter.updated",
        "billing.meter.deactivated",
        "billing.meter.reactivated",
    ];
    assert_eq!(event_types(&sandbox).await, told);
}

#[tokio::test]
async fn each_formula_counts_in_its_own_way() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let now = at(START);
    for (formula, expected) in [("sum", 10), ("count", 3), ("last", 7)] {
        let form =
            format!("display_name=M&event_name={formula}&default_aggregation[formula]={formula}");
        let meter = id(&sandbox.post("/v1/billing/meters", form).await);
        for (value, time) in [(5, now - 300), (7, now - 60), (-2, now - 120)] {
            report(&sandbox, &tenant.customer, formula, value, time).await;
        }
        let counted = total(&sandbox, &meter, &tenant, now - HOUR, now).await;
        assert_eq!(counted, expected, "{formula}");
        let none = total(&sandbox, &meter, &tenant, now - 2 * HOUR, now - HOUR).await;
        assert_eq!(none, 0, "{formula}");
    }
}

#[tokio::test]
async fn a_window_keeps_the_event_received_last() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let now = at(START);
    for (window, expected) in [("hour", 30 + 7), ("day", 7)] {
        let more = format!("&event_time_window={window}");
        let meter = meter(&sandbox, window, &more).await;
        // Two totals of one hour, the second dated before the first, and one of the next hour.
        for (value, time) in [
            (50, now - 2 * HOUR + 90),
            (30, now - 2 * HOUR),
            (7, now - 1),
        ] {
            report(&sandbox, &tenant.customer, window, value, time).await;
        }
        let counted = total(&sandbox, &meter, &tenant, now - DAY, now).await;
        assert_eq!(counted, expected, "{window}");
    }
}

#[tokio::test]
async fn a_window_keeps_the_latest_event_if_the_settings_say_so() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"newest_meter_event": "timestamp"}))
        .await;
    let tenant = Tenant::without_card(&sandbox, START).await;
    let now = at(START);
    let meter = meter(&sandbox, "calls", "&event_time_window=hour").await;
    for (value, time) in [(50, now - HOUR + 90), (30, now - HOUR)] {
        report(&sandbox, &tenant.customer, "calls", value, time).await;
    }
    let counted = total(&sandbox, &meter, &tenant, now - HOUR, now).await;
    assert_eq!(counted, 50);
}

#[tokio::test]
async fn summaries_are_grouped_by_utc_hours_and_days() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let now = at(START);
    for (value, time) in [
        (1, now - 2 * DAY),
        (2, now - 2 * DAY + HOUR),
        (4, now - 2 * DAY + HOUR + 1),
        (8, now - 1),
        (16, now),
    ] {
        report(&sandbox, &tenant.customer, "calls", value, time).await;
    }
    let all = summaries(&meter, &tenant, now - 2 * DAY, now);
    let grouped = async |query: &str| {
        let list = sandbox.get(format!("{all}{query}")).await;
        let value = |it: &Value| (int(&it["start_time"]) - now, int(&it["aggregated_value"]));
        let values: Vec<_> = data(&list).iter().map(value).collect();
        (values, list)
    };
    let (days, _) = grouped("&value_grouping_window=day").await;
    assert_eq!(days, [(-DAY, 8), (-2 * DAY, 7)]);
    let (hours, list) = grouped("&value_grouping_window=hour&limit=2").await;
    assert_eq!(hours, [(-HOUR, 8), (-2 * DAY + HOUR, 6)]);
    assert_eq!(list["has_more"], true);
    let after = text(&data(&list)[1]["id"]);
    let (rest, _) = grouped(&format!(
        "&value_grouping_window=hour&starting_after={after}"
    ))
    .await;
    assert_eq!(rest, [(-2 * DAY, 1)]);
}

#[tokio::test]
async fn summaries_begin_and_end_with_what_they_are_grouped_by() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let now = at(START);
    for (from, to, group, param) in [
        (now - 59, now, "", "start_time"),
        (now - 60, now + 1, "", "end_time"),
        (now - 60, now, "hour", "start_time"),
        (now - DAY, now - HOUR, "day", "end_time"),
        (now, now, "", "end_time"),
    ] {
        let mut path = summaries(&meter, &tenant, from, to);
        if !group.is_empty() {
            path = format!("{path}&value_grouping_window={group}");
        }
        assert_eq!(
            sandbox.get(&path).refused(400).await["param"],
            param,
            "{path}"
        );
    }
    let nobody = Tenant {
        clock: String::new(),
        customer: "cus_nobody".to_owned(),
    };
    let error = sandbox
        .get(summaries(&meter, &nobody, now - 60, now))
        .refused(400)
        .await;
    assert_eq!(error["code"], "resource_missing");
}
