//! As much of the WebDriver protocol as the tests speak (W3C WebDriver, section 6).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_loadtest::client::Client;
use http::{Method, Request, header};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::SOON;
use crate::support::process::Running;

/// chromedriver with one session: one browser with an empty profile.
pub(super) struct WebDriver {
    client: Client,
    address: SocketAddr,
    session: String,
    browser: Option<Pid>,
    _driver: Running,
}

/// What the driver refused, in its own words.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl WebDriver {
    pub(super) async fn start(profile: &Path) -> Self {
        let driver = program("chromedriver", "chromium-driver");
        let chromium = program("chromium", "chromium");
        let mut driver = Running::start(&driver, &["--port=0"]);
        let line = driver.says("started successfully on port").await;
        let port = line.trim_end_matches('.').rsplit(' ').next();
        let port = port.and_then(|port| port.parse::<u16>().ok());
        let mut this = Self {
            client: Client::new(SOON),
            address: SocketAddr::from(([127, 0, 0, 1], port.expect("a port"))),
            session: String::new(),
            browser: None,
            _driver: driver,
        };
        let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": flags },
        }}});
        let session = this.call(Method::POST, "/session", &wanted).await;
        let session = session.expect("chromedriver starts Chromium");
        this.session = session["sessionId"].as_str().expect("an id").to_owned();
        let pid = session["capabilities"]["goog:processID"].as_i64();
        this.browser = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        this
    }

    /// A command of the session.
    pub(super) async fn tell(&self, command: &str, body: Value) -> Result<Value, Refused> {
        let path = format!("/session/{}/{command}", self.session);
        self.call(Method::POST, &path, &body).await
    }

    pub(super) async fn ask(&self, command: &str) -> Result<Value, Refused> {
        let path = format!("/session/{}/{command}", self.session);
        self.call(Method::GET, &path, &Value::Null).await
    }

    /// Ends the browser in good manners.
    pub(super) async fn quit(mut self) {
        let path = format!("/session/{}", self.session);
        let ended = self.call(Method::DELETE, &path, &Value::Null).await;
        ended.expect("the browser ends");
        self.browser = None;
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Refused> {
        let body = match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .expect("a request");
        let answer = self
            .client
            .ask(request)
            .await
            .expect("chromedriver answers");
        let mut value: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let value = value["value"].take();
        if answer.status().is_success() {
            return Ok(value);
        }
        let message = value["message"].as_str().unwrap_or("no reason given");
        Err(Refused(message.to_owned()))
    }
}

impl Drop for WebDriver {
    /// A failed test leaves without a word, and chromedriver would leave the browser running.
    fn drop(&mut self) {
        if let Some(browser) = self.browser {
            // it may have ended by itself
            let _ = kill_process(browser, Signal::KILL);
        }
    }
}

/// Where a program is, or which Debian package has it.
fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "the pages are tested in Chromium, and {name} is missing: install the Debian \
                package {package}, or run `make test`, which does"
        )
    })
}

/// Headless, as any user, without talking to anybody but the lab.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
