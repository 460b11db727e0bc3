//! `/v1/billing_portal`.

mod fields;

use serde_json::{Value, json};

use self::fields::{CREATE, CREATE_SESSION, FEATURES_IN_WORDS, LIST, UPDATE};
use super::customers;
use crate::model::portal::{AfterFlow, PortalConfiguration, PortalSession, no_features};
use crate::model::{Metadata, portal};
use crate::state::State;
use crate::wire::{Expansion, Params, Request, Route, StripeError, get, list, page, post};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post(
        "/v1/billing_portal/sessions",
        CREATE_SESSION,
        create_session,
    ),
    post("/v1/billing_portal/configurations", CREATE, create),
    list(
        "/v1/billing_portal/configurations",
        LIST,
        list_configurations,
    ),
    get("/v1/billing_portal/configurations/{}", &[], retrieve),
    post("/v1/billing_portal/configurations/{}", UPDATE, update),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[Expansion::Reference {
    field: "configuration",
    load: |state, id| {
        let configuration = state.portal_configurations.get(id)?;
        Some(configuration.render(state.livemode))
    },
}];

/// How long a session can be used whose page nobody has visited.
const UNVISITED_FOR: i64 = 5 * 60;

fn create_session(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let customer = params.text("customer");
    let customer = customer.ok_or_else(|| StripeError::missing("customer"))?;
    customers::live(state, customer, "customer")?;
    let after_card = after_card(params)?;
    let configuration = configuration(state, params)?;
    if after_card.is_some() && !configuration.allows("payment_method_update") {
        return Err(StripeError::invalid(
            "This flow is not enabled in the portal configuration: payment_method_update.",
        )
        .param("flow_data[type]"));
    }
    let now = state.wall_clock();
    let mut session = PortalSession {
        id: state.new_id("bps"),
        configuration: configuration.id,
        created: now,
        usable_until: now + UNVISITED_FOR,
        customer: customer.to_owned(),
        locale: None,
        return_url: configuration.default_return_url,
        after_card,
        setup_intent: None,
    };
    params.assign("locale", &mut session.locale);
    params.assign("return_url", &mut session.return_url);
    let answer = session.render(state);
    state.portal_sessions.insert(session.id.clone(), session);
    state.emit("billing_portal.session.created", answer.clone(), None);
    Ok(answer)
}

fn after_card(params: &Params) -> Result<Option<AfterFlow>, StripeError> {
    let Some(kind) = params.text("flow_data.type") else {
        return Ok(None);
    };
    if kind != "payment_method_update" {
        return Err(
            StripeError::unsupported(&format!("flow_data[type]={kind}")).param("flow_data[type]")
        );
    }
    let text = |name: &str| {
        let name = format!("flow_data.after_completion.{name}");
        params.text(&name).map(str::to_owned)
    };
    Ok(Some(match text("type").as_deref() {
        Some("hosted_confirmation") => {
            AfterFlow::HostedConfirmation(text("hosted_confirmation.custom_message"))
        }
        Some("redirect") => AfterFlow::Redirect(text("redirect.return_url").ok_or_else(|| {
            StripeError::missing("flow_data[after_completion][redirect][return_url]")
        })?),
        _ => AfterFlow::PortalHomepage,
    }))
}

/// The configuration named, or the account's default, which is made when it is first needed.
fn configuration(state: &mut State, params: &Params) -> Result<PortalConfiguration, StripeError> {
    if let Some(id) = params.text("configuration") {
        let found = state.portal_configurations.get(id).cloned();
        return match found {
            Some(found) if found.active => Ok(found),
            Some(_) => Err(
                StripeError::invalid("This portal configuration is not active.")
                    .param("configuration"),
            ),
            None => Err(StripeError::no_such("configuration", id, "configuration")),
        };
    }
    let mut configurations = state.portal_configurations.iter();
    let default = configurations.find(|it| it.is_default).cloned();
    drop(configurations);
    Ok(match default {
        Some(default) => default,
        None => default_configuration(state),
    })
}

/// What Stripe's Dashboard offers at first.
fn default_configuration(state: &mut State) -> PortalConfiguration {
    let mut features = no_features();
    for name in [
        "invoice_history",
        "payment_method_update",
        "subscription_cancel",
    ] {
        features[name]["enabled"] = json!(true);
    }
    let configuration = PortalConfiguration {
        is_default: true,
        features,
        ..blank(state)
    };
    store(state, configuration.clone());
    configuration
}

