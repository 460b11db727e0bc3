//! Exim from Debian's packages, as a user of its own, on a port of this machine: it takes mail only from
//! who authenticates over TLS, and delivers it to files.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpStream;

use super::support::control_plane::repository;
use super::support::eventually;
use super::support::process::Process;

/// Whom Exim runs as when the tests run as root, which it refuses.
const NOBODY: u32 = 61_234;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A mail server, running or not.
pub(crate) struct Exim {
    dir: PathBuf,
    pub(crate) port: u16,
    process: Option<Process>,
}

impl Exim {
    /// Prepares a server, and starts it.
    pub(crate) async fn start() -> Self {
        let mut server = Self::prepare().await;
        server.run().await;
        server
    }

    /// Prepares a server that nobody has started.
    pub(crate) async fn prepare() -> Self {
        let program = program().await;
        let serial = STARTED.fetch_add(1, Ordering::Relaxed);
        // Below the target directory it might not be readable to whom it runs as.
        let name = format!("tenant-billing-exim-{}-{serial}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        for part in ["bin", "lib", "spool", "log", "mail"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        fs::copy(&program, dir.join("bin/exim4")).unwrap();
        copy_libraries(&program, &dir.join("lib"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            dir,
            process: None,
        };
        server.certify();
        server.configure();
        if let Some(user) = Self::runs_as() {
            let mut own = Command::new("chown");
            own.arg("-R").arg(format!("{user}:{user}")).arg(&server.dir);
            succeed(&mut own);
        }
        server
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let user = Self::runs_as()
            .map(|user| format!("setpriv --reuid={user} --regid={user} --clear-groups --"));
        let script = format!(
            "echo starting; exec {} env LD_PRELOAD=$0/lib/libnss_wrapper.so LD_LIBRARY_PATH=$0/lib \
             NSS_WRAPPER_PASSWD=$0/passwd NSS_WRAPPER_GROUP=$0/group \
             $0/bin/exim4 -C $0/exim.conf -bdf",
            user.unwrap_or_default()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(&self.dir);
        let starting = |line: &str| (line == "starting").then(String::new);
        let (process, _) = Process::start(command, starting).await;
        self.process = Some(process);
        eventually("the mail server answers", async || self.greeting().await).await;
    }

    async fn greeting(&self) -> Result<(), String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let mut line = [0; 4];
        stream.readable().await.map_err(|error| error.to_string())?;
        let read = stream
            .try_read(&mut line)
            .map_err(|error| error.to_string())?;
        if line[..read].starts_with(b"220") {
            Ok(())
        } else {
            Err(format!(
                "it says {}",
                String::from_utf8_lossy(&line[..read])
            ))
        }
    }

    /// Stops it.
    pub(crate) async fn stop(&mut self) {
        self.process.take().unwrap().terminate().await;
    }

    /// The mails that have arrived, once there are so many; as they are in the files.
    pub(crate) async fn mails(&self, count: usize) -> Vec<Vec<u8>> {
        eventually(&format!("{count} mails"), async || {
            let mails = self.arrived();
            if mails.len() < count {
                return Err(format!("there are {}", mails.len()));
            }
            Ok(mails)
        })
        .await
    }

    /// The mails that have arrived.
    pub(crate) fn arrived(&self) -> Vec<Vec<u8>> {
        let Ok(files) = fs::read_dir(self.dir.join("mail/new")) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .into_iter()
            .map(|file| fs::read(file).unwrap())
            .collect()
    }

    /// The certificate of the authority that signed the server's.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Files with the user that may send, and its password.
    pub(crate) fn credentials(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("username"), self.dir.join("password"))
    }

    fn runs_as() -> Option<u32> {
        let id = Command::new("id").arg("-u").output().unwrap();
        (id.stdout.trim_ascii() == b"0").then_some(NOBODY)
    }

    fn certify(&self) {
        fs::write(self.dir.join("san"), "subjectAltName=DNS:localhost\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for line in [
            format!("req -x509 {key} -days 2 -subj /CN=ca -keyout ca.key -out ca.pem"),
            format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san \
             -out server.pem"
                .to_owned(),
        ] {
            let mut openssl = Command::new("openssl");
            openssl.current_dir(&self.dir).args(line.split_whitespace());
            succeed(&mut openssl);
        }
    }

    fn configure(&self) {
        let (user, group) = match Self::runs_as() {
            Some(user) => (user.to_string(), user.to_string()),
            None => (said(&["id", "-u"]), said(&["id", "-g"])),
        };
        let dir = self.dir.display().to_string();
        let write = |name: &str, text: String| fs::write(self.dir.join(name), text).unwrap();
        write(
            "passwd",
            format!("Debian-exim:x:{user}:{group}:mail:{dir}:/bin/sh\nroot:x:0:0:root:/:/bin/sh\n"),
        );
        write("group", format!("Debian-exim:x:{group}:\nroot:x:0:\n"));
        let config = include_str!("exim.conf");
        let port = self.port.to_string();
        write(
            "exim.conf",
            config.replace("@DIR@", &dir).replace("@PORT@", &port),
        );
        write("username", "operator\n".to_owned());
        write("password", "pass word\n".to_owned());
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Those that came with it; the rest is on every machine.
fn copy_libraries(program: &str, to: &Path) {
    let root = Path::new(program).ancestors().nth(3).unwrap();
    for dir in fs::read_dir(root.join("usr/lib")).unwrap() {
        let dir = dir.unwrap().path();
        for file in fs::read_dir(&dir).into_iter().flatten() {
            let file = file.unwrap().path();
            if file.is_file() {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
}

/// The program, which is fetched if need be.
async fn program() -> String {
    let script = repository().join("tests/servers");
    let found = tokio::task::spawn_blocking(move || Command::new(script).arg("smtp").output());
    let found = found.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&found.stderr).into_owned();
    assert!(found.status.success(), "{said}");
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

fn said(command: &[&str]) -> String {
    let output = Command::new(command[0])
        .args(&command[1..])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}
