//! Disputes, inquiries and early fraud warnings.

use serde_json::{Value, json};

use crate::{
    fixtures::{Tenant, event_types, monthly},
    harness::{Sandbox, data, id, ids, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// A customer who has paid once, and the charge.
async fn charged(sandbox: &Sandbox) -> (Tenant, Value) {
    let tenant = Tenant::with_card(sandbox, START).await;
    tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    let charges = sandbox
        .get(format!("/v1/charges?customer={}", tenant.customer))
        .await;
    let charge = data(&charges)[0].clone();
    (tenant, charge)
}

async fn open(sandbox: &Sandbox, body: Value) -> Value {
    sandbox.control("POST", "/disputes", body).await
}

async fn move_on(sandbox: &Sandbox, dispute: &Value, status: &str) -> Value {
    let path = format!("/disputes/{}", id(dispute));
    sandbox
        .control("POST", &path, json!({"status": status}))
        .await
}

async fn read(sandbox: &Sandbox, dispute: &Value) -> Value {
    sandbox.get(format!("/v1/disputes/{}", id(dispute))).await
}

/// The dispute's events so far, oldest first.
async fn told(sandbox: &Sandbox) -> Vec<String> {
    let types = event_types(sandbox).await.into_iter();
    types
        .filter_map(|kind| Some(kind.strip_prefix("charge.dispute.")?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_dispute_takes_the_money_and_leads_to_the_customer() {
    let sandbox = Sandbox::start();
    let (tenant, charge) = charged(&sandbox).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    let dispute = open(&sandbox, json!({"invoice": id(&invoice)})).await;
    assert_eq!(dispute["status"], "needs_response");
    assert_eq!(dispute["reason"], "fraudulent");
    assert_eq!(dispute["amount"], 1_000);
    assert_eq!(dispute["charge"], charge["id"]);
    assert_eq!(dispute["balance_transactions"][0]["net"], -2_500);
    assert_eq!(told(&sandbox).await, ["created", "funds_withdrawn"]);
    let path = format!("/v1/disputes/{}?expand[]=charge", id(&dispute));
    let expanded = sandbox.get(path).await;
    assert_eq!(expanded["charge"]["customer"], tenant.customer.as_str());
    assert_eq!(expanded["charge"]["disputed"], true);
    let listed = sandbox
        .get("/v1/disputes?expand[]=data.charge.payment_intent")
        .await;
    let intent = &data(&listed)[0]["charge"]["payment_intent"];
    assert_eq!(intent["id"], dispute["payment_intent"]);
    let payments = format!(
        "/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]={}",
        text(&dispute["payment_intent"])
    );
    let payments = sandbox.get(payments).await;
    assert_eq!(data(&payments)[0]["invoice"], invoice["id"]);
}

#[tokio::test]
async fn a_dispute_that_is_won_gives_the_money_back_and_one_that_is_lost_does_not() {
    for (status, events) in [
        ("won", &["updated", "funds_reinstated", "closed"][..]),
        ("lost", &["updated", "closed"]),
        ("prevented", &["updated", "closed"]),
    ] {
        let sandbox = Sandbox::start();
        let (_, charge) = charged(&sandbox).await;
        let dispute = open(&sandbox, json!({"charge": id(&charge)})).await;
        move_on(&sandbox, &dispute, "under_review").await;
        let ended = move_on(&sandbox, &dispute, status).await;
        assert_eq!(ended["status"], status);
        assert_eq!(told(&sandbox).await[2..], *events);
        let moved = ended["balance_transactions"].as_array().expect("a list");
        assert_eq!(moved.len(), 1 + usize::from(status == "won"));
        let path = format!("/v1/disputes/{}/close", id(&dispute));
        sandbox.post(path, "").refused(400).await;
    }
}

#[tokio::test]
async fn an_inquiry_takes_no_money_until_it_is_escalated() {
    let sandbox = Sandbox::start();
    let (tenant, _) = charged(&sandbox).await;
    let body = json!({"customer": tenant.customer, "status": "warning_needs_response"});
    let inquiry = open(&sandbox, body.clone()).await;
    assert_eq!(inquiry["balance_transactions"], json!([]));
    assert_eq!(inquiry["is_charge_refundable"], true);
    let card = &inquiry["payment_method_details"]["card"];
    assert_eq!(card["case_type"], "inquiry");
    let form = "evidence[uncategorized_text]=escalate_inquiry_evidence";
    let path = format!("/v1/disputes/{}", id(&inquiry));
    let escalated = sandbox.post(path, form).await;
    assert_eq!(escalated["status"], "needs_response");
    assert_eq!(escalated["balance_transactions"][0]["amount"], -1_000);
    let second = open(&sandbox, body).await;
    let closed = move_on(&sandbox, &second, "warning_closed").await;
    assert_eq!(closed["status"], "warning_closed");
    assert_eq!(
        told(&sandbox).await,
        [
            "created",
            "updated",
            "funds_withdrawn",
            "updated",
            "created",
            "closed"
        ]
    );
}

#[tokio::test]
async fn evidence_is_staged_submitted_and_decides_as_in_test_mode() {
    for (words, end) in [("winning_evidence", "won"), ("losing_evidence", "lost")] {
        let sandbox = Sandbox::start();
        let (_, charge) = charged(&sandbox).await;
        let dispute = open(&sandbox, json!({"charge": id(&charge)})).await;
        let path = format!("/v1/disputes/{}", id(&dispute));
        let staged = sandbox
            .post(
                &path,
                "evidence[customer_name]=A&submit=false&metadata[k]=v",
            )
            .await;
        assert_eq!(staged["status"], "needs_response");
        assert_eq!(staged["evidence"]["customer_name"], "A");
        assert_eq!(staged["evidence_details"]["has_evidence"], true);
        assert_eq!(staged["evidence_details"]["submission_count"], 0);
        assert_eq!(staged["metadata"], json!({"k": "v"}));
        let form = "evidence[product_description]=Hosting";
        let submitted = sandbox.post(&path, form).await;
        assert_eq!(submitted["status"], "under_review");
        assert_eq!(submitted["evidence_details"]["submission_count"], 1);
        let form = format!("evidence[uncategorized_text]={words}");
        assert_eq!(sandbox.post(&path, form).await["status"], end);
        let form = "evidence[customer_name]=B";
        sandbox.post(&path, form).refused(400).await;
    }
}

#[tokio::test]
async fn closing_a_dispute_admits_it_is_lost() {
    let sandbox = Sandbox::start();
    let (_, charge) = charged(&sandbox).await;
    let dispute = open(&sandbox, json!({"charge": id(&charge)})).await;
    let path = format!("/v1/disputes/{}/close", id(&dispute));
    assert_eq!(sandbox.post(path, "").await["status"], "lost");
    assert_eq!(read(&sandbox, &dispute).await["status"], "lost");
}

#[tokio::test]
async fn stripes_own_cards_are_disputed_or_warned_of_once_they_have_paid() {
    for (card, dispute, warnings) in [
        ("createDispute", Some(("needs_response", "fraudulent")), 0),
        (
            "createDisputeProductNotReceived",
            Some(("needs_response", "product_not_received")),
            0,
        ),
        (
            "createDisputeInquiry",
            Some(("warning_needs_response", "fraudulent")),
            0,
        ),
        ("createIssuerFraudRecord", None, 1),
    ] {
        let sandbox = Sandbox::start();
        let tenant = Tenant::without_card(&sandbox, START).await;
        let form = format!("customer={}", tenant.customer);
        let path = format!("/v1/payment_methods/pm_card_{card}/attach");
        let more = format!(
            "&default_payment_method={}",
            id(&sandbox.post(path, form).await)
        );
        let subscribed = tenant
            .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, &more)
            .await;
        assert_eq!(subscribed["status"], "active");
        let disputes = sandbox.get("/v1/disputes").await;
        let found = data(&disputes)
            .first()
            .map(|it| (text(&it["status"]), text(&it["reason"])));
        let expected = dispute.map(|(status, reason)| (status.to_owned(), reason.to_owned()));
        assert_eq!(found, expected, "{card}");
        let warned = sandbox
            .get("/v1/radar/early_fraud_warnings?expand[]=data.charge")
            .await;
        assert_eq!(data(&warned).len(), warnings, "{card}");
        for warning in data(&warned) {
            assert_eq!(warning["charge"]["customer"], tenant.customer.as_str());
        }
    }
}

#[tokio::test]
async fn a_warning_can_be_acted_on_until_the_charge_is_disputed() {
    let sandbox = Sandbox::start();
    let (tenant, charge) = charged(&sandbox).await;
    let body = json!({"customer": tenant.customer, "fraud_type": "misc"});
    let warning = sandbox.control("POST", "/early_fraud_warnings", body).await;
    assert_eq!(warning["actionable"], true);
    assert_eq!(warning["fraud_type"], "misc");
    open(&sandbox, json!({"charge": id(&charge)})).await;
    let path = format!("/v1/radar/early_fraud_warnings/{}", id(&warning));
    assert_eq!(sandbox.get(&path).await["actionable"], false);
    let types = event_types(&sandbox).await;
    for kind in ["created", "updated"] {
        let kind = format!("radar.early_fraud_warning.{kind}");
        assert!(types.contains(&kind), "{kind}: {types:?}");
    }
    sandbox
        .get("/v1/radar/early_fraud_warnings/issfr_none")
        .refused(404)
        .await;
}

#[tokio::test]
async fn disputes_and_warnings_are_listed_by_charge_and_payment() {
    let sandbox = Sandbox::start();
    let (_, first) = charged(&sandbox).await;
    let (_, second) = charged(&sandbox).await;
    for charge in [&first, &second] {
        sandbox
            .control(
                "POST",
                "/early_fraud_warnings",
                json!({"charge": id(charge)}),
            )
            .await;
        open(&sandbox, json!({"charge": id(charge)})).await;
    }
    for list in ["/v1/disputes", "/v1/radar/early_fraud_warnings"] {
        for filter in [
            format!("charge={}", id(&first)),
            format!("payment_intent={}", text(&first["payment_intent"])),
        ] {
            let listed = sandbox.get(format!("{list}?{filter}")).await;
            assert_eq!(data(&listed).len(), 1, "{list} {filter}");
            assert_eq!(data(&listed)[0]["charge"], first["id"]);
        }
        let none = sandbox.get(format!("{list}?created[lt]=1000")).await;
        assert!(ids(&none).is_empty());
    }
    sandbox.get("/v1/disputes/du_none").refused(404).await;
}
