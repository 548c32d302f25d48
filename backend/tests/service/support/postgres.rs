//! A PostgreSQL server of a test's own.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid, kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio::time::interval;

use super::folder::Folder;
use super::soon;

/// Listens on a socket in its folder, and on a port of the system's where that is asked for.
pub(crate) struct Postgres {
    folder: Folder,
    child: Child,
    settings: Vec<String>,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        Self::over(prepare(), Vec::new()).await
    }

    /// One that hides what goes over the wire, for whoever believes `ca.pem` in its folder, and
    /// is called `localhost`.
    pub(crate) async fn start_with_tls() -> (Self, u16) {
        let folder = prepare();
        certify(&folder);
        // free a moment ago; it is bound again at once
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let cert = folder.path().join("server.pem").display().to_string();
        let key = folder.path().join("server.key").display().to_string();
        let settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={cert}"),
            format!("ssl_key_file={key}"),
        ];
        (Self::over(folder, settings).await, port)
    }

    async fn over(folder: Folder, settings: Vec<String>) -> Self {
        let child = serve(&folder, &settings);
        let postgres = Self {
            folder,
            child,
            settings,
        };
        postgres.answers().await;
        postgres
    }

    /// Where its socket and certificates are; it belongs to the server's user.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A database of its own, as a backend is told of it.
    pub(crate) async fn database(&self, name: &str) -> String {
        let mut admin = self.connect("postgres").await;
        let create = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")));
        soon(create.execute(&mut admin))
            .await
            .expect("a new database");
        self.url(name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.path().display();
        let port = self
            .settings
            .iter()
            .find_map(|set| set.strip_prefix("port="));
        let port = port.unwrap_or("5432");
        format!("postgres://test@localhost:{port}/{database}?host={folder}")
    }

    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        let options: PgConnectOptions = self.url(database).parse().expect("an address");
        soon(options.connect()).await.expect("it takes connections")
    }

    /// Without a chance to write anything more.
    pub(crate) fn kill(&mut self) {
        // the postmaster's children notice, and end
        self.child.kill().expect("a process of ours");
        self.child.wait().expect("its end");
    }

    pub(crate) async fn start_again(&mut self) {
        self.child = serve(&self.folder, &self.settings);
        self.answers().await;
    }

    /// Stops all of its processes where they are, or lets them go on.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let postmaster = self.child.id();
        for process in std::fs::read_dir("/proc").expect("processes") {
            let path = process.expect("a process").path();
            if is_child(&path, postmaster) {
                let id = path
                    .file_name()
                    .and_then(|name| name.to_str()?.parse().ok());
                if let Some(child) = id.and_then(Pid::from_raw) {
                    // it may have ended meanwhile
                    let _ = kill_process(child, signal);
                }
            }
        }
        let own = Pid::from_raw(postmaster.cast_signed()).expect("a pid is positive");
        kill_process(own, signal).expect("a process of ours");
    }

    async fn answers(&self) {
        let answering = async {
            let mut ticks = interval(Duration::from_millis(10));
            let options: PgConnectOptions = self.url("postgres").parse().expect("an address");
            while options.connect().await.is_err() {
                ticks.tick().await;
            }
        };
        soon(answering).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.signal_all(Signal::CONT);
        // at once, yet with its shared memory given back
        let own = Pid::from_raw(self.child.id().cast_signed()).expect("a pid is positive");
        let _ = kill_process(own, Signal::QUIT);
        drop(self.child.wait());
    }
}

/// A folder with an empty cluster, all of it the server's user's.
fn prepare() -> Folder {
    let folder = Folder::new();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), everybody).expect("a folder of ours");
    if let Some(user) = User::wanted() {
        chown(folder.path(), Some(user.id), Some(user.group)).expect("root may");
    }
    let arguments = [
        "-D",
        "data",
        "-U",
        "test",
        "-A",
        "trust",
        "-N",
        "--locale=C",
        "-E",
        "UTF8",
    ];
    let made = run("initdb", &folder, &arguments)
        .stdout(Stdio::null())
        .status();
    assert!(made.expect("initdb is there").success(), "initdb failed");
    folder
}

/// An authority, and a certificate of its for `localhost`.
fn certify(folder: &Folder) {
    const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let name = folder.path().join("names");
    std::fs::write(name, "subjectAltName=DNS:localhost").expect("a file");
    for arguments in [
        format!("req -x509 {EC} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
        format!("req {EC} -keyout server.key -out server.csr -subj /CN=localhost"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile names -out server.pem"
            .to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split_whitespace());
        let made = openssl.current_dir(folder.path()).output();
        let made = made.expect("openssl is missing: `make test` installs it");
        assert!(made.status.success(), "{arguments}: {made:?}");
    }
    let key = folder.path().join("server.key");
    let owner = std::fs::metadata(folder.path()).expect("a folder");
    chown(&key, Some(owner.uid()), Some(owner.gid())).expect("root may");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&key, private).expect("a file of ours");
}

fn is_child(process: &Path, parent: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(process.join("stat")) else {
        return false;
    };
    // pid (name) state ppid ...; the name may have spaces
    let after = status.rsplit_once(") ").map(|(_, after)| after);
    let named = after.and_then(|after| after.split(' ').nth(1));
    named.is_some_and(|named| named == parent.to_string())
}

fn serve(folder: &Folder, settings: &[String]) -> Child {
    let socket = folder.path().display().to_string();
    let mut arguments = vec!["-D", "data", "-k", &socket, "-h", ""];
    for setting in settings {
        arguments.extend(["-c", setting]);
    }
    run("postgres", folder, &arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("postgres is missing: `make test` installs it")
}

/// One of its programs, as a user that it takes: it refuses root. It ends with the thread of the
/// test, whatever becomes of that.
fn run(program: &str, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.current_dir(folder.path()).stdin(Stdio::null());
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = User::wanted() {
        command.arg(format!("--reuid={}", user.id));
        command.arg(format!("--regid={}", user.group));
        command.arg("--clear-groups");
    }
    command.arg(binaries().join(program)).args(arguments);
    let log = std::fs::OpenOptions::new();
    let log = log
        .clone()
        .create(true)
        .append(true)
        .open(folder.path().join("log"));
    command.stderr(log.expect("a log"));
    command
}

/// The newest that Debian has installed, or whatever is on the path.
fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let versions = installed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let newest: Option<u32> = versions.max();
    newest.map_or_else(PathBuf::new, |version| {
        PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))
    })
}

/// Who runs the server when root runs the tests.
struct User {
    id: u32,
    group: u32,
}

impl User {
    fn wanted() -> Option<Self> {
        if !getuid().is_root() {
            return None;
        }
        let known = || Self::named("postgres").or_else(|| Self::named("holdfast-test"));
        known().or_else(|| {
            let made = Command::new("useradd")
                .args(["--system", "holdfast-test"])
                .status();
            // another test may have been faster
            let _ = made.expect("useradd is there");
            known()
        })
    }

    fn named(name: &str) -> Option<Self> {
        let users = std::fs::read_to_string("/etc/passwd").expect("users");
        let fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let found = fields.into_iter().find(|fields| fields[0] == name)?;
        Some(Self {
            id: found[2].parse().ok()?,
            group: found[3].parse().ok()?,
        })
    }
}
