//! `tenant-billing run`

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus_client::registry::Registry;
use rust_decimal::Decimal;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::controller::{self, Ended, LeaseConfig, Metrics, Polling, Reception, reception};
use crate::converge::breaker::Threshold;
use crate::converge::desired;
use crate::serve::{self, Endpoint, Secrets, WebhookMetrics};
use crate::stripe;

/// Run the operator.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenant-billing run --stripe-key-file /etc/stripe/api-key\n  \
    tenant-billing run --kubeconfig ~/.kube/config --namespace tenants \\\n    \
    --stripe-key-file key --stripe-api-base http://127.0.0.1:12111/\n  \
    tenant-billing run --stripe-key-file key --smtp-server smtp.example.com \\\n    \
    --smtp-username-file user --smtp-password-file password --mail-from billing@example.com")]
pub(super) struct Args {
    /// Kubeconfig file; inside a cluster the pod's service account is used instead.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Watch the tenants of this namespace only.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Watch only the plans with these labels, as in `stripe=live`.
    #[arg(long, value_name = "LABELS")]
    plan_selector: Option<String>,
    /// Name of this installation. It is part of the identity of everything in Stripe: two
    /// operators that share an account need two names, and one must never change its name.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = owner)]
    owner: String,
    /// File with the Stripe API key. It is read again when it changes.
    #[arg(long, value_name = "FILE")]
    stripe_key_file: PathBuf,
    /// Where Stripe's API is; another address is for sandboxes.
    #[arg(long, value_name = "URL", default_value = "https://api.stripe.com/")]
    stripe_api_base: String,
    /// Requests to Stripe in a second [default: 80 with a live key, 20 with a test key].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests_per_second: Option<u32>,
    /// Where health, metrics, webhooks and access are served.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Namespace of the lease that replicas compete for.
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAMESPACE",
        default_value = "tenant-billing-system"
    )]
    lease_namespace: String,
    /// Name of that lease.
    #[arg(long, value_name = "NAME", default_value = "tenant-billing-operator")]
    lease_name: String,
    /// How long a replica that has vanished keeps the lease.
    #[arg(long, value_name = "N", default_value = "15", value_parser = clap::value_parser!(u64).range(3..))]
    lease_duration_seconds: u64,
    /// How the operator hears of what happens in Stripe.
    #[arg(long, value_enum, default_value_t = Events::Both)]
    events: Events,
    /// File with the signing secrets of the webhook endpoint, one a line, or a directory of such
    /// files; may be given again. They are read again when they change.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Vec<PathBuf>,
    /// Where other replicas reach this one, to pass webhooks on while it leads [default: the
    /// variable `POD_IP` and the port of --listen].
    #[arg(long, value_name = "HOST:PORT")]
    advertise_address: Option<String>,
    /// How often Stripe is asked for new events.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u64).range(1..))]
    event_poll_seconds: u64,
    /// How often everything is listed and compared.
    #[arg(long, value_name = "N", default_value = "3600", value_parser = clap::value_parser!(u64).range(1..))]
    resync_seconds: u64,
    /// How many times more, or less, new terms of a plan may cost a tenant at any usage. Those
    /// that would cost more or less wait for an annotation on the plan.
    #[arg(long, value_name = "N", default_value = "5", value_parser = price_jump)]
    max_price_jump: Decimal,
    /// Where customers go after leaving a payment method on Stripe's page, as in
    /// `https://app.example/billing`; a tenant's `spec.payment.returnUrl` goes before it. Without
    /// either, the status has no page for the customer.
    #[arg(long, value_name = "URL", value_parser = page)]
    payment_return_url: Option<String>,
    /// Percent of the tenants that may newly lose access within an hour: when it would be more of them,
    /// and more than --max-restricted, nobody does until a person has looked. 100 turns that off.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=100))]
    max_restricted_percent: u8,
    /// Tenants that may newly lose access within an hour, however few there are.
    #[arg(long, value_name = "N", default_value = "5")]
    max_restricted: usize,
    #[command(flatten)]
    access: super::access::AccessArgs,
    /// How the log is written. Its level is taken from RUST_LOG [default: info].
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    #[command(flatten)]
    notify: super::notify::NotifyArgs,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How the operator hears of what happens in Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Events {
    /// Stripe sends them to /webhooks/stripe; its list is read at the start and at every resync.
    Webhook,
    /// Stripe's list is read every few seconds.
    Poll,
    /// Both: webhooks are faster, and the list misses nothing.
    Both,
}

