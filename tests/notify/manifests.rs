//! The kustomize components.

use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::Value;
use tenant_billing::api::NoticeKind;
use tenant_billing::notify::{Deliver as _, Tls};

use super::support::control_plane::{ControlPlane, repository};
use super::{exim::Exim, mail_with, notice};

#[tokio::test]
async fn the_components_fit_the_deployment_together_and_give_flags_that_there_are() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace().await;
    let manifests = repository().join("manifests");
    let text = std::fs::read_to_string(manifests.join("base/deployment.yaml")).unwrap();
    let mut deployment: Value = serde_yaml::from_str(&text).unwrap();
    deployment["metadata"]["namespace"] = namespace.clone().into();
    let api: Api<Deployment> = Api::namespaced(control_plane.admin().await, &namespace);
    let apply = PatchParams::apply("tests").force();
    let patch = Patch::Apply(deployment);
    api.patch("tenant-billing", &apply, &patch).await.unwrap();
    let before = api.get("tenant-billing").await.unwrap();
    let count = |deployment: &Deployment| {
        let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
        (
            pod.containers[0].args.clone().unwrap().len(),
            pod.volumes.unwrap().len(),
        )
    };
    for component in ["mail", "events"] {
        let file = format!("notifications/{component}/deployment.yaml");
        let text = std::fs::read_to_string(manifests.join(file)).unwrap();
        let patch: Value = serde_yaml::from_str(&text).unwrap();
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
        api.patch("tenant-billing", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    let after = api.get("tenant-billing").await.unwrap();
    let (flags, volumes) = count(&after);
    let (flags_before, volumes_before) = count(&before);
    assert_eq!((flags - flags_before, volumes - volumes_before), (9, 3));

    let help = Command::new(env!("CARGO_BIN_EXE_tenant-billing"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let container = &after.spec.unwrap().template.spec.unwrap().containers[0];
    let env: Vec<String> = container
        .env
        .iter()
        .flatten()
        .map(|env| env.name.clone())
        .collect();
    for flag in container.args.iter().flatten().skip(1) {
        let (name, value) = flag.split_once('=').unwrap();
        assert!(help.contains(&format!("{name} ")), "{name}");
        if let Some(variable) = value.strip_prefix("$(") {
            assert!(
                env.contains(&variable.trim_end_matches(')').to_owned()),
                "{value}"
            );
        }
    }
}

#[tokio::test]
async fn the_templates_of_the_example_are_used() {
    let text =
        std::fs::read_to_string(repository().join("manifests/notifications/mail/templates.yaml"));
    let example: Value = serde_yaml::from_str(&text.unwrap()).unwrap();
    let directory = super::support::process::scratch("templates");
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in example["data"].as_object().unwrap() {
        std::fs::write(directory.join(name), text.as_str().unwrap()).unwrap();
    }
    let server = Exim::start().await;
    let (mail, usable) = mail_with(
        Some(directory),
        server.port,
        Tls::Required,
        Some(server.ca()),
        Some(server.credentials()),
    )
    .await;
    assert_eq!(usable, 3, "all of them");
    let notice = notice(NoticeKind::Warning, "billing@acme.example");
    mail.deliver(&notice).await.unwrap();
    let arrived = server.mails(1).await;
    let mail = mail_parser::MessageParser::default()
        .parse(&arrived[0])
        .unwrap();
    let subject = "Example Cloud: please look at your payment of 99.00 USD";
    assert_eq!(mail.subject(), Some(subject));
    let text = mail.body_text(0).unwrap();
    assert!(
        text.contains("Pay or change your card: https://pay.example/"),
        "{text}"
    );
}
