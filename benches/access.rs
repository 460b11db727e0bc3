//! How fast gateways are told what a tenant may use: the real router and index, over loopback, with a
//! load generator on the same cores.
//!
//! ```text
//! cargo bench --bench access             # ten seconds each
//! cargo bench --bench access -- --quick  # one second each
//! ```
//!
//! Every request asks about another one of 10,000 tenants, half of them limited, while
//! 1,000 statuses change in a second. At a fixed rate, latency counts from the instant at which a request
//! was due, so that a stall shows in all the requests it delays.

mod load;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::runtime::watcher::Event;
use prometheus_client::registry::Registry;
use serde_json::json;
use tenant_billing::controller::{AccessIndex, WatchedObject};
use tenant_billing::serve::{self, Gate, UnknownTenants};
use tenant_billing::stripe::{Client, Config, KeySource, Secret};
use tokio_util::sync::CancellationToken;

use load::Failure;

/// Tenants in the index while it is asked.
const TENANTS: usize = 10_000;
/// Tenants in the index that is weighed.
const MANY: usize = 100_000;
/// Lookups that are timed without HTTP.
const LOOKUPS: usize = 1_000_000;

fn main() -> Result<(), Failure> {
    weigh()?;
    let index = Arc::new(filled(TENANTS)?);
    time_lookups(&index)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let address = runtime.block_on(serve_index(Arc::clone(&index)))?;
    runtime.spawn(change(index));
    let requests: Vec<Vec<u8>> = (0..TENANTS)
        .map(|n| format!("GET /access/tenants/tenant-{n} HTTP/1.1\r\nhost: bench\r\n\r\n").into())
        .collect();
    load::table(address, &requests)?;
    // What the server and the machine take by themselves: a tail that shows here, too, is theirs.
    println!("\nWithout a lookup:\n");
    load::table(
        address,
        &[b"GET /livez HTTP/1.1\r\nhost: bench\r\n\r\n".to_vec()],
    )
}

/// Tells what a tenant takes in memory.
fn weigh() -> Result<(), Failure> {
    let before = resident()?;
    let index = filled(MANY)?;
    let each = (resident()? - before) / MANY;
    println!("{} tenants: {each} bytes each\n", index.tenants());
    Ok(())
}

/// How much of this process is in memory.
fn resident() -> Result<usize, Failure> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).ok_or("no numbers")?.parse()?;
    Ok(pages * 4096)
}

/// Tells what a lookup takes by itself.
fn time_lookups(index: &AccessIndex) -> Result<(), Failure> {
    let ids: Vec<String> = (0..TENANTS)
        .map(|n| format!("tenants/tenant-{n}"))
        .collect();
    let began = Instant::now();
    let found = ids.iter().cycle().take(LOOKUPS);
    let found = found.filter(|id| index.lookup(id).is_ok()).count();
    let each = began.elapsed().as_nanos() / u128::try_from(found)?;
    println!("a lookup in memory: {each} ns\n");
    Ok(())
}

fn filled(tenants: usize) -> Result<AccessIndex, Failure> {
    let index = AccessIndex::default();
    index.observe(&Event::Init);
    for n in 0..tenants {
        index.observe(&Event::InitApply(manifest(n, n)?));
    }
    index.observe(&Event::InitDone);
    Ok(index)
}

fn manifest(n: usize, turn: usize) -> Result<WatchedObject, Failure> {
    let level = ["Full", "Limited"][turn % 2];
    Ok(serde_json::from_value(json!({
        "metadata": {
            "name": format!("tenant-{n}"), "namespace": "tenants", "creationTimestamp": "2026-01-01T00:00:00Z",
            "uid": format!("6d3cc9a8-91a1-4a1c-9d1e-{n:012}"),
        },
        "spec": {"plan": "pro"},
        "status": {"plan": "pro", "access": {
            "level": level, "reason": "Subscribed", "since": "2026-01-01T00:00:00Z",
            "limits": {"requestsPerMinute": 600, "seats": 25, "projects": 100},
        }},
    }))?)
}

async fn serve_index(index: Arc<AccessIndex>) -> Result<SocketAddr, Failure> {
    let mut registry = Registry::with_prefix("tenant_billing");
    let gate = Gate::new(index, UnknownTenants::Deny, &mut registry);
    let key = KeySource::Value(Secret::new("sk_test_1"));
    // Nothing is ever sent there.
    let stripe = Client::new(Config::new("http://127.0.0.1:1", key))?;
    let router = serve::router(registry, stripe, None, gate);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve::serve(listener, router, CancellationToken::new()));
    Ok(address)
}

/// Changes a thousand statuses a second, as a wave of payments would.
async fn change(index: Arc<AccessIndex>) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    for turn in 0.. {
        tick.tick().await;
        index.observe(&Event::Apply(manifest(
            turn % TENANTS,
            turn / TENANTS + turn + 1,
        )?));
    }
    Ok(())
}