fn owner(name: &str) -> Result<String, String> {
    let fits = !name.is_empty()
        && name.len() <= 63
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits {
        Ok(name.to_owned())
    } else {
        Err("use 1 to 63 letters, digits, - and _".to_owned())
    }
}

fn price_jump(text: &str) -> Result<Decimal, String> {
    let range = Decimal::ONE..=Decimal::ONE_THOUSAND;
    text.parse()
        .ok()
        .filter(|times| *times != Decimal::ONE && range.contains(times))
        .ok_or_else(|| "use a number above 1 and up to 1000, as in 5 or 2.5".to_owned())
}

fn page(url: &str) -> Result<String, String> {
    match desired::check_url("URL", url) {
        Ok(()) => Ok(url.to_owned()),
        Err(wrong) => Err(wrong.message),
    }
}

pub(super) fn execute(args: Args) -> ExitCode {
    start_log(args.log_format);
    // Before anything opens a connection: two providers in one process would make rustls panic.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return super::fail("another TLS provider was installed first");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(format!("cannot start the async runtime: {error}")),
    };
    match runtime.block_on(run(args)) {
        Ok(Ended::Shutdown) => ExitCode::SUCCESS,
        Ok(Ended::LostLeadership) => {
            tracing::error!(
                "leadership was lost; ending, so that a fresh start cannot act on old knowledge"
            );
            ExitCode::FAILURE
        }
        Err(message) => super::fail(message),
    }
}

fn start_log(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.init(),
    }
}

async fn run(args: Args) -> Result<Ended, String> {
    let shutdown = CancellationToken::new();
    listen_for_signals(shutdown.clone())
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let config = configure(args.kubeconfig.as_ref()).await?;
    // The lease has connections of its own: a burst of status writes must not delay its renewal.
    // It is not retried below the election either, which counts the time itself.
    let mut lease_config = config.clone();
    lease_config.default_retry = false;
    let lease_client = connect(lease_config)?;
    let access_client = connect(for_access(config.clone()))?;
    let kube = connect(config)?;
    let key = stripe::KeySource::File(args.stripe_key_file.clone());
    let stripe = stripe::Client::new(stripe::Config {
        max_requests_per_second: args.max_requests_per_second,
        ..stripe::Config::new(&args.stripe_api_base, key)
    })
    .map_err(|error| format!("--stripe-api-base {}: {error}", args.stripe_api_base))?;

    let mut registry = Registry::with_prefix("tenant_billing");
    let metrics = Metrics::register(&mut registry);
    let channels = args.notify.channels(&args.owner, &mut registry).await?;
    let (reception, announcer) = reception();
    let endpoint = endpoint(&args, reception, &mut registry, &shutdown).await?;
    let access = args.access.parts(&mut registry);
    let wrong = |error: std::io::Error| format!("--listen {}: {error}", args.listen);
    let listener = TcpListener::bind(args.listen).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    tracing::info!(addr = %address, "serving health and metrics");
    let advertised = endpoint.as_ref().and_then(|_| advertised(&args, address));
    let router = serve::router(registry, stripe.clone(), endpoint, access.gate);
    let server = tokio::spawn(serve::serve(listener, router, shutdown.clone()));
    tokio::spawn(controller::follow_access(
        access_client,
        args.namespace.clone(),
        access.index,
        shutdown.clone(),
    ));

    let options = controller::Options {
        access_maps: access.maps,
        channels: channels.0,
        notify_metrics: channels.1,
        ..options(args, advertised)
    };
    let ended = controller::run(
        kube,
        lease_client,
        stripe,
        options,
        metrics,
        announcer,
        shutdown.clone(),
    )
    .await;
    shutdown.cancel();
    if let Err(error) = server.await {
        tracing::warn!(%error, "the HTTP server ended abnormally");
    }
    Ok(ended)
}

