//! What a dispute holds back, and how that is let go: whoever wins, and whenever the operator dies.

use hyper::Method;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::world::{World, id};
use super::{
    FEBRUARY, HOUR, MARCH, TENANT, assert_settled, invoices_of, paying, subscription, told_once,
    until, until_march, world,
};

fn policy(on_open: &str) -> Value {
    json!({"disputes": {"onOpen": on_open}})
}

/// Waits until the operator holds what the subscription charges.
async fn held(world: &World, clock: &str) -> Value {
    eventually("what it charges is held", async || {
        let subscription = subscription(world, clock).await;
        let behavior = &subscription["pause_collection"]["behavior"];
        let mark = &subscription["metadata"]["tenantbilling_held_by"];
        if behavior == "keep_as_draft" && mark.is_string() {
            Ok(subscription)
        } else {
            Err(format!("{subscription:#}"))
        }
    })
    .await
}

/// Waits until nothing of the hold is left: neither the pause, nor a draft, nor the mark.
async fn let_go(world: &World, clock: &str, customer: &str) {
    eventually("what was held is let go", async || {
        let subscription = subscription(world, clock).await;
        let invoices = invoices_of(world, customer).await;
        let is_kept =
            |invoice: &&Value| invoice["status"] == "draft" && invoice["auto_advance"] == false;
        let mark = &subscription["metadata"]["tenantbilling_held_by"];
        if subscription["pause_collection"].is_null()
            && mark.is_null()
            && !invoices.iter().any(|invoice| is_kept(&invoice))
        {
            Ok(())
        } else {
            Err(format!("{subscription:#}, {invoices:#?}"))
        }
    })
    .await;
}

/// Statuses of a customer's invoices, the newest first.
async fn statuses(world: &World, customer: &str) -> Vec<String> {
    let invoices = invoices_of(world, customer).await;
    let status = |invoice: &Value| invoice["status"].as_str().unwrap().to_owned();
    invoices.iter().map(status).collect()
}

#[tokio::test]
async fn a_hold_charges_nothing_until_the_dispute_is_decided_and_then_what_was_due() {
    for outcome in ["won", "lost"] {
        let world = world().await;
        let _operator = world.operator().await;
        let (clock, customer) = paying(&world, policy("Hold")).await;
        world.stripe.forget_requests().await;
        let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
        held(&world, &clock).await;
        let tenant = until(&world, "Disputed", "True", "DisputeOpen").await;
        assert_eq!(tenant["status"]["access"]["level"], "Full");
        assert_eq!(world.stripe.writes().await.len(), 1);
        told_once(&world, "Normal", "CollectionHeld").await;
        assert_settled(&world).await;

        until_march(&world, &clock).await;
        assert_eq!(
            statuses(&world, &customer).await,
            ["draft", "draft", "paid"]
        );
        assert_settled(&world).await;
        let tenant = until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
        assert_eq!(tenant["status"]["invoice"], Value::Null);

        world.stripe.forget_requests().await;
        world.stripe.set_dispute_status(id(&dispute), outcome).await;
        let_go(&world, &clock, &customer).await;
        // Resume, two drafts, the mark.
        assert_eq!(world.stripe.writes().await.len(), 4);
        assert_settled(&world).await;
        world.stripe.advance(&clock, MARCH + 4 * HOUR).await;
        assert_eq!(statuses(&world, &customer).await, ["paid", "paid", "paid"]);
        let reason = if outcome == "won" {
            "DisputeWon"
        } else {
            "DisputeLost"
        };
        until(&world, "Disputed", "False", reason).await;
        until(&world, "Drifted", "False", "NoDrift").await;
        told_once(&world, "Normal", "CollectionResumed").await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_manifest_that_says_suspend_suspends_access_as_well() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, policy("Suspend")).await;
    let inquiry = "warning_needs_response";
    let dispute = world.stripe.open_dispute(&customer, inquiry).await;
    held(&world, &clock).await;
    let tenant = until(&world, "Disputed", "True", "DisputeOpen").await;
    let access = &tenant["status"]["access"];
    assert_eq!(
        (&access["level"], &access["reason"]),
        (&json!("Suspended"), &json!("DisputeOpen"))
    );

    world
        .stripe
        .set_dispute_status(id(&dispute), "warning_closed")
        .await;
    let tenant = until(&world, "Disputed", "False", "NoDispute").await;
    assert_eq!(tenant["status"]["access"]["level"], "Full");
    let_go(&world, &clock, &customer).await;
    world.finish().await;
}

#[tokio::test]
async fn editing_the_policy_holds_and_lets_go_at_once() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, json!({})).await;
    world.stripe.open_dispute(&customer, "needs_response").await;
    until(&world, "Disputed", "True", "DisputeOpen").await;
    assert_eq!(
        subscription(&world, &clock).await["pause_collection"],
        Value::Null
    );
    world.edit(TENANT, policy("Hold")).await;
    held(&world, &clock).await;
    world.edit(TENANT, policy("Report")).await;
    let_go(&world, &clock, &customer).await;
    world.ready(TENANT).await;
    world.finish().await;
}

