//! Any header and any body, at the endpoint for webhooks.
#![no_main]

#[path = "../property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| property::request(input.0, input.1));
