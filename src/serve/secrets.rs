//! The signing secrets of webhook endpoints, from files that may change at any time.
//!
//! What the files say now is what counts: a secret that is taken out of them is void within seconds,
//! one that is added is good as soon. A file that is missing or empty stops nothing. It is named in the
//! log and by `/readyz`, and gives no secret until it is right.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::stripe::{Secret, SigningSecret};

/// How often the files are read.
const INTERVAL: Duration = Duration::from_secs(2);

/// The secrets as they are now.
#[derive(Clone, Debug)]
pub struct Secrets(watch::Receiver<Arc<Loaded>>);

/// What the files gave.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Ready for use.
    pub(super) keys: Vec<SigningSecret>,
    /// The same, to see whether they have changed.
    texts: Vec<Secret>,
    /// What is wrong, each naming its file.
    pub(super) problems: Vec<String>,
}

impl Secrets {
    /// Reads the files, or those in directories among them, each with one secret a line. The future
    /// keeps reading them until `shutdown`.
    pub async fn load(
        files: Vec<PathBuf>,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let first = read(&files).await;
        first.tell();
        let (sender, receiver) = watch::channel(Arc::new(first));
        (Self(receiver), keep_reading(files, sender, shutdown))
    }

    /// What counts now.
    pub(super) fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.borrow())
    }

    /// What is wrong with the files, if anything is.
    pub(super) fn problems(&self) -> Vec<String> {
        self.current().problems.clone()
    }
}

async fn keep_reading(
    files: Vec<PathBuf>,
    sender: watch::Sender<Arc<Loaded>>,
    shutdown: CancellationToken,
) {
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let loaded = read(&files).await;
        sender.send_if_modified(|known| {
            let changed = known.texts != loaded.texts || known.problems != loaded.problems;
            if changed {
                loaded.tell();
                *known = Arc::new(loaded);
            }
            changed
        });
    }
}

impl Loaded {
    fn tell(&self) {
        for problem in &self.problems {
            tracing::warn!("webhook secrets: {problem}");
        }
        tracing::info!(secrets = self.keys.len(), "webhook secrets read");
    }
}

async fn read(files: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    for path in files {
        if let Err(problem) = read_path(path, &mut loaded).await {
            loaded
                .problems
                .push(format!("{}: {problem}", path.display()));
        }
    }
    loaded
}

async fn read_path(path: &Path, loaded: &mut Loaded) -> Result<(), String> {
    let before = loaded.keys.len();
    let metadata = tokio::fs::metadata(path)
        .await
        .map_err(|error| format!("cannot be read ({error})"))?;
    if metadata.is_dir() {
        for file in files_in(path).await.map_err(|error| error.to_string())? {
            read_file(&file, loaded).await?;
        }
    } else {
        read_file(path, loaded).await?;
    }
    if loaded.keys.len() == before {
        return Err(
            "holds no secret; write the endpoint's signing secret (whsec_…) into it".into(),
        );
    }
    Ok(())
}

/// The files of a mounted Secret. Names that begin with a dot are how a mount is swapped.
async fn files_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        // Through the link: the files of a mount are links.
        if !hidden && tokio::fs::metadata(&path).await?.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

async fn read_file(file: &Path, loaded: &mut Loaded) -> Result<(), String> {
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| format!("cannot be read ({error})"))?;
    for line in text.lines().map(str::trim) {
        if let Some(key) = SigningSecret::new(line) {
            loaded.keys.push(key);
            loaded.texts.push(Secret::new(line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let name = format!("webhook-secrets-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn one_secret_a_line_from_files_and_from_directories() {
        let dir = scratch("lines");
        std::fs::write(dir.join("one"), "whsec_a\n\n  whsec_b  \n").unwrap();
        std::fs::write(dir.join("two"), "whsec_c").unwrap();
        std::fs::write(dir.join(".hidden"), "whsec_d").unwrap();
        let loaded = read(&[dir.join("one"), dir.clone()]).await;
        let expected = ["whsec_a", "whsec_b", "whsec_a", "whsec_b", "whsec_c"];
        assert_eq!(loaded.texts, expected.map(Secret::new));
        assert_eq!(loaded.keys.len(), 5);
        assert!(loaded.problems.is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_missing_or_empty_is_named_and_stops_no_other() {
        let dir = scratch("broken");
        std::fs::write(dir.join("empty"), "\n").unwrap();
        std::fs::write(dir.join("good"), "whsec_a").unwrap();
        let files = ["missing", "empty", "good"].map(|name| dir.join(name));
        let loaded = read(&files).await;
        assert_eq!(loaded.keys.len(), 1);
        assert_eq!(loaded.problems.len(), 2);
        assert!(loaded.problems[0].contains("missing: cannot be read"));
        assert!(loaded.problems[1].contains("empty: holds no secret"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_written_again_counts_without_a_restart() {
        let dir = scratch("rotated");
        let file = dir.join("secret");
        std::fs::write(&file, "whsec_old").unwrap();
        let shutdown = CancellationToken::new();
        let (secrets, reading) = Secrets::load(vec![file.clone()], shutdown.clone()).await;
        let reading = tokio::spawn(reading);
        std::fs::write(&file, "whsec_old\nwhsec_new").unwrap();
        let mut seen = secrets.0.clone();
        let rotated = seen.wait_for(|loaded| loaded.keys.len() == 2);
        assert!(rotated.await.is_ok());
        shutdown.cancel();
        reading.await.unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
