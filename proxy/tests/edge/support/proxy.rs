//! A whole proxy in this process, on ports of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_proxy::access_log::AccessLog;
use holdfast_proxy::app::App;
use holdfast_proxy::config::Config;
use parking_lot::{Condvar, Mutex};

use super::client::Client;
use super::endpoint::Endpoint;

/// A running proxy; dropping it cuts everything off.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) config: PathBuf,
    app: Option<App>,
    log: Log,
}

/// What a proxy is told beyond its endpoints.
#[derive(Default)]
pub(crate) struct Setup {
    /// Keys inside the cluster, one a line, without indentation.
    pub(crate) cluster: String,
    /// Keys at the top of the file.
    pub(crate) top: String,
    /// Keys of the listener.
    pub(crate) listener: &'static str,
    /// Keys of the route.
    pub(crate) route: &'static str,
    /// Keys of the operators' port.
    pub(crate) admin: &'static str,
}

impl Setup {
    /// The file for these endpoints.
    pub(crate) fn file(&self, endpoints: &[&Endpoint]) -> String {
        let list: Vec<String> = endpoints
            .iter()
            .map(|endpoint| format!("{{ id: {}, address: {} }}", endpoint.id, endpoint.address))
            .collect();
        let cluster: String = self
            .cluster
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        format!(
            "threads: 2\nexpose_endpoint: true\n\
             listeners: [{{ address: 127.0.0.1:0{} }}]\n\
             admin: {{ address: 127.0.0.1:0{} }}\n\
             clusters:\n  backend:\n    discovery: {{ static: [{}] }}\n{cluster}\
             routes: [{{ path: /, cluster: backend{} }}]\n{}",
            self.listener,
            self.admin,
            list.join(", "),
            self.route,
            self.top
        )
    }

    pub(crate) async fn start(self, endpoints: &[&Endpoint]) -> Proxy {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("edge-{}-{count}.yaml", std::process::id()));
        std::fs::write(&path, self.file(endpoints)).expect("the file is written");
        let log = Log::default();
        let (sink, file) = (log.clone(), path.clone());
        let app = tokio::task::spawn_blocking(move || {
            let config = Config::load(&file).expect("a good configuration");
            App::start_with(&config, AccessLog::to(sink)).expect("the proxy starts")
        });
        let app = app.await.expect("no panic");
        Proxy {
            address: app.addresses()[0],
            config: path,
            app: Some(app),
            log,
        }
    }
}

impl Proxy {
    /// With all defaults.
    pub(crate) async fn start(endpoints: &[&Endpoint]) -> Self {
        Setup::default().start(endpoints).await
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Waits for an access-log line for which this holds.
    pub(crate) async fn logged(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool + Send + 'static,
    ) {
        let log = self.log.clone();
        let found = tokio::task::spawn_blocking(move || log.wait(wanted));
        assert!(
            found.await.expect("no panic"),
            "no such line: {}",
            self.log.text()
        );
    }

    pub(crate) fn app(&self) -> &App {
        self.app.as_ref().expect("it runs")
    }

    /// Takes the application out, to end it in another way.
    pub(crate) fn take(&mut self) -> App {
        self.app.take().expect("it runs")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let app = self.app.take();
        // a runtime may not be ended inside another one
        let _ = std::thread::spawn(move || drop(app)).join();
        let _ = std::fs::remove_file(&self.config);
    }
}

/// The access log, kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock()).into_owned()
    }

    fn wait(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> bool {
        let (lines, written) = &*self.0;
        let mut bytes = lines.lock();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .any(|l| wanted(&l))
            {
                return true;
            }
            if written
                .wait_for(&mut bytes, std::time::Duration::from_secs(10))
                .timed_out()
            {
                return false;
            }
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.0.lock().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