#[tokio::test]
async fn drafts_that_somebody_else_keeps_are_not_released_with_those_of_the_hold() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, policy("Hold")).await;
    // A draft that support keeps back, from before the hold.
    world.stripe.advance(&clock, FEBRUARY).await;
    let kept = invoices_of(&world, &customer).await.swap_remove(0);
    let path = format!("/v1/invoices/{}", id(&kept));
    world
        .stripe
        .dashboard(&path, json!({"auto_advance": "false"}))
        .await;
    world.stripe.advance(&clock, FEBRUARY + 2 * HOUR).await;
    let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
    held(&world, &clock).await;
    world.stripe.advance(&clock, MARCH + 2 * HOUR).await;
    world.stripe.set_dispute_status(id(&dispute), "won").await;
    eventually("the draft of the hold is released", async || {
        let invoices = invoices_of(&world, &customer).await;
        match invoices[0]["auto_advance"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(format!("{:#}", invoices[0])),
        }
    })
    .await;
    eventually("the mark is gone", async || {
        let subscription = subscription(&world, &clock).await;
        match &subscription["metadata"]["tenantbilling_held_by"] {
            Value::Null => Ok(()),
            mark => Err(mark.to_string()),
        }
    })
    .await;
    let kept = world.stripe.get(&path).await;
    assert_eq!(
        (&kept["status"], &kept["auto_advance"]),
        (&json!("draft"), &json!(false))
    );
    world.finish().await;
}

/// Lets the operator run until a write is met by the fault and kills it then; says no when `reached`
/// comes first.
async fn killed_at_a_write(world: &World, kind: &str, reached: impl AsyncFn() -> bool) -> bool {
    let fault = json!({"method": "POST", "path": "/v1/", "kind": kind, "times": 1, "skip": 0});
    let fault = world.stripe.fault(fault).await;
    let operator = world.operator().await;
    let met = eventually("a write is met, or there is none left", async || {
        if world.stripe.fault_hits(&fault).await > 0 {
            return Ok(true);
        }
        if reached().await {
            // It may have been met between the two questions.
            return Ok(world.stripe.fault_hits(&fault).await > 0);
        }
        Err("neither".to_owned())
    })
    .await;
    operator.kill();
    world.stripe.clear_fault(&fault).await;
    met
}

#[tokio::test]
async fn killed_before_and_after_every_write_it_holds_and_lets_go_all_the_same() {
    let world = world().await;
    let operator = world.operator().await;
    let (clock, customer) = paying(&world, policy("Hold")).await;
    assert!(operator.terminate().await.success());

    let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
    let is_held = async || {
        let pause = &subscription(&world, &clock).await["pause_collection"];
        pause["behavior"] == "keep_as_draft"
    };
    assert!(killed_at_a_write(&world, "hold_before", &is_held).await);
    assert!(!is_held().await);
    assert!(killed_at_a_write(&world, "hold_after", &is_held).await);
    held(&world, &clock).await;
    until_march(&world, &clock).await;

    world.stripe.set_dispute_status(id(&dispute), "won").await;
    let is_done = async || {
        let mark = &subscription(&world, &clock).await["metadata"]["tenantbilling_held_by"];
        mark.is_null()
    };
    let mut kills = 0;
    'life: loop {
        for kind in ["hold_before", "hold_after"] {
            if !killed_at_a_write(&world, kind, &is_done).await {
                break 'life;
            }
            kills += 1;
        }
    }
    // Before and after: resume, two drafts, the mark.
    assert_eq!(kills, 8);
    let_go(&world, &clock, &customer).await;

    let _operator = world.operator().await;
    world.stripe.advance(&clock, MARCH + 4 * HOUR).await;
    until(&world, "Disputed", "False", "DisputeWon").await;
    assert_eq!(statuses(&world, &customer).await, ["paid", "paid", "paid"]);
    let charges = format!("/v1/charges?customer={customer}&limit=100");
    let charges = world.stripe.v1(Method::GET, &charges, &[]).await;
    assert_eq!(charges["data"].as_array().unwrap().len(), 3, "each once");
    assert_settled(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_payment_that_is_being_retried_is_not_tried_again_while_another_is_disputed() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, policy("Hold")).await;
    world
        .add_card(&customer, "pm_card_chargeCustomerFail")
        .await;
    world.stripe.advance(&clock, FEBRUARY + 2 * HOUR).await;
    until(&world, "PaymentCurrent", "False", "PastDue").await;
    let paid = invoices_of(&world, &customer).await.swap_remove(1);
    let dispute = json!({"invoice": id(&paid), "status": "needs_response"});
    let dispute = world
        .stripe
        .control(Method::POST, "/disputes", dispute)
        .await;
    held(&world, &clock).await;
    told_once(&world, "Normal", "InvoiceHeld").await;
    world.add_card(&customer, "pm_card_visa").await;
    world
        .stripe
        .advance(&clock, FEBRUARY + 20 * 24 * HOUR)
        .await;
    let open = invoices_of(&world, &customer).await.swap_remove(0);
    assert_eq!(
        (&open["status"], &open["attempt_count"]),
        (&json!("open"), &json!(1)),
        "a retry would have been paid"
    );

    world.stripe.set_dispute_status(id(&dispute), "won").await;
    let_go(&world, &clock, &customer).await;
    told_once(&world, "Normal", "InvoiceReleased").await;
    // And the new card pays it.
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    let paid = invoices_of(&world, &customer).await.swap_remove(0);
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["metadata"], json!({}));
    world.finish().await;
}
