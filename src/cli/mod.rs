//! The command line.

mod access;
mod crd;
mod notify;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes Stripe match what tenants' manifests declare.
#[derive(Debug, Parser)]
#[command(
    name = "tenant-billing",
    version,
    about,
    long_about = "Makes Stripe match what tenants' manifests declare.\n\n\
                  A tenant is a TenantBilling manifest, a plan is a BillingPlan manifest. The \
                  operator keeps one customer and one subscription in Stripe for each tenant as \
                  its manifest says, and reports in the status what it sees there."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(Box<run::Args>),
    /// Print the custom resource definitions.
    Crd(crd::Args),
}

impl Cli {
    /// Runs the command that was asked for.
    #[must_use]
    pub fn execute(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::execute(*args),
            Command::Crd(args) => crd::execute(&args),
        }
    }
}

/// Tells a person what went wrong and what to do.
fn fail(message: impl std::fmt::Display) -> ExitCode {
    eprintln!("tenant-billing: {message}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    /// Clap finds contradictions only when it is run, and panics then.
    #[test]
    fn the_flags_contradict_each_other_nowhere() {
        super::Cli::command().debug_assert();
    }
}
