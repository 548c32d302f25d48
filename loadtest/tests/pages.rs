//! The pages, as people use them: real Chromium, driven by chromedriver, against a real lab.
//!
//! One page at a time, because a lab and a browser fill a small machine. What was seen is kept as
//! pictures under `target/tmp/pages`. Every test ends with [`Window::close`], which fails on
//! errors that the page did not catch or wrote to its console.

mod affinity;
mod exchange;
mod library;
mod looks;
mod operators;
mod smooth;
mod webdriver;
mod window;

use tokio::sync::{Mutex, MutexGuard};

use crate::support::lab::Lab;
use window::Window;

/// A lab and a browser at one of its pages; nobody else has either meanwhile.
struct Stage {
    window: Window,
    lab: Lab,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    async fn set(test: &str) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let lab = Lab::start(test, &[]).await;
        let window = Window::open(test).await;
        Self {
            window,
            lab,
            _turn: turn,
        }
    }

    /// The address of a page of the edge.
    fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.lab.proxy())
    }

    fn operators(&self) -> String {
        format!("http://{}/", self.lab.address("/proxy/admin"))
    }
}
