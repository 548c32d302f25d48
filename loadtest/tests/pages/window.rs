//! A browser window as a person has it: look, click, type, wait for something to appear.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::webdriver::{Refused, WebDriver};
use crate::support::{SOON, directory};

pub(super) struct Window {
    driver: WebDriver,
    pictures: PathBuf,
}

/// The two machines that people look at us from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Laptop,
    Phone,
}

/// What people tell their machines to prefer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Light,
    Dark,
}

impl Window {
    pub(super) async fn open(test: &str) -> Self {
        let profile = directory(&format!("{test}-chromium"));
        let driver = WebDriver::start(&profile).await;
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&pictures).expect("directory of the pictures");
        let window = Self { driver, pictures };
        window.on(Screen::Laptop, Scheme::Light).await;
        window
    }

    /// Looks from such a screen from now on.
    pub(super) async fn on(&self, screen: Screen, scheme: Scheme) {
        let (width, height) = screen.size();
        let mobile = screen == Screen::Phone;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.name() });
        let media = json!({ "features": [feature] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub(super) async fn visit(&self, address: &str) {
        self.tell("url", json!({ "url": address })).await;
    }

    pub(super) async fn reload(&self) {
        self.tell("refresh", json!({})).await;
    }

    /// Runs `code` in the page and gives back what it returns.
    pub(super) async fn run(&self, code: &str) -> Value {
        self.tell("execute/sync", json!({ "script": code, "args": [] }))
            .await
    }

    /// Waits until the page makes `condition`, an expression, true; gives back its value.
    pub(super) async fn until(&self, what: &str, condition: &str) -> Value {
        let code = format!("return ({condition})");
        let asked = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                looks.tick().await;
                let value = self.run(&code).await;
                if !matches!(value, Value::Null | Value::Bool(false)) {
                    return value;
                }
            }
        };
        if let Ok(value) = timeout(SOON, asked).await {
            return value;
        }
        let seen = self
            .picture(&format!("failed-{}", what.replace(' ', "-")))
            .await;
        let errors = self.errors().await.join("\n");
        panic!(
            "within {SOON:?}: {what}\nthe page: {}\n{errors}",
            seen.display()
        );
    }

    /// Waits until the element's text is right; gives it back.
    pub(super) async fn text_until(&self, what: &str, selector: &str, right: &str) -> String {
        let condition = format!(
            "(() => {{ const text = document.querySelector({selector:?})?.textContent ?? ''; \
             return ({right}) ? text : null; }})()"
        );
        let text = self.until(what, &condition).await;
        text.as_str().expect("text").to_owned()
    }

    /// Clicks as a mouse does: the element has to be visible and not covered.
    pub(super) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("element/{element}/click"), json!({}))
            .await;
    }

    /// Puts `text` in place of what the field holds.
    pub(super) async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("element/{element}/clear"), json!({}))
            .await;
        self.tell(&format!("element/{element}/value"), json!({ "text": text }))
            .await;
    }

    pub(super) async fn choose(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value={value:?}]"))
            .await;
    }

    pub(super) async fn text(&self, selector: &str) -> String {
        let element = self.element(selector).await;
        let text = self.driver.ask(&format!("element/{element}/text")).await;
        right("text", text).as_str().expect("text").to_owned()
    }

    /// The text as a number.
    pub(super) async fn number(&self, selector: &str) -> u64 {
        let text = self.text(selector).await;
        text.trim()
            .parse()
            .unwrap_or_else(|_| panic!("{selector}: a number, not {text:?}"))
    }

    /// Keeps what can be seen now.
    pub(super) async fn picture(&self, name: &str) -> PathBuf {
        let picture = right("screenshot", self.driver.ask("screenshot").await);
        let bytes = BASE64_STANDARD
            .decode(picture.as_str().expect("base64"))
            .expect("base64");
        let path = self.pictures.join(format!("{name}.png"));
        std::fs::write(&path, bytes).expect("picture is written");
        path
    }

    /// Closes the window; fails if anything went wrong in the page that it did not handle.
    pub(super) async fn close(self) {
        let errors = self.errors().await;
        assert!(
            errors.is_empty(),
            "the page's console:\n{}",
            errors.join("\n")
        );
        self.driver.quit().await;
    }

    /// Closes the window of a test that makes requests fail, which the console always names.
    pub(super) async fn leave(self) {
        self.driver.quit().await;
    }

    pub(super) async fn forget_cookies(&self) {
        self.devtools("Network.clearBrowserCookies", json!({}))
            .await;
    }

    /// What the page complained of, uncaught exceptions too, in its own words.
    async fn errors(&self) -> Vec<String> {
        let log = self.tell("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn element(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.driver.tell("element", by).await;
        let found = right(selector, found);
        let id = found.as_object().and_then(|found| found.values().next());
        id.and_then(Value::as_str).expect("an element").to_owned()
    }

    /// How long the page's main thread has been busy by now, in seconds.
    pub(super) async fn main_thread(&self) -> f64 {
        self.devtools("Performance.enable", json!({})).await;
        let said = self.devtools("Performance.getMetrics", json!({})).await;
        let metrics = said["metrics"].as_array().expect("metrics");
        let busy = metrics.iter().find(|one| one["name"] == "TaskDuration");
        busy.and_then(|one| one["value"].as_f64()).expect("seconds")
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.tell("goog/cdp/execute", body).await
    }

    async fn tell(&self, command: &str, body: Value) -> Value {
        right(command, self.driver.tell(command, body).await)
    }
}

impl Screen {
    const fn size(self) -> (u16, u16) {
        match self {
            Self::Laptop => (1440, 900),
            Self::Phone => (390, 844),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Laptop => "laptop",
            Self::Phone => "phone",
        }
    }
}

impl Scheme {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

fn right(what: &str, answer: Result<Value, Refused>) -> Value {
    answer.unwrap_or_else(|Refused(why)| panic!("{what}: {why}"))
}

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
