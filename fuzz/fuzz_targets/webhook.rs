//! Any header and any body, at the endpoint for webhooks.
#![no_main]

#[path = "../property.rs"]
mod property;

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use property::Target;

thread_local! {
    static TARGET: OnceCell<Target> = const { OnceCell::new() };
}

fuzz_target!(|input: (&[u8], &[u8])| {
    TARGET.with(|target| target.get_or_init(Target::new).check(input.0, input.1));
});
