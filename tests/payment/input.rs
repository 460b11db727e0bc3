//! Wrong input about payment and trials: refused by name, and nothing reaches Stripe.

use serde_json::json;

use super::{TENANT, manifest, world};

#[tokio::test]
async fn what_contradicts_itself_is_refused_by_name_and_nothing_is_written() {
    let world = world().await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    for (spec, field) in [
        (
            json!({"trial": {"days": 3, "endsAt": "2030-01-01T00:00:00Z"}}),
            "spec.trial",
        ),
        (
            json!({"payment": {"daysUntilDue": 10}}),
            "spec.payment.daysUntilDue",
        ),
        (
            json!({"payment": {"returnUrl": "https://"}}),
            "spec.payment.returnUrl",
        ),
    ] {
        // A server that knows the rule refuses the manifest; an older one leaves it to the operator.
        match world.try_apply(manifest(&world, &spec)).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 422, "{}", status.message),
            Err(other) => panic!("{other}"),
            Ok(_) => {
                let message = world.stalled(TENANT, "InvalidSpec").await;
                assert!(message.starts_with(field), "{message}");
                world.delete(TENANT).await;
                world.gone(TENANT).await;
            }
        }
    }
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}
