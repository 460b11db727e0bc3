//! Programs under test, as processes: what they print goes to a log file, whose end is shown when
//! the test fails, and they never outlive the value that stands for them.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{control_plane::ControlPlane, sandbox::Sandbox};

/// How long a program may take to say that it is ready, or to end when asked to.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of the log a failing test shows.
const SHOWN_LINES: usize = 80;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` and waits until one of the lines it prints makes `ready` give a value.
    pub(crate) async fn start(
        mut command: Command,
        ready: fn(&str) -> Option<String>,
    ) -> (Self, String) {
        let log = scratch(&format!("{}.log", program(&command)));
        let file = Arc::new(Mutex::new(File::create(&log).expect("creating a log file")));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program(&command)));
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let stdout = child.stdout.take().expect("a piped stdout");
        follow(stdout, Arc::clone(&file), sender.clone(), ready);
        let stderr = child.stderr.take().expect("a piped stderr");
        follow(stderr, file, sender, ready);

        let process = Self { child, log };
        match tokio::time::timeout(PATIENCE, receiver.recv()).await {
            Ok(Some(value)) => (process, value),
            // Dropping the process shows its log.
            Ok(None) => panic!("{} ended before it was ready", program(&command)),
            Err(elapsed) => panic!(
                "{} was not ready after {PATIENCE:?}: {elapsed}",
                program(&command)
            ),
        }
    }

    /// SIGKILL: a crash. Returns when the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("waiting for a killed process");
    }

    /// SIGTERM: asked to end, as Kubernetes asks. Returns how it did.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        signal(&self.child, "TERM");
        self.ended().await
    }

    /// SIGSTOP: a process that hangs without losing its connections.
    pub(crate) fn pause(&self) {
        signal(&self.child, "STOP");
    }

    /// SIGCONT: the end of [`Process::pause`].
    pub(crate) fn resume(&self) {
        signal(&self.child, "CONT");
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut poll = tokio::time::interval(Duration::from_millis(20));
        let end = async {
            loop {
                poll.tick().await;
                if let Some(status) = self.child.try_wait().expect("asking for the exit status") {
                    return status;
                }
            }
        };
        tokio::time::timeout(PATIENCE, end)
            .await
            .expect("the process did not end")
    }

    /// Everything printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("reading a log file")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!(
                "---- end of {} ----\n{}\n----",
                self.log.display(),
                end.join("\n")
            );
        }
    }
}

fn program(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A file name nobody else uses, below the target directory and telling which test it belongs to.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logs");
    fs::create_dir_all(&dir).expect("creating the log directory");
    let test = thread::current()
        .name()
        .unwrap_or("test")
        .replace("::", "-");
    let serial = STARTED.fetch_add(1, Ordering::Relaxed);
    dir.join(format!("{test}-{}-{serial}-{name}", std::process::id()))
}

/// Through the shell, whose `kill` is built in: sending signals from here would need unsafe code.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status()
        .expect("running sh");
    assert!(
        sent.success(),
        "SIG{name} could not be sent: the process has ended"
    );
}

/// Copies a stream to the log line by line, and sends on what `ready` makes of the lines.
fn follow(
    stream: impl Read + Send + 'static,
    log: Arc<Mutex<File>>,
    ready_sender: mpsc::UnboundedSender<String>,
    ready: fn(&str) -> Option<String>,
) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            writeln!(log.lock().expect("the log"), "{line}").expect("writing the log");
            if let Some(value) = ready(&line) {
                // Nobody listens any more once the first value has arrived.
                let _ = ready_sender.send(value);
            }
        }
    });
}

/// How to start an operator. [`OperatorOptions::new`] keeps the tests of a run apart; set the
/// other fields as the test needs them.
#[derive(Debug, Clone)]
pub(crate) struct OperatorOptions {
    /// Credentials for Kubernetes.
    pub(crate) kubeconfig: PathBuf,
    /// Only tenants of this namespace.
    pub(crate) namespace: String,
    /// Only plans with these labels.
    pub(crate) plan_selector: String,
    /// Whose tenants these are in Stripe.
    pub(crate) owner: String,
    /// Where Stripe is.
    pub(crate) stripe_api_base: String,
    /// A file with the Stripe key. It may be written again while the operator runs.
    pub(crate) stripe_key_file: PathBuf,
    /// Operators with one lease name compete for it.
    pub(crate) lease_name: String,
    /// Any other flags, as on the command line.
    pub(crate) flags: Vec<String>,
}

impl OperatorOptions {
    /// An operator for one test: its tenants, plans, lease and owner are those of `namespace`.
    pub(crate) fn new(control_plane: &ControlPlane, sandbox: &Sandbox, namespace: &str) -> Self {
        let stripe_key_file = scratch("stripe.key");
        fs::write(&stripe_key_file, super::sandbox::API_KEY).expect("writing the Stripe key");
        Self {
            kubeconfig: control_plane.operator_kubeconfig(),
            namespace: namespace.to_owned(),
            plan_selector: plan_label(namespace),
            owner: namespace.to_owned(),
            stripe_api_base: sandbox.url().to_owned(),
            stripe_key_file,
            lease_name: namespace.to_owned(),
            flags: Vec::new(),
        }
    }

    /// Adds a flag and its value.
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Gives a flag another value than it has.
    pub(crate) fn set_flag(&mut self, name: &str, value: &str) {
        let name = self.flags.iter().position(|flag| flag == name);
        let value_at = name.expect("the flag is set") + 1;
        value.clone_into(&mut self.flags[value_at]);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenant-billing"));
        command.arg("run");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.arg("--stripe-key-file").arg(&self.stripe_key_file);
        command.args(["--namespace", &self.namespace]);
        command.args(["--plan-selector", &self.plan_selector]);
        command.args(["--owner", &self.owner]);
        command.args(["--stripe-api-base", &self.stripe_api_base]);
        command.args(["--lease-name", &self.lease_name]);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        // As the downward API tells a pod.
        command.env("POD_IP", "127.0.0.1");
        command.args(&self.flags);
        command
    }
}

/// The label, as `key=value`, by which a test's operator knows the test's plans: plans are
/// cluster-scoped, and so seen by all tests of a run.
pub(crate) fn plan_label(namespace: &str) -> String {
    format!("tests.tenantbilling.io/namespace={namespace}")
}

/// A running operator.
#[derive(Debug)]
pub(crate) struct Operator {
    process: Process,
    url: String,
}

impl Operator {
    /// Starts an operator and waits until it serves health and metrics.
    pub(crate) async fn start(options: &OperatorOptions) -> Self {
        let (process, address) = Process::start(options.command(), serving_address).await;
        Self {
            process,
            url: format!("http://{address}"),
        }
    }

    /// Where it serves health and metrics.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it takes webhooks.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/webhooks/stripe", self.url)
    }

    /// The process, to pause it or read its log.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// SIGKILL: a crash. The lease stays held.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Waits for it to end by itself, and says how it did.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.process.terminate().await
    }
}

/// The address in the line that says where health and metrics are served.
fn serving_address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    (fields["message"] == "serving health and metrics")
        .then(|| fields["addr"].as_str().map(str::to_owned))
        .flatten()
}
