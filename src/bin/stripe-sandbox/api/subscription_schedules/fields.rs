//! The parameters of the schedule endpoints.

use crate::api::subscription_items::{PRICE_DATA, PRORATION_BEHAVIOR};
use crate::wire::{Field, Shape, clearable, opt, req, unsupported};

const AUTOMATIC_TAX: Shape =
    Shape::Object(&[req("enabled", Shape::Bool), unsupported("liability")]);
const ANCHOR: Shape = Shape::Enum(&["automatic", "phase_start"]);
const COLLECTION_METHOD: Shape = Shape::Enum(&["charge_automatically", "send_invoice"]);
const END_BEHAVIOR: Shape = Shape::Enum(&["cancel", "none", "release", "renew"]);
const INVOICE_SETTINGS: Shape = Shape::Object(&[
    unsupported("account_tax_ids"),
    unsupported("custom_fields"),
    opt("days_until_due", Shape::Int),
    unsupported("description"),
    unsupported("footer"),
    unsupported("issuer"),
]);
const DEFAULT_SETTINGS: Shape = Shape::Object(&[
    unsupported("application_fee_percent"),
    opt("automatic_tax", AUTOMATIC_TAX),
    opt("billing_cycle_anchor", ANCHOR),
    unsupported("billing_thresholds"),
    opt("collection_method", COLLECTION_METHOD),
    opt("default_payment_method", Shape::Str),
    clearable("description", Shape::Str),
    opt("invoice_settings", INVOICE_SETTINGS),
    unsupported("on_behalf_of"),
    unsupported("transfer_data"),
]);
const ITEM: Shape = Shape::Object(&[
    unsupported("billing_thresholds"),
    unsupported("discounts"),
    clearable("metadata", Shape::Metadata),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt("price_data", Shape::Object(PRICE_DATA)),
    opt("quantity", Shape::Int),
    unsupported("tax_rates"),
    unsupported("trial"),
]);
const DURATION: Shape = Shape::Object(&[
    req("interval", Shape::Enum(&["day", "month", "week", "year"])),
    opt("interval_count", Shape::Int),
]);

/// Parameters of a phase at creation and update alike.
macro_rules! phase_fields {
    ($($more:expr),* $(,)?) => {
        &[
            unsupported("add_invoice_items"),
            unsupported("application_fee_percent"),
            opt("automatic_tax", AUTOMATIC_TAX),
            opt("billing_cycle_anchor", ANCHOR),
            unsupported("billing_thresholds"),
            opt("collection_method", COLLECTION_METHOD),
            opt("currency", Shape::Str),
            opt("default_payment_method", Shape::Str),
            unsupported("default_tax_rates"),
            clearable("description", Shape::Str),
            unsupported("discounts"),
            opt("duration", DURATION),
            opt("invoice_settings", INVOICE_SETTINGS),
            req("items", Shape::List(&ITEM)),
            opt("metadata", Shape::Metadata),
            unsupported("on_behalf_of"),
            opt("proration_behavior", PRORATION_BEHAVIOR),
            unsupported("transfer_data"),
            opt("trial", Shape::Bool),
            $($more),*
        ]
    };
}

const NEW_PHASE: Shape = Shape::Object(phase_fields![
    opt("end_date", Shape::Int),
    opt("trial_end", Shape::Int),
]);
const CHANGED_PHASE: Shape = Shape::Object(phase_fields![
    opt("end_date", Shape::IntOr(&["now"])),
    opt("start_date", Shape::IntOr(&["now"])),
    opt("trial_end", Shape::IntOr(&["now"])),
]);

pub(super) const CREATE: &[Field] = &[
    opt(
        "billing_mode",
        Shape::Object(&[
            req("type", Shape::Enum(&["classic", "flexible"])),
            unsupported("flexible"),
        ]),
    ),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("default_settings", DEFAULT_SETTINGS),
    opt("end_behavior", END_BEHAVIOR),
    opt("from_subscription", Shape::Str),
    clearable("metadata", Shape::Metadata),
    unsupported("pause_schedules"),
    opt("phases", Shape::List(&NEW_PHASE)),
    opt("start_date", Shape::IntOr(&["now"])),
];

pub(super) const UPDATE: &[Field] = &[
    opt("default_settings", DEFAULT_SETTINGS),
    opt("end_behavior", END_BEHAVIOR),
    clearable("metadata", Shape::Metadata),
    unsupported("pause_schedules"),
    opt("phases", Shape::List(&CHANGED_PHASE)),
    opt("proration_behavior", PRORATION_BEHAVIOR),
];

/// A schedule's changes in a preview.
pub const PREVIEW_DETAILS: Shape = Shape::Object(&[
    unsupported("billing_mode"),
    opt("end_behavior", Shape::Enum(&["cancel", "release"])),
    unsupported("pause_schedules"),
    opt("phases", Shape::List(&CHANGED_PHASE)),
    opt("proration_behavior", PRORATION_BEHAVIOR),
]);

pub(super) const CANCEL: &[Field] = &[opt("invoice_now", Shape::Bool), opt("prorate", Shape::Bool)];

pub(super) const RELEASE: &[Field] = &[opt("preserve_cancel_date", Shape::Bool)];

pub(super) const LIST: &[Field] = &[
    opt("canceled_at", Shape::Range),
    opt("completed_at", Shape::Range),
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("released_at", Shape::Range),
    opt("scheduled", Shape::Bool),
];
