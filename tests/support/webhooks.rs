//! An operator that hears of everything by webhooks, as in production.

use std::fs;
use std::path::PathBuf;

use super::eventually;
use super::process::{Operator, scratch};
use super::sandbox::get_text;
use super::world::World;

/// Lets the world's operators take webhooks; gives the file for the signing secret.
pub(crate) fn listen(world: &mut World) -> PathBuf {
    let file = scratch("webhook-secret");
    fs::write(&file, "whsec_not_known_yet").unwrap();
    for (name, value) in [
        ("--events", "webhook"),
        ("--webhook-secret-file", file.to_str().unwrap()),
    ] {
        world.options = world.options.clone().flag(name, value);
    }
    file
}

/// Has the sandbox send everything to an operator, and waits until that takes it.
pub(crate) async fn connect(world: &World, operator: &Operator, secret_file: &PathBuf) {
    let url = operator.webhook_url();
    let form = [("url", url.as_str()), ("enabled_events[]", "*")];
    let endpoint = world.stripe.post("/v1/webhook_endpoints", &form).await;
    fs::write(secret_file, endpoint["secret"].as_str().unwrap()).unwrap();
    // Something has to happen for it to be sent; until the secret is read, it is sent again.
    let form = [("name", "Nobody"), ("email", "nobody@example.com")];
    world.stripe.post("/v1/customers", &form).await;
    eventually("a delivery is taken", async || {
        let (_, metrics) = get_text(&format!("{}/metrics", operator.url())).await;
        let taken = metrics.lines().any(|line| {
            let of = line.starts_with("tenant_billing_webhook") && line.contains("\"taken\"");
            of && !line.ends_with(" 0")
        });
        if taken {
            Ok(())
        } else {
            Err("none".to_owned())
        }
    })
    .await;
}
