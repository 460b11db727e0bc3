//! The parameters of the subscription endpoints.

use crate::api::subscription_items::{
    CHANGED_ITEM, NEW_ITEM, PAYMENT_BEHAVIOR, PRORATION_BEHAVIOR,
};
use crate::wire::{Field, Shape, clearable, opt, req, unsupported};

const AUTOMATIC_TAX: Shape =
    Shape::Object(&[req("enabled", Shape::Bool), unsupported("liability")]);
const COLLECTION_METHOD: Shape = Shape::Enum(&["charge_automatically", "send_invoice"]);
const PAYMENT_SETTINGS: Shape = Shape::Object(&[
    unsupported("payment_method_options"),
    clearable("payment_method_types", Shape::List(&Shape::Str)),
    opt(
        "save_default_payment_method",
        Shape::Enum(&["off", "on_subscription"]),
    ),
]);
const TRIAL_SETTINGS: Shape = Shape::Object(&[req(
    "end_behavior",
    Shape::Object(&[
        unsupported("billing_cycle_anchor"),
        opt(
            "missing_payment_method",
            Shape::Enum(&["cancel", "create_invoice", "pause"]),
        ),
    ]),
)]);
const CANCELLATION_DETAILS: Shape = Shape::Object(&[
    clearable("comment", Shape::Str),
    clearable(
        "feedback",
        Shape::Enum(&[
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        ]),
    ),
    unsupported("feedback_option"),
]);
const ANCHOR: Shape = Shape::Object(&[req("type", Shape::Enum(&["now", "unchanged"]))]);

pub(super) const CREATE: &[Field] = &[
    req("customer", Shape::Str),
    unsupported("add_invoice_items"),
    unsupported("application_fee_percent"),
    opt("automatic_tax", AUTOMATIC_TAX),
    unsupported("backdate_start_date"),
    opt("billing_cycle_anchor", Shape::Int),
    unsupported("billing_cycle_anchor_config"),
    opt(
        "billing_mode",
        Shape::Object(&[
            req("type", Shape::Enum(&["classic", "flexible"])),
            unsupported("flexible"),
        ]),
    ),
    unsupported("billing_schedules"),
    unsupported("billing_thresholds"),
    opt("cancel_at", Shape::Int),
    opt("cancel_at_period_end", Shape::Bool),
    opt("collection_method", COLLECTION_METHOD),
    opt("currency", Shape::Str),
    unsupported("customer_account"),
    opt("days_until_due", Shape::Int),
    opt("default_payment_method", Shape::Str),
    unsupported("default_source"),
    unsupported("default_tax_rates"),
    opt("description", Shape::Str),
    unsupported("discounts"),
    unsupported("invoice_settings"),
    opt("items", Shape::List(&NEW_ITEM)),
    clearable("metadata", Shape::Metadata),
    opt("off_session", Shape::Bool),
    unsupported("on_behalf_of"),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    opt("payment_settings", PAYMENT_SETTINGS),
    unsupported("pending_invoice_item_interval"),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    unsupported("transfer_data"),
    opt("trial_end", Shape::IntOr(&["now"])),
    unsupported("trial_from_plan"),
    opt("trial_period_days", Shape::Int),
    opt("trial_settings", TRIAL_SETTINGS),
];

pub(super) const UPDATE: &[Field] = &[
    unsupported("add_invoice_items"),
    unsupported("application_fee_percent"),
    opt("automatic_tax", AUTOMATIC_TAX),
    opt("billing_cycle_anchor", ANCHOR),
    unsupported("billing_schedules"),
    unsupported("billing_thresholds"),
    clearable(
        "cancel_at",
        Shape::IntOr(&["max_period_end", "min_period_end"]),
    ),
    opt("cancel_at_period_end", Shape::Bool),
    opt("cancellation_details", CANCELLATION_DETAILS),
    opt("collection_method", COLLECTION_METHOD),
    opt("days_until_due", Shape::Int),
    clearable("default_payment_method", Shape::Str),
    unsupported("default_source"),
    unsupported("default_tax_rates"),
    clearable("description", Shape::Str),
    unsupported("discounts"),
    unsupported("invoice_settings"),
    opt("items", Shape::List(&CHANGED_ITEM)),
    clearable("metadata", Shape::Metadata),
    opt("off_session", Shape::Bool),
    unsupported("on_behalf_of"),
    clearable(
        "pause_collection",
        Shape::Object(&[
            req(
                "behavior",
                Shape::Enum(&["keep_as_draft", "mark_uncollectible", "void"]),
            ),
            opt("resumes_at", Shape::Int),
        ]),
    ),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    opt("payment_settings", PAYMENT_SETTINGS),
    unsupported("pending_invoice_item_interval"),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
    unsupported("transfer_data"),
    opt("trial_end", Shape::IntOr(&["now"])),
    unsupported("trial_from_plan"),
    opt("trial_settings", TRIAL_SETTINGS),
];

pub(super) const CANCEL: &[Field] = &[
    opt("cancellation_details", CANCELLATION_DETAILS),
    opt("invoice_now", Shape::Bool),
    opt("prorate", Shape::Bool),
];

pub(super) const RESUME: &[Field] = &[
    opt("billing_cycle_anchor", ANCHOR),
    opt(
        "payment_behavior",
        Shape::Enum(&["resume_on_payment_attempt", "resume_on_payment_success"]),
    ),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    unsupported("proration_date"),
];

pub(super) const LIST: &[Field] = &[
    unsupported("automatic_tax"),
    opt("collection_method", COLLECTION_METHOD),
    opt("created", Shape::Range),
    opt("current_period_end", Shape::Range),
    opt("current_period_start", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt(
        "status",
        Shape::Enum(&[
            "active",
            "all",
            "canceled",
            "ended",
            "incomplete",
            "incomplete_expired",
            "past_due",
            "paused",
            "trialing",
            "unpaid",
        ]),
    ),
    opt("test_clock", Shape::Str),
];
