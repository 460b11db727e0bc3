//! Argument parsing and dispatch.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    tenant_billing::cli::Cli::parse().execute()
}
