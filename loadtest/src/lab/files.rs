//! The lab's directory: keys, configuration files, logs, the store and `lab.json`.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, Seat};
use super::record::Lab;
use super::{Options, redis, reference};
use crate::keys::{self, IssuerKeys};
use crate::process::Program;
use crate::template::{Template, UnknownPlaceholder};

/// Every path of the lab.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
    bin_dir: PathBuf,
    pub logs: PathBuf,
    pub proxy_config: PathBuf,
    record: PathBuf,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}")]
    Path { path: PathBuf, source: io::Error },
    #[error("keys cannot be made")]
    Keys,
    #[error(transparent)]
    Placeholder(#[from] UnknownPlaceholder),
    #[error("no redis-server on the PATH; install it (Debian: the package redis-server)")]
    NoRedis,
    #[error("lab.json")]
    Record(#[from] serde_json::Error),
}

impl Files {
    /// Makes the directory and everything that must be there before a process starts.
    pub fn lay_out(plan: &Plan, options: &Options) -> Result<Self, Error> {
        let files = Self {
            dir: plan.dir.clone(),
            bin_dir: plan.bin_dir.clone(),
            logs: plan.logs(),
            proxy_config: plan.dir.join("proxy.yaml"),
            record: plan.record(),
        };
        // A record of an earlier lab would name processes of somebody else.
        files.remove_record()?;
        remove_if_there(&files.logs, |path| fs::remove_dir_all(path))?;
        if !options.keep {
            files.forget()?;
        }
        for dir in [&files.logs, &files.keys()] {
            fs::create_dir_all(dir).map_err(at(dir))?;
        }
        files.make_keys()?;
        files.configure(plan, options)?;
        Ok(files)
    }

    fn forget(&self) -> Result<(), Error> {
        remove_if_there(&self.keys(), |path| fs::remove_dir_all(path))?;
        for store in [self.store(), self.reference_store()] {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let mut path = store.clone().into_os_string();
                path.push(suffix);
                remove_if_there(Path::new(&path), |path| fs::remove_file(path))?;
            }
        }
        remove_if_there(&self.redis_dir(), |path| fs::remove_dir_all(path))
    }

    fn make_keys(&self) -> Result<(), Error> {
        for name in ["affinity", "cluster"] {
            let key = keys::symmetric().map_err(|_| Error::Keys)?;
            write_new_secret(&self.keys().join(name), &key)?;
        }
        if !self.keys().join("issuer.pem").exists() {
            let issuer = IssuerKeys::generate().map_err(|_| Error::Keys)?;
            write_new_secret(&self.keys().join("issuer.pem"), &issuer.private)?;
            let public = self.keys().join("issuer-public.pem");
            fs::write(&public, issuer.public).map_err(at(&public))?;
        }
        Ok(())
    }

    fn configure(&self, plan: &Plan, options: &Options) -> Result<(), Error> {
        let keys = self.keys().display().to_string();
        let proxy = template(
            options.proxy_template.as_deref(),
            "loadtest/lab/proxy.yaml",
            include_str!("../../lab/proxy.yaml"),
        )?;
        let mut words = vec![
            ("proxy", plan.proxy.to_string()),
            ("h2c", plan.h2c.to_string()),
            ("admin", plan.admin.to_string()),
            ("control", plan.control.to_string()),
            ("backends", endpoints(plan.endpoints())),
            ("sticky_apps", endpoints(plan.sticky_apps.iter())),
            ("keys", keys.clone()),
        ];
        words.extend(options.pace.words());
        words.extend(reference::in_proxy(plan.reference.as_ref()));
        let text = proxy.fill(&words)?;
        fs::write(&self.proxy_config, text).map_err(at(&self.proxy_config))?;
        self.configure_backends(plan, options, &keys)?;
        if let Some(address) = plan.redis {
            let dir = self.redis_dir();
            fs::create_dir_all(&dir).map_err(at(&dir))?;
            let text = redis::configuration(address, &dir, options.appendfsync)?;
            let path = self.redis_config();
            fs::write(&path, text).map_err(at(&path))?;
        }
        Ok(())
    }

    fn configure_backends(&self, plan: &Plan, options: &Options, keys: &str) -> Result<(), Error> {
        let backend = template(
            options.backend_template.as_deref(),
            "loadtest/lab/backend.yaml",
            include_str!("../../lab/backend.yaml"),
        )?;
        let store = match plan.redis {
            Some(address) => format!("store: {{ redis: {{ url: \"redis://{address}\" }} }}"),
            None => sqlite(&self.store()),
        };
        // Whatever happens to the store of the others, it does not happen to the reference.
        let own = sqlite(&self.reference_store());
        let seats = plan.backends.iter().map(|seat| (seat, &store));
        for (seat, store) in seats.chain(plan.reference.iter().map(|seat| (seat, &own))) {
            let exchange = seat.exchange;
            let exchange = exchange.map(|at| format!("exchange: {{ address: \"http://{at}\" }}"));
            let mut words = vec![
                ("id", seat.id.clone()),
                ("address", seat.address.to_string()),
                ("store", exchange.unwrap_or_else(|| store.clone())),
                ("keys", keys.to_owned()),
            ];
            words.extend(options.pace.words());
            let text = backend.fill(&words)?;
            let path = self.backend_config(seat);
            fs::write(&path, text).map_err(at(&path))?;
        }
        Ok(())
    }

    #[must_use]
    pub fn redis_config(&self) -> PathBuf {
        self.dir.join("redis.conf")
    }

    /// The server as it is installed on this machine.
    pub fn redis(&self) -> Result<Program, Error> {
        let path = redis::server().ok_or(Error::NoRedis)?;
        Ok(self.bare(path, "redis", vec![self.redis_config().into()]))
    }

    #[must_use]
    pub fn backend_config(&self, seat: &Seat) -> PathBuf {
        self.dir.join(format!("backend-{}.yaml", seat.id))
    }

    #[must_use]
    pub fn proxy(&self) -> Program {
        let mut program = self.program(
            self.bin_dir.join("holdfast-proxy"),
            "proxy",
            &self.proxy_config,
        );
        // One line per exchange on stdout, everything else on stderr.
        program.stdout = self.logs.join("proxy-access.log");
        program
    }

    #[must_use]
    pub fn backend(&self, seat: &Seat) -> Program {
        let name = format!("backend-{}", seat.id);
        self.program(
            self.bin_dir.join("holdfast-backend"),
            &name,
            &self.backend_config(seat),
        )
    }

    #[must_use]
    pub fn sticky_app(&self, seat: &Seat) -> Program {
        let arguments = [
            "sticky-app",
            "--id",
            &seat.id,
            "--listen",
            &seat.address.to_string(),
        ]
        .map(Into::into);
        let this = std::env::current_exe().unwrap_or_default();
        self.bare(this, &format!("sticky-app-{}", seat.id), arguments.to_vec())
    }

    /// The log that a failing process would have written to.
    #[must_use]
    pub fn log(&self, id: &super::record::MemberId) -> PathBuf {
        self.logs
            .join(format!("{}.log", id.to_string().replace(' ', "-")))
    }

    fn program(&self, path: PathBuf, name: &str, config: &Path) -> Program {
        self.bare(
            path,
            name,
            vec!["run".into(), "--config".into(), config.into()],
        )
    }

    fn bare(&self, path: PathBuf, name: &str, arguments: Vec<OsString>) -> Program {
        let log = self.logs.join(format!("{name}.log"));
        Program {
            path,
            arguments,
            environment: Vec::new(),
            stdout: log.clone(),
            stderr: log,
        }
    }

    /// Writes `lab.json` whole: a reader sees the old one or the new one.
    pub fn write_record(&self, lab: &Lab) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(lab)?;
        text.push('\n');
        let draft = self.record.with_extension("json.new");
        fs::write(&draft, text).map_err(at(&draft))?;
        fs::rename(&draft, &self.record).map_err(at(&self.record))
    }

    pub fn remove_record(&self) -> Result<(), Error> {
        remove_if_there(&self.record, |path| fs::remove_file(path))
    }

    /// Keeps `lab.json` equal to the record until `stop`.
    pub async fn follow(
        &self,
        mut record: watch::Receiver<Lab>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        while let Some(Ok(())) = stop.run_until_cancelled(record.changed()).await {
            let lab = record.borrow_and_update().clone();
            // Between a death and the next start there is nobody to name.
            if lab.processes().all(|(_, process)| process.running) {
                self.write_record(&lab)?;
            }
        }
        Ok(())
    }

    fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    fn store(&self) -> PathBuf {
        self.dir.join("holdfast.sqlite")
    }

    fn reference_store(&self) -> PathBuf {
        self.dir.join("reference.sqlite")
    }

    fn redis_dir(&self) -> PathBuf {
        self.dir.join("redis")
    }
}

/// A YAML list of endpoints in one line.
fn endpoints<'a>(seats: impl Iterator<Item = &'a Seat>) -> String {
    let entries: Vec<String> = seats
        .map(|seat| format!("{{ id: {}, address: \"{}\" }}", seat.id, seat.address))
        .collect();
    format!("[{}]", entries.join(", "))
}

fn sqlite(file: &Path) -> String {
    format!("store: {{ sqlite: {{ file: \"{}\" }} }}", file.display())
}

/// Readable by the owner alone; a key that is there already stays.
fn write_new_secret(path: &Path, text: &str) -> Result<(), Error> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match file {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(at(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

fn remove_if_there(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
    match remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Path { path, source }
}

/// Another file in place of the built-in one, if there is one.
fn template(other: Option<&Path>, name: &str, built_in: &str) -> Result<Template, Error> {
    other.map_or_else(
        || Ok(Template::built_in(name, built_in)),
        |path| Template::read(path).map_err(at(path)),
    )
}