/// What to run, and where other replicas reach it.
fn options(args: Args, advertised: Option<String>) -> controller::Options {
    let identity = std::env::var("HOSTNAME").unwrap_or_else(|_| "tenant-billing".to_owned());
    controller::Options {
        namespace: args.namespace,
        plan_selector: args.plan_selector,
        owner: args.owner,
        lease: LeaseConfig {
            namespace: args.lease_namespace,
            name: args.lease_name,
            // A restarted pod keeps its host name; without the rest it would renew the lease of
            // its predecessor while that one's last request may still be on its way.
            identity: format!("{identity}_{:016x}", fastrand::u64(..)),
            duration: Duration::from_secs(args.lease_duration_seconds),
            advertised,
        },
        event_poll: Duration::from_secs(args.event_poll_seconds),
        polling: match args.events {
            Events::Webhook => Polling::Off,
            Events::Poll | Events::Both => Polling::On,
        },
        resync: Duration::from_secs(args.resync_seconds),
        max_price_jump: args.max_price_jump,
        payment_return_url: args.payment_return_url,
        max_restricted: Threshold {
            percent: args.max_restricted_percent,
            least: args.max_restricted,
        },
        access_maps: None,
        channels: Vec::new(),
        notify_metrics: Arc::default(),
    }
}

/// The watch behind the access index tries again by itself, tells of every failure, and must not wait
/// for ever for an answer that was lost.
fn for_access(mut config: kube::Config) -> kube::Config {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(Duration::from_secs(90));
    config
}

/// The endpoint for webhooks, if they are wanted. The secrets are read again until `shutdown`.
async fn endpoint(
    args: &Args,
    reception: Reception,
    registry: &mut Registry,
    shutdown: &CancellationToken,
) -> Result<Option<Arc<Endpoint>>, String> {
    let files = args.webhook_secret_file.clone();
    match (args.events, files.is_empty()) {
        (Events::Webhook, true) => Err(
            "--events=webhook needs --webhook-secret-file: without the endpoint's signing secret \
             nothing that Stripe sends can be believed"
                .to_owned(),
        ),
        (Events::Both, true) | (Events::Poll, _) => Ok(None),
        (Events::Webhook | Events::Both, false) => {
            let (secrets, reading) = Secrets::load(files, shutdown.clone()).await;
            tokio::spawn(reading);
            let metrics = WebhookMetrics::register(registry);
            Ok(Some(Arc::new(Endpoint::new(secrets, reception, metrics))))
        }
    }
}

/// Where other replicas reach this one.
fn advertised(args: &Args, listening: SocketAddr) -> Option<String> {
    if let Some(address) = &args.advertise_address {
        return Some(address.clone());
    }
    let ip = std::env::var("POD_IP").ok()?;
    match ip.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, listening.port()).to_string()),
        Err(error) => {
            tracing::warn!(%error, ip, "POD_IP is no address; other replicas cannot pass webhooks on");
            None
        }
    }
}

async fn configure(kubeconfig: Option<&PathBuf>) -> Result<kube::Config, String> {
    let Some(path) = kubeconfig else {
        return kube::Config::infer().await.map_err(|error| {
            format!("no way to the Kubernetes API ({error}); outside a cluster give --kubeconfig")
        });
    };
    let wrong = |error: &dyn std::fmt::Display| format!("--kubeconfig {}: {error}", path.display());
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|error| wrong(&error))
}

fn connect(config: kube::Config) -> Result<kube::Client, String> {
    kube::Client::try_from(config).map_err(|error| format!("cannot connect to Kubernetes: {error}"))
}

fn listen_for_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        shutdown.cancel();
    });
    Ok(())
}
