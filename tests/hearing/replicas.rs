//! Webhooks that reach a replica that does not lead.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::support::eventually;
use crate::support::process::Operator;
use crate::support::sandbox::Sandbox;
use crate::{
    change_customer, deliver, event, events, heard, listening_world, outcomes, signed, until_leads,
    until_metric,
};

#[tokio::test]
async fn a_standby_passes_webhooks_on_and_answers_503_when_nobody_leads() {
    let (world, file) = listening_world("webhook").await;
    world.plan("pro", "99.00").await;
    let leader = world.operator().await;
    until_leads(&leader).await;
    let standby = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;

    change_customer(&world, "acme", json!({"phone": "+1 555 0100"})).await;
    let newest = events(&world).await.remove(0);
    eventually("the standby knows the leader", async || {
        match deliver(&standby, &newest.to_string()).await.status {
            StatusCode::OK => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    assert_eq!(outcomes(&standby, "passed_on").await, 1);
    assert_eq!(outcomes(&leader, "taken").await, 1);
    let told = heard(&world, "acme", "customer.updated").await;
    assert_eq!(
        (&told["id"], &told["via"]),
        (&newest["id"], &json!("Webhook"))
    );

    // What is forged does not reach the leader.
    let forged = signed("whsec_another", b"{}");
    let answer = crate::post(&crate::http(), &standby.webhook_url(), Some(&forged), "{}").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(outcomes(&leader, "refused").await, 0);

    // What another replica has passed on already is not passed on again.
    let body = newest.to_string();
    let request = hyper::Request::post(standby.webhook_url())
        .header("stripe-signature", signed(crate::SECRET, body.as_bytes()))
        .header("tenant-billing-passed-on", "1")
        .body(http_body_util::Full::from(body))
        .unwrap();
    let response = crate::http().request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(outcomes(&standby, "passed_on").await, 1);

    nobody_takes_it_until_the_standby_leads(leader, &standby).await;
    drop(file);
    world.finish().await;
}

/// The leader hangs, and then is gone.
async fn nobody_takes_it_until_the_standby_leads(leader: Operator, standby: &Operator) {
    leader.process().pause();
    let product = event("evt_p", "product.created", &json!({}));
    let answer = eventually("the leader hangs", async || {
        let answer = deliver(standby, &product).await;
        // It may still answer what reaches it before the signal does.
        match answer.status {
            StatusCode::OK => Err("not yet".to_owned()),
            _ => Ok(answer),
        }
    })
    .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.headers["retry-after"], "2");
    leader.kill();
    eventually("the standby takes it itself", async || {
        let status = deliver(standby, &product).await.status;
        let known = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
        assert!(known.contains(&status), "{status}");
        if status == StatusCode::OK {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    assert!(outcomes(standby, "ignored").await >= 1);
}

#[tokio::test]
async fn what_arrives_between_two_leaders_is_sent_again_and_not_lost() {
    let (mut world, file) = listening_world("webhook").await;
    world.stripe = Sandbox::start_with(&[
        "--rate-limit-read",
        "100000",
        "--rate-limit-write",
        "100000",
        "--webhook-retry-seconds",
        "1,1,1,2,2,5,5,5",
    ])
    .await;
    world.options.stripe_api_base = world.stripe.url().to_owned();
    world.plan("pro", "99.00").await;
    let leader = world.operator().await;
    until_leads(&leader).await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let standby = world.operator().await;
    let url = standby.webhook_url();
    let form = [("url", url.as_str()), ("enabled_events[]", "*")];
    let endpoint = world.stripe.post("/v1/webhook_endpoints", &form).await;
    std::fs::write(&file, endpoint["secret"].as_str().unwrap()).unwrap();

    leader.kill();
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    until_metric(&standby, "tenant_billing_leader").await;
    let told = heard(&world, "acme", "customer.updated").await;
    assert_eq!(
        told["via"], "Webhook",
        "a later attempt of the same delivery"
    );
    assert!(outcomes(&standby, "unavailable").await + outcomes(&standby, "refused").await >= 1);
    eventually("drift is put right", async || {
        let (customer, _) = world.one_of_each("acme", None).await;
        if customer["name"] == "Acme Inc" {
            Ok(())
        } else {
            Err(customer["name"].to_string())
        }
    })
    .await;
    tokio::time::timeout(Duration::from_secs(60), standby.terminate())
        .await
        .unwrap();
    world.finish().await;
}
