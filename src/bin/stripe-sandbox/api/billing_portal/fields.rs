//! The parameters of the billing portal's endpoints.

use crate::wire::{Field, Shape, clearable, opt, req, unsupported};

/// What else a configuration says in one word about cancellation.
pub(super) const FEATURES_IN_WORDS: &[&str] = &["mode", "proration_behavior"];

const UPDATES: Shape = Shape::Enum(&["address", "email", "name", "phone", "shipping", "tax_id"]);
const REASONS: Shape = Shape::Enum(&[
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
]);

const FEATURES: Shape = Shape::Object(&[
    opt(
        "customer_update",
        Shape::Object(&[
            clearable("allowed_updates", Shape::List(&UPDATES)),
            opt("enabled", Shape::Bool),
        ]),
    ),
    opt(
        "invoice_history",
        Shape::Object(&[req("enabled", Shape::Bool)]),
    ),
    opt(
        "payment_method_update",
        Shape::Object(&[
            req("enabled", Shape::Bool),
            unsupported("payment_method_configuration"),
        ]),
    ),
    opt(
        "subscription_cancel",
        Shape::Object(&[
            opt(
                "cancellation_reason",
                Shape::Object(&[
                    req("enabled", Shape::Bool),
                    unsupported("feedback_options"),
                    clearable("options", Shape::List(&REASONS)),
                ]),
            ),
            opt("enabled", Shape::Bool),
            opt("mode", Shape::Enum(&["at_period_end", "immediately"])),
            opt(
                "proration_behavior",
                Shape::Enum(&["always_invoice", "create_prorations", "none"]),
            ),
        ]),
    ),
    opt(
        "subscription_update",
        Shape::Object(&[
            unsupported("billing_cycle_anchor"),
            unsupported("default_allowed_updates"),
            opt("enabled", Shape::Bool),
            unsupported("products"),
            unsupported("proration_behavior"),
            unsupported("schedule_at_period_end"),
            unsupported("trial_update_behavior"),
        ]),
    ),
]);

const BUSINESS_PROFILE: Shape = Shape::Object(&[
    clearable("headline", Shape::Str),
    clearable("privacy_policy_url", Shape::Str),
    clearable("terms_of_service_url", Shape::Str),
]);
const LOGIN_PAGE: Shape = Shape::Object(&[req("enabled", Shape::Bool)]);

pub(super) const CREATE: &[Field] = &[
    req("features", FEATURES),
    opt("business_profile", BUSINESS_PROFILE),
    clearable("default_return_url", Shape::Str),
    opt("login_page", LOGIN_PAGE),
    opt("metadata", Shape::Metadata),
    clearable("name", Shape::Str),
];

pub(super) const UPDATE: &[Field] = &[
    opt("active", Shape::Bool),
    opt("business_profile", BUSINESS_PROFILE),
    clearable("default_return_url", Shape::Str),
    opt("features", FEATURES),
    opt("login_page", LOGIN_PAGE),
    clearable("metadata", Shape::Metadata),
    clearable("name", Shape::Str),
];

pub(super) const LIST: &[Field] = &[opt("active", Shape::Bool), opt("is_default", Shape::Bool)];

const AFTER_COMPLETION: Shape = Shape::Object(&[
    opt(
        "hosted_confirmation",
        Shape::Object(&[opt("custom_message", Shape::Str)]),
    ),
    opt("redirect", Shape::Object(&[req("return_url", Shape::Str)])),
    req(
        "type",
        Shape::Enum(&["hosted_confirmation", "portal_homepage", "redirect"]),
    ),
]);

pub(super) const CREATE_SESSION: &[Field] = &[
    opt("configuration", Shape::Str),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt(
        "flow_data",
        Shape::Object(&[
            opt("after_completion", AFTER_COMPLETION),
            unsupported("subscription_cancel"),
            unsupported("subscription_update"),
            unsupported("subscription_update_confirm"),
            req(
                "type",
                Shape::Enum(&[
                    "customer_update",
                    "payment_method_update",
                    "subscription_cancel",
                    "subscription_update",
                    "subscription_update_confirm",
                ]),
            ),
        ]),
    ),
    opt("locale", Shape::Str),
    unsupported("on_behalf_of"),
    opt("return_url", Shape::Str),
];
