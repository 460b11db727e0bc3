//! What cannot be is refused, by a message that names the field; the rest carries on.

use serde_json::json;

use super::support::paying::world;

#[tokio::test]
async fn a_plan_whose_stages_cannot_be_says_so_and_the_others_are_sold() {
    let world = world().await;
    let _operator = world.operator().await;
    let plan = |extra: serde_json::Value| {
        let mut plan = json!({"currency": "usd", "base": {"amount": "9.00"}});
        plan.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        plan
    };
    for (name, extra, message) in [
        (
            "twice",
            json!({"dunning": {"stages": [{"stage": "Reminder", "day": 1}, {"stage": "Reminder", "day": 2}]}}),
            "spec.dunning.stages: names Reminder twice",
        ),
        (
            "backwards",
            json!({"dunning": {"stages": [{"stage": "Suspended", "day": 1}, {"stage": "Limited", "day": 2}]}}),
            "spec.dunning.stages: Suspended has to begin later than Limited",
        ),
        (
            "limits",
            json!({"limits": {"Full": {"a limit": 1}}}),
            "spec.limits.Full: \"a limit\" is no name of a limit",
        ),
    ] {
        match world.try_plan_with(name, plan(extra)).await {
            Ok(_) => {
                let told = world.plan_stalled(name, "InvalidSpec").await;
                assert!(told.starts_with(message), "{told}");
            }
            // A server that knows CEL refuses it at once.
            Err(refused) => assert!(refused.to_string().contains("spec"), "{refused}"),
        }
    }
    for (name, stages) in [
        ("none", json!([])),
        ("unknown", json!([{"stage": "Threat", "day": 1}])),
    ] {
        let refused = world
            .try_plan_with(name, plan(json!({"dunning": {"stages": stages}})))
            .await;
        assert!(refused.is_err(), "{name} was taken");
    }
    world.plan("fine", "9.00").await;
    world.tenant("other", "fine").await;
    world.ready("other").await;
    world.finish().await;
}
