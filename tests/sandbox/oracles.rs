//! stripe-node's TypeScript types as a judge, and the oracles' own tests: a judge that lets everything pass is none.

use std::{fmt::Write as _, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    async_stripe,
    harness::{Sandbox, text},
    openapi::{fetch, openapi},
    tour::tour,
};

/// stripe-node's decimals are objects of its own, which JSON does not have.
fn without_decimals(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(name, _)| !name.ends_with("_decimal"));
            Value::Object(
                kept.map(|(name, value)| (name, without_decimals(value)))
                    .collect(),
            )
        }
        Value::Array(values) => values.into_iter().map(without_decimals).collect(),
        other => other,
    }
}

/// Compiles the constants as a strict TypeScript module. Decimals are left out on both sides.
fn compile(name: &str, constants: &[(&str, Value)]) -> Result<(), String> {
    let node = fetch("typescript");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the module");
    std::os::unix::fs::symlink(node.join("node_modules"), folder.join("node_modules"))
        .expect("a link to the types");
    let mut module = String::from(
        "import type Stripe from 'stripe';\n\
         type Plain<T> = T extends string | number | boolean | null | undefined ? T\n  \
           : T extends (infer E)[] ? Plain<E>[]\n  \
           : T extends object ? { [K in keyof T as K extends `${string}_decimal` ? never : K]: Plain<T[K]> } : T;\n",
    );
    for (index, (kind, value)) in constants.iter().enumerate() {
        let value = without_decimals(value.clone());
        writeln!(
            module,
            "export const value{index}: Plain<{kind}> = {value:#};"
        )
        .expect("to a string");
    }
    let file = folder.join("answers.ts");
    std::fs::write(&file, module).expect("the module is written");
    let output = Command::new("node")
        .arg(node.join("node_modules/typescript/bin/tsc"))
        .args([
            "--noEmit",
            "--strict",
            "--skipLibCheck",
            "--target",
            "es2022",
            "--module",
            "nodenext",
        ])
        .args([
            "--moduleResolution",
            "nodenext",
            "--types",
            "node",
            "--pretty",
            "false",
        ])
        .arg("answers.ts")
        .current_dir(&folder)
        .output()
        .unwrap_or_else(|error| panic!("node is needed to run the TypeScript compiler: {error}"));
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[tokio::test]
async fn answers_are_what_stripe_nodes_types_say() {
    let sandbox = Sandbox::start();
    let seen = tour(&sandbox).await;
    compile("tour", &seen).unwrap_or_else(|problems| panic!("tsc found:\n{problems}"));
}

#[test]
fn the_typescript_judge_refuses_a_wrong_field_and_a_missing_one() {
    let tombstone = json!({"id": "cus_1", "object": "customer", "deleted": true});
    compile("right", &[("Stripe.DeletedCustomer", tombstone)]).expect("right");
    let wrong = json!({"id": 1, "object": "customer", "deleted": true});
    let missing = json!({"id": "cus_1", "object": "customer"});
    let problems = compile(
        "wrong",
        &[
            ("Stripe.DeletedCustomer", wrong),
            ("Stripe.DeletedCustomer", missing),
        ],
    )
    .expect_err("wrong");
    assert!(
        problems.contains("'number' is not assignable to type 'string'"),
        "{problems}"
    );
    assert!(problems.contains("'deleted' is missing"), "{problems}");
}

#[test]
fn the_document_refuses_unknown_parameters_and_mistyped_ones() {
    let check = |form: &str| openapi().check_request("POST", "/v1/subscriptions", form);
    check("customer=cus_1&items[0][price]=price_1&items[0][quantity]=2&trial_end=now&expand[]=customer").expect("right");
    for wrong in [
        "custmer=cus_1",
        "items[0][prise]=price_1",
        "items[0][quantity]=many",
        "payment_behavior=maybe",
    ] {
        check(wrong).expect_err(wrong);
    }
    openapi()
        .check_request("POST", "/v1/unheard_of", "")
        .expect_err("no such path");
    openapi()
        .check_request("GET", "/v1/prices?lookup_key=x", "")
        .expect_err("it is lookup_keys");
}

#[tokio::test]
async fn the_document_refuses_a_spoiled_answer() {
    let sandbox = Sandbox::start();
    let customer = sandbox.post("/v1/customers", "name=A").await;
    let check =
        |body: &Value| openapi().check_response("GET", "/v1/customers/cus_1", "", 200, body);
    check(&customer).expect("right");
    let spoil: [fn(&mut Value); 4] = [
        |body| body["created"] = json!("today"),
        |body| body["emial"] = json!("a@tenant.example"),
        |body| body["invoice_settings"]["default_payment_method"] = json!({"id": "pm_1"}),
        |body| drop(body.as_object_mut().expect("an object").remove("livemode")),
    ];
    for spoil in spoil {
        let mut body = customer.clone();
        spoil(&mut body);
        check(&body).expect_err("spoiled");
    }
}

#[tokio::test]
async fn async_stripe_refuses_a_spoiled_answer() {
    let sandbox = Sandbox::start();
    let mut customer = sandbox.post("/v1/customers", "name=A").await;
    async_stripe::parses(&customer).expect("right");
    customer["created"] = json!("today");
    async_stripe::parses(&customer).expect_err("spoiled");
}

#[tokio::test]
async fn the_request_log_is_enough_to_judge_a_client_by() {
    let sandbox = Sandbox::start();
    sandbox
        .post(
            "/v1/customers",
            "name=A&metadata[k]=v&expand[]=subscriptions",
        )
        .await;
    sandbox.get("/v1/customers?limit=3&created[gte]=0").await;
    sandbox
        .post("/v1/customers", "nmae=A")
        .wrong()
        .refused(400)
        .await;
    let verdicts = sandbox.requests("").await.into_iter().map(|entry| {
        let [method, path, query, body] =
            ["method", "path", "query", "body"].map(|field| text(&entry[field]));
        openapi()
            .check_request(&method, &format!("{path}?{query}"), &body)
            .is_ok()
    });
    assert_eq!(verdicts.collect::<Vec<_>>(), [true, true, false]);
}
