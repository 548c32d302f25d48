//! What follows from what the world just told us?
//!
//! One [`Controller`] per proxy is the only writer of what the data plane reads. It is told
//! [`Event`]s and asked for [`Command`]s; it owns no socket and no timer, only the instant at
//! which it wants to be woken ([`Controller::poll_timeout`]).

mod admin;
mod cluster;
mod command;
mod endpoint;
mod event;
mod probing;
mod report;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cluster::ClusterState;
pub use command::{Cause, Command, Count, TELL_TIMEOUT};
use endpoint::EndpointState;
pub use event::{Config, Event, Heard, Member, Outcome};
pub use report::{By, Report, What};

use crate::cluster::{ClusterName, EndpointId};
use crate::pick;
use crate::route::Router;
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// The control plane.
#[derive(Debug)]
pub struct Controller {
    router: Arc<Router>,
    clusters: BTreeMap<ClusterName, ClusterState>,
    /// The number of the snapshot last published.
    number: u64,
    desk: Desk,
}

impl Controller {
    /// A controller that knows nothing yet. `seed` makes its jitter differ from that of other
    /// proxies.
    pub fn new(seed: u64) -> Self {
        Self {
            router: Arc::default(),
            clusters: BTreeMap::new(),
            number: 0,
            desk: Desk {
                commands: VecDeque::new(),
                dice: seed,
                tickets: 0,
            },
        }
    }

    /// Takes in what the world tells. What it tells about clusters and endpoints that are
    /// gone is not listened to.
    pub fn handle(&mut self, event: Event, now: Instant) {
        let desk = &mut self.desk;
        let mut rerouted = false;
        match event {
            Event::Reload(config) => {
                self.reload(config, now);
                rerouted = true;
            }
            Event::Discovered { cluster, members } => {
                if let Some(cluster) = self.clusters.get_mut(&cluster) {
                    cluster.discovered(members, desk, now);
                }
            }
            Event::Probed {
                ticket,
                cluster,
                endpoint,
                result,
            } => {
                self.at(&cluster, |c, desk| {
                    c.probed(&endpoint, ticket, result, desk, now)
                });
            }
            Event::Outcome(Outcome {
                cluster,
                endpoint,
                kind,
            }) => {
                self.at(&cluster, |c, desk| c.outcome(&endpoint, kind, desk, now));
            }
            Event::Admin {
                cluster,
                endpoint,
                admin,
            } => {
                self.at(&cluster, |c, desk| {
                    // One that has not spoken yet may keep the contract: its answer tells.
                    let listens = c.may_keep_contract();
                    let wish = |e: &mut EndpointState| {
                        e.wishes.wish(admin, listens, now);
                        Some(String::new())
                    };
                    c.change(&endpoint, desk, now, wish, By::Operator);
                });
            }
            Event::Told {
                cluster,
                endpoint,
                drain,
                heard,
            } => {
                self.at(&cluster, |c, desk| {
                    c.told(&endpoint, drain, heard, desk, now)
                });
            }
        }
        self.publish(rerouted);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for cluster in self.clusters.values_mut() {
            cluster.tick(&mut self.desk, now);
        }
        self.publish(false);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clusters
            .values()
            .filter_map(ClusterState::poll_timeout)
            .min()
    }

    /// The next thing to be done; ask until there is nothing.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.desk.commands.pop_front()
    }

    fn at(&mut self, cluster: &ClusterName, tell: impl FnOnce(&mut ClusterState, &mut Desk)) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            tell(cluster, &mut self.desk);
        }
    }

    fn reload(&mut self, config: Config, now: Instant) {
        self.router = Arc::new(config.router);
        let mut kept = BTreeMap::new();
        for settings in config.clusters {
            let settings = Arc::new(settings);
            let state = match self.clusters.remove(&settings.name) {
                Some(mut state) => {
                    state.reload(settings.clone(), &mut self.desk, now);
                    state
                }
                None => ClusterState::new(settings.clone()),
            };
            kept.insert(settings.name.clone(), state);
        }
        self.clusters = kept;
        self.desk.report(None, None, What::Reloaded);
    }

    /// Publishes a snapshot if what it would say has changed.
    fn publish(&mut self, rerouted: bool) {
        let mut changed = rerouted;
        for cluster in self.clusters.values_mut() {
            changed |= cluster.refresh(&mut self.desk);
        }
        if changed {
            self.number += 1;
            let views = self
                .clusters
                .iter()
                .map(|(name, c)| (name.clone(), c.view().clone()));
            self.desk
                .commands
                .push_back(Command::Publish(Arc::new(Snapshot {
                    number: self.number,
                    router: self.router.clone(),
                    clusters: views.collect(),
                })));
        }
    }
}

/// What the states of clusters and endpoints write with: the outgoing commands, and chance.
#[derive(Debug)]
struct Desk {
    commands: VecDeque<Command>,
    dice: u64,
    tickets: u64,
}

impl Desk {
    fn order(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    fn report(&mut self, cluster: Option<&ClusterName>, endpoint: Option<&EndpointId>, what: What) {
        let (cluster, endpoint) = (cluster.cloned(), endpoint.cloned());
        self.order(Command::Report(Report {
            cluster,
            endpoint,
            what,
        }));
    }

    /// The next number of a sequence that the seed decides (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        pick::mix(self.dice)
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}

#[cfg(test)]
mod tests;
