//! The built-in templates.

/// Includes a file beside this one, with its name.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!($name))),*]
    };
}

/// By name.
pub(super) const BUILT_IN: &[(&str, &str)] = built_in![
    "layout.txt",
    "layout.html",
    "trial_ending.subject.txt",
    "trial_ending.txt",
    "trial_ending.html",
    "payment_method_needed.subject.txt",
    "payment_method_needed.txt",
    "payment_method_needed.html",
    "reminder.subject.txt",
    "reminder.txt",
    "reminder.html",
    "warning.subject.txt",
    "warning.txt",
    "warning.html",
    "limited.subject.txt",
    "limited.txt",
    "limited.html",
    "suspended.subject.txt",
    "suspended.txt",
    "suspended.html",
    "reactivated.subject.txt",
    "reactivated.txt",
    "reactivated.html",
    "action_required.subject.txt",
    "action_required.txt",
    "action_required.html",
    "dispute.subject.txt",
    "dispute.txt",
    "dispute.html",
    "enforcement_held.subject.txt",
    "enforcement_held.txt",
    "enforcement_held.html",
];
