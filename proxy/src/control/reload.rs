//! The configuration file, read again when it changes or when a signal says so.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use holdfast_core::control::{self, Event};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Handle;
use super::discovery::Discoveries;
use crate::config::Config;
use crate::telemetry::Telemetry;

/// Takes changed configurations over, whole or not at all. Sessions do not notice: endpoints keep
/// their state, and connections are not touched.
pub struct Reload {
    /// The file.
    pub path: PathBuf,
    /// Looks at the file so often; `None`: only when told.
    pub interval: Option<Duration>,
    /// Told to look now (`SIGHUP`).
    pub wake: Arc<Notify>,
    /// What a configuration means to the core.
    pub meaning: fn(&Config) -> Result<control::Config, String>,
    /// Learns of every configuration that was taken over, for what is not the core's.
    pub accepted: Box<dyn Fn(Arc<Config>) + Send + Sync>,
    /// The control plane.
    pub handle: Handle,
    /// Who looks for endpoints.
    pub discoveries: Discoveries,
    /// Where it counts.
    pub telemetry: Telemetry,
}

impl Reload {
    /// Begins with `config` as it was read at the start, then watches.
    pub async fn run(mut self, config: Arc<Config>, stop: CancellationToken) {
        let mut known = self.stamp().await;
        let started = config.clone();
        self.take_over(config).await;
        loop {
            // Cancel-safe: nothing is lost when one of these is dropped.
            let told = tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => true,
                () = pause(self.interval) => false,
            };
            let stamp = self.stamp().await;
            if !told && stamp == known {
                continue;
            }
            known = stamp;
            let path = self.path.clone();
            match tokio::task::spawn_blocking(move || Config::load(&path)).await {
                Ok(Ok(config)) => {
                    let stays = started.needs_restart(&config).join(", ");
                    if !stays.is_empty() {
                        tracing::warn!(keys = stays, "changed, but only a restart changes these");
                    }
                    self.take_over(Arc::new(config)).await;
                }
                Ok(Err(error)) => self.refuse(&error),
                Err(error) => self.refuse(&error),
            }
        }
    }

    async fn take_over(&mut self, config: Arc<Config>) {
        let meaning = match (self.meaning)(&config) {
            Ok(meaning) => meaning,
            Err(error) => return self.refuse(&error),
        };
        let names: Vec<_> = meaning
            .clusters
            .iter()
            .map(|cluster| cluster.name.clone())
            .collect();
        if !self.handle.tell(Event::Reload(meaning)).await {
            return;
        }
        let source = |name: &holdfast_core::ClusterName| {
            Some((
                name.clone(),
                config.cluster(name.as_str())?.discovery.clone(),
            ))
        };
        self.discoveries.look_for(names.iter().filter_map(source));
        self.telemetry.reloaded(true);
        (self.accepted)(config);
    }

    fn refuse(&self, error: &dyn std::fmt::Display) {
        self.telemetry.reloaded(false);
        tracing::error!(%error, "the new configuration is refused, the old one stays in force");
    }

    async fn stamp(&self) -> Option<(SystemTime, u64)> {
        let meta = tokio::fs::metadata(&self.path).await.ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }
}

async fn pause(interval: Option<Duration>) {
    match interval {
        Some(interval) => tokio::time::sleep(interval).await,
        None => std::future::pending().await,
    }
}