fn blank(state: &mut State) -> PortalConfiguration {
    let now = state.wall_clock();
    PortalConfiguration {
        id: state.new_id("bpc"),
        active: true,
        created: now,
        updated: now,
        is_default: false,
        default_return_url: None,
        headline: None,
        privacy_policy_url: None,
        terms_of_service_url: None,
        name: None,
        metadata: Metadata::new(),
        features: portal::no_features(),
    }
}

fn store(state: &mut State, configuration: PortalConfiguration) -> Value {
    let id = configuration.id.clone();
    let after = configuration.render(state.livemode);
    let before = state.portal_configurations.get(&id);
    let before = before.map(|before| before.render(state.livemode));
    state.portal_configurations.insert(id, configuration);
    match before {
        None => state.emit("billing_portal.configuration.created", after.clone(), None),
        Some(before) => {
            state.emit_update(
                "billing_portal.configuration.updated",
                &before,
                after.clone(),
            );
        }
    }
    after
}

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut configuration = blank(state);
    assign(&mut configuration, &request.params)?;
    Ok(store(state, configuration))
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut configuration = find(state, request.id())?.clone();
    assign(&mut configuration, &request.params)?;
    if let Some(active) = request.params.bool("active") {
        if configuration.is_default && !active {
            return Err(StripeError::invalid(
                "The default portal configuration cannot be made inactive.",
            )
            .param("active"));
        }
        configuration.active = active;
    }
    configuration.updated = state.wall_clock();
    Ok(store(state, configuration))
}

fn assign(configuration: &mut PortalConfiguration, params: &Params) -> Result<(), StripeError> {
    if params.bool("login_page.enabled") == Some(true) {
        return Err(StripeError::unsupported("login_page[enabled]"));
    }
    if params.bool("features.subscription_update.enabled") == Some(true) {
        return Err(StripeError::unsupported(
            "features[subscription_update][enabled]",
        ));
    }
    params.assign_metadata("metadata", &mut configuration.metadata);
    params.assign("name", &mut configuration.name);
    params.assign("default_return_url", &mut configuration.default_return_url);
    params.assign("business_profile.headline", &mut configuration.headline);
    params.assign(
        "business_profile.privacy_policy_url",
        &mut configuration.privacy_policy_url,
    );
    params.assign(
        "business_profile.terms_of_service_url",
        &mut configuration.terms_of_service_url,
    );
    let features = &mut configuration.features;
    for name in [
        "customer_update",
        "invoice_history",
        "payment_method_update",
        "subscription_cancel",
    ] {
        if let Some(enabled) = params.bool(&format!("features.{name}.enabled")) {
            features[name]["enabled"] = json!(enabled);
        }
    }
    let updates = "features.customer_update.allowed_updates";
    if params.has(updates) {
        features["customer_update"]["allowed_updates"] = json!(params.strings(updates));
    }
    for name in FEATURES_IN_WORDS {
        if let Some(word) = params.text(&format!("features.subscription_cancel.{name}")) {
            features["subscription_cancel"][name] = json!(word);
        }
    }
    let reason = "features.subscription_cancel.cancellation_reason";
    let kept = &mut features["subscription_cancel"]["cancellation_reason"];
    if let Some(enabled) = params.bool(&format!("{reason}.enabled")) {
        kept["enabled"] = json!(enabled);
    }
    if params.has(&format!("{reason}.options")) {
        kept["options"] = json!(params.strings(&format!("{reason}.options")));
    }
    Ok(())
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(|configuration| configuration.render(state.livemode))
}

fn list_configurations(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |configuration: &PortalConfiguration| {
        params
            .bool("active")
            .is_none_or(|active| configuration.active == active)
            && params
                .bool("is_default")
                .is_none_or(|default| configuration.is_default == default)
    };
    let configurations = &state.portal_configurations;
    page(request, "configuration", configurations, keep, |row| {
        row.render(state.livemode)
    })
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a PortalConfiguration, StripeError> {
    let configuration = state.portal_configurations.get(id);
    configuration.ok_or_else(|| StripeError::not_found("configuration", id))
}
