//! Which endpoints are there?
//!
//! Each cluster has one task that tells the control plane whole sets of endpoints. A source
//! that fails tells nothing, so the last good set stays in force.

mod dns;
mod file;

use std::collections::BTreeMap;

use holdfast_core::control::{Event, Member};
use holdfast_core::{ClusterName, EndpointId};
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use super::Handle;
use crate::config::{Discovery, Endpoint};
use crate::telemetry::Telemetry;

/// The tasks that look for endpoints.
pub struct Discoveries {
    running: BTreeMap<ClusterName, (Discovery, AbortHandle)>,
    handle: Handle,
    telemetry: Telemetry,
    tracker: TaskTracker,
}

impl Discoveries {
    /// Nobody looks for anything yet.
    pub fn new(handle: Handle, telemetry: Telemetry) -> Self {
        Self {
            running: BTreeMap::new(),
            handle,
            telemetry,
            tracker: TaskTracker::new(),
        }
    }

    /// From now on these clusters are looked for, and no others. A source that did not change
    /// goes on undisturbed. Tell the control plane of new clusters first.
    pub fn look_for(&mut self, sources: impl IntoIterator<Item = (ClusterName, Discovery)>) {
        let mut wanted: BTreeMap<_, _> = sources.into_iter().collect();
        self.running.retain(|cluster, (source, task)| {
            let same = wanted.get(cluster) == Some(source);
            if same {
                wanted.remove(cluster);
            } else {
                task.abort();
            }
            same
        });
        for (cluster, source) in wanted {
            let finder = Finder {
                cluster: cluster.clone(),
                handle: self.handle.clone(),
                telemetry: self.telemetry.clone(),
            };
            let task = self
                .tracker
                .spawn(finder.run(source.clone()))
                .abort_handle();
            self.running.insert(cluster, (source, task));
        }
    }
}

impl Drop for Discoveries {
    fn drop(&mut self) {
        self.running.values().for_each(|(_, task)| task.abort());
    }
}

/// Looks for the endpoints of one cluster.
struct Finder {
    cluster: ClusterName,
    handle: Handle,
    telemetry: Telemetry,
}

impl Finder {
    async fn run(self, source: Discovery) {
        match source {
            Discovery::Static(endpoints) => {
                let found = members(&endpoints);
                self.tell(found).await;
            }
            Discovery::File { path, interval } => file::watch(&self, &path, interval).await,
            Discovery::Dns {
                name,
                port,
                interval,
                server,
            } => {
                dns::watch(
                    &self,
                    &dns::Question {
                        name,
                        port,
                        interval,
                        server,
                    },
                )
                .await;
            }
        }
    }

    /// Tells what was found, or logs why nothing was. False: nobody listens any more.
    async fn tell(&self, found: Result<Vec<Member>, String>) -> bool {
        self.telemetry.discovered(&self.cluster, found.is_ok());
        match found {
            Ok(members) => {
                let cluster = self.cluster.clone();
                self.handle
                    .tell(Event::Discovered { cluster, members })
                    .await
            }
            Err(error) => {
                let cluster = self.cluster.as_str();
                tracing::warn!(cluster, %error, "discovery failed, the last endpoints stay");
                true
            }
        }
    }
}

fn members(endpoints: &[Endpoint]) -> Result<Vec<Member>, String> {
    let member = |endpoint: &Endpoint| {
        let id = EndpointId::parse(&endpoint.id)
            .map_err(|error| format!("endpoint {:?}: {error}", endpoint.id))?;
        Ok(Member {
            id,
            address: endpoint.address,
            weight: endpoint.weight,
        })
    };
    endpoints.iter().map(member).collect()
}

#[cfg(test)]
mod tests;
