//! `tenant-billing crd`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kube::CustomResourceExt as _;

use crate::api;

/// Print the custom resource definitions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenant-billing crd | kubectl apply -f -\n  \
    tenant-billing crd --output-dir crds")]
pub(super) struct Args {
    /// Write one file for each definition into this directory instead.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

pub(super) fn execute(args: &Args) -> ExitCode {
    let files = match files() {
        Ok(files) => files,
        Err(error) => return super::fail(error),
    };
    for (name, text) in files {
        match &args.output_dir {
            None => print!("---\n{text}"),
            Some(directory) => {
                if let Err(error) = write(directory, &name, &text) {
                    return super::fail(format!("{}: {error}", directory.join(name).display()));
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn write(directory: &Path, name: &str, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join(name), text)
}

/// The definitions, each as the name and the text of a file.
pub(crate) fn files() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let names = [api::BillingPlan::crd_name(), api::TenantBilling::crd_name()];
    names
        .into_iter()
        .zip(api::crds())
        .map(|(name, crd)| {
            let short = name.split('.').next().unwrap_or(name);
            Ok((format!("{short}.yaml"), serde_yaml::to_string(&crd)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_files_in_crds_are_what_the_types_say() {
        for (name, text) in super::files().unwrap() {
            let path = format!("{}/crds/{name}", env!("CARGO_MANIFEST_DIR"));
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "crds/{name} is stale; run `make crds`");
        }
    }
}
