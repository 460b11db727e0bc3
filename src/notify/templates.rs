//! Templates of mails: the built-in ones, and those of a directory that go before them.
//!
//! A kind of notice has three, as in `warning.subject.txt`, `warning.txt` and `warning.html`; all texts
//! are inside `layout.txt`, all pages inside `layout.html`. A directory may hold any of these. It is
//! read whenever a mail is made, so that a changed ConfigMap counts at once. What cannot be rendered is
//! said in the log and counted, and the built-in template is used: a mistake in wording must not keep a
//! customer from being told.

mod built_in;
mod render;
pub(super) mod sample;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::built_in::BUILT_IN;
pub(super) use self::render::Rendered;
use self::render::{Mistake, Sources, render};
use super::metrics::Metrics;
use super::people::Words;
use crate::api::NoticeKind;
use crate::converge::notice::Notice;

/// A template of more is none: a ConfigMap holds a megabyte.
const LONGEST: u64 = 1024 * 1024;

/// Templates of mails.
#[derive(Debug)]
pub struct Templates {
    directory: Option<PathBuf>,
    product: String,
    metrics: Arc<Metrics>,
}

impl Templates {
    /// Templates in which `product` signs; those in `directory` go before the built-in ones.
    pub fn new(directory: Option<PathBuf>, product: &str, metrics: Arc<Metrics>) -> Self {
        Self {
            directory,
            product: product.to_owned(),
            metrics,
        }
    }

    /// Renders all that there is with sample data, so that a mistake shows before a customer is to be
    /// told. Gives how many of the directory's templates can be used.
    pub async fn check(&self) -> usize {
        let (sources, mut mistakes) = self.sources().await;
        for kind in NoticeKind::ALL {
            // What is there in one notice is missing in another.
            for notice in [sample::full(kind), sample::sparse(kind)] {
                let (_, wrong) = render(&sources, &Words::of(&notice, &self.product), kind);
                mistakes.extend(wrong);
            }
        }
        mistakes.sort_by(|one, other| one.file.cmp(&other.file));
        mistakes.dedup_by(|one, other| one.file == other.file);
        self.tell(&mistakes);
        let is_good = |name: &String| mistakes.iter().all(|mistake| mistake.file != *name);
        sources.iter().filter(|(name, _)| is_good(name)).count()
    }

    /// The mail for a notice.
    pub(super) async fn mail(&self, notice: &Notice) -> Result<Rendered, String> {
        let (sources, mut mistakes) = self.sources().await;
        let (rendered, wrong) = render(&sources, &Words::of(notice, &self.product), notice.kind);
        mistakes.extend(wrong);
        self.tell(&mistakes);
        rendered
    }

    fn tell(&self, mistakes: &[Mistake]) {
        for Mistake { file, message } in mistakes {
            let directory = self.directory.as_deref().unwrap_or(Path::new(""));
            let file = directory.join(file);
            tracing::warn!(file = %file.display(), "{message}; the built-in template is used");
        }
        for name in mistakes.iter().map(|mistake| &mistake.file) {
            // Names that are none are not counted: there can be any number of them.
            if BUILT_IN.iter().any(|(known, _)| known == name) {
                self.metrics.template_failed(name);
            }
        }
    }

    /// What the directory holds.
    async fn sources(&self) -> (Sources, Vec<Mistake>) {
        match &self.directory {
            None => (Vec::new(), Vec::new()),
            Some(directory) => read(directory).await,
        }
    }
}

async fn read(directory: &Path) -> (Sources, Vec<Mistake>) {
    let mut sources = Vec::new();
    let mut mistakes = Vec::new();
    let names = match names(directory).await {
        Ok(names) => names,
        Err(error) => {
            mistakes.push(Mistake {
                file: String::new(),
                message: format!("the directory of --mail-templates cannot be read ({error})"),
            });
            Vec::new()
        }
    };
    for name in names {
        match read_file(directory, &name).await {
            Ok(source) => sources.push((name, source)),
            Err(message) => mistakes.push(Mistake {
                file: name,
                message,
            }),
        }
    }
    (sources, mistakes)
}

/// What a mounted `ConfigMap` holds. Names that begin with a dot are how a mount is swapped.
async fn names(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

async fn read_file(directory: &Path, name: &str) -> Result<String, String> {
    if BUILT_IN.iter().all(|(known, _)| *known != name) {
        return Err(
            "no template has this name; use a kind of notice and .subject.txt, .txt or .html, as in \
             warning.subject.txt, or layout.txt or layout.html"
                .to_owned(),
        );
    }
    let path = directory.join(name);
    let unreadable = |error: std::io::Error| format!("it cannot be read ({error})");
    let metadata = tokio::fs::metadata(&path).await.map_err(unreadable)?;
    if metadata.len() > LONGEST {
        return Err("it has more than a megabyte; make it shorter".to_owned());
    }
    tokio::fs::read_to_string(&path).await.map_err(unreadable)
}
