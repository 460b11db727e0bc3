//! A server for tests that answers as a script says: a real socket, so that connections can be
//! counted, dropped and left hanging. What Stripe itself would do is the sandbox's business.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::client::{Client, Config, KeySource, Secret};

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    pub(super) method: String,
    /// Path and query, decoded as far as tests need it.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.target.split('?').next() == Some(path)
    }
}

/// What goes out.
pub(super) enum Reply {
    Json(u16, String),
    With(u16, &'static str, String),
    /// The connection closes without an answer.
    Drop,
    /// Nothing happens until the client goes away.
    Hang,
}

pub(super) struct Scripted {
    pub(super) base: String,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Received>>>,
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

impl Scripted {
    /// Starts a server. It lives as long as the test process; nothing but the test knows its port.
    pub(super) fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            connections: Arc::default(),
            received: Arc::default(),
        };
        let (connections, received) = (
            Arc::clone(&server.connections),
            Arc::clone(&server.received),
        );
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                let (received, script) = (Arc::clone(&received), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &received, &*script));
            }
        });
        server
    }

    /// A client of this server, with a test key.
    pub(super) fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }

    pub(super) fn config(&self) -> Config {
        let key = KeySource::Value(Secret::new("sk_test_1"));
        Config {
            max_requests_per_second: Some(10_000),
            ..Config::new(&self.base, key)
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What came in, without the question which account the key belongs to.
    pub(super) fn received(&self) -> Vec<Received> {
        let all = self.received.lock().unwrap();
        let asked = all.iter().filter(|r| !r.is("GET", "/v1/account"));
        asked.cloned().collect()
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<Received>>, script: &Script) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        received.lock().unwrap().push(request.clone());
        let reply = match script(&request) {
            Reply::Json(status, body) => (status, "x-none: 1", body),
            Reply::With(status, header, body) => (status, header, body),
            Reply::Drop => return,
            Reply::Hang => {
                let _ = reader.read(&mut [0; 1]);
                return;
            }
        };
        let (status, header, body) = reply;
        let head = format!(
            "HTTP/1.1 {status} X\r\nrequest-id: req_1\r\n{header}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let mut request = Received {
        method: words.next()?.to_owned(),
        target: words.next()?.replace("%5B", "[").replace("%5D", "]"),
        ..Received::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.to_owned());
        request.headers.push(header);
    }
    let length = request
        .header("content-length")
        .and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// The account every test key belongs to.
pub(super) fn account() -> Reply {
    Reply::Json(200, r#"{"id":"acct_1","object":"account"}"#.to_owned())
}

/// A page of a list.
pub(super) fn page(items: &[String], has_more: bool) -> Reply {
    let data = items.join(",");
    Reply::Json(
        200,
        format!(r#"{{"object":"list","has_more":{has_more},"data":[{data}]}}"#),
    )
}
