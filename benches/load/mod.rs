//! Load for a server on this machine, and how long it took to answer.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Connections at a fixed rate, and flat out.
const CONNECTIONS: [usize; 2] = [8, 32];

/// Prints how whole requests are answered at two rates and flat out; each for ten seconds, or with
/// `--quick` for one.
pub(crate) fn table(address: SocketAddr, requests: &[Vec<u8>]) -> Result<(), Failure> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let lasts = Duration::from_secs(if quick { 1 } else { 10 });
    println!("| load | requests | per second | p50 | p99 | p99.9 | worst |");
    println!("|---|---|---|---|---|---|---|");
    // What is done for the first time is not the rule.
    run(address, requests, CONNECTIONS[1], None, lasts / 5)?;
    for rate in [1000, 5000] {
        let measured = run(address, requests, CONNECTIONS[0], Some(rate), lasts)?;
        println!("{}", measured.row(&format!("{rate}/s")));
    }
    let measured = run(address, requests, CONNECTIONS[1], None, lasts)?;
    println!("{}", measured.row("flat out"));
    Ok(())
}

/// What a run came to.
struct Measured {
    /// Sorted.
    latencies: Vec<Duration>,
    took: Duration,
}

impl Measured {
    fn row(&self, load: &str) -> String {
        let requests = self.latencies.len();
        let rate =
            u128::try_from(requests).unwrap_or_default() * 1_000_000 / self.took.as_micros().max(1);
        let at = |permille: usize| {
            let index = (requests * permille / 1000).min(requests.saturating_sub(1));
            let latency = self.latencies.get(index).copied().unwrap_or_default();
            format!("{:.3} ms", latency.as_secs_f64() * 1000.0)
        };
        format!(
            "| {load} | {requests} | {rate} | {} | {} | {} | {} |",
            at(500),
            at(990),
            at(999),
            at(1000)
        )
    }
}

/// Sends requests over some connections for a while: as fast as they are answered, or so many a second.
fn run(
    address: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    rate: Option<u32>,
    lasts: Duration,
) -> Result<Measured, Failure> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let until = began + lasts;
    let all = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| converse(address, requests, &next, rate, began, until)))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a sender has panicked")??);
        }
        Ok::<_, Failure>(all)
    });
    let took = began.elapsed();
    let mut latencies = all?;
    latencies.sort_unstable();
    Ok(Measured { latencies, took })
}

/// One connection: a request, its answer, the next request. Gives how long each took.
fn converse(
    address: SocketAddr,
    requests: &[Vec<u8>],
    next: &AtomicUsize,
    rate: Option<u32>,
    began: Instant,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = match rate {
            Some(rate) => began + Duration::from_secs(1) / rate * u32::try_from(number)?,
            None => Instant::now(),
        };
        if due >= until {
            return Ok(latencies);
        }
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        stream.write_all(&requests[number % requests.len()])?;
        read_ok(&mut stream)?;
        latencies.push(due.elapsed());
    }
}

/// Reads an answer, which has to be a 200.
fn read_ok(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut answer = [0; 2048];
    let mut length = 0;
    loop {
        let read = stream.read(&mut answer[length..])?;
        length += read;
        let answer = &answer[..length];
        if read == 0 || !answer.starts_with(b"HTTP/1.1 200") {
            let answer = String::from_utf8_lossy(answer);
            return Err(format!("not answered as it should be: {answer}").into());
        }
        if is_whole(answer)? {
            return Ok(());
        }
    }
}

/// Whether an answer has arrived with all of its body.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    const LENGTH: &str = "content-length: ";
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
        return Ok(false);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    let length = text.lines().find_map(|line| line.strip_prefix(LENGTH));
    let length: usize = length.ok_or("an answer without a length")?.parse()?;
    Ok(answer.len() >= head + 4 + length)
}
