//! What a route allows beyond where it leads, which is all the core knows of it.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_core::ClusterName;
use holdfast_core::route::RouteName;

use crate::config::{Config, Protocol};

/// Body and time of every route, by its name.
pub(super) struct Routes {
    routes: BTreeMap<Box<str>, Allowed>,
    protocols: BTreeMap<Box<str>, Protocol>,
}

#[derive(Clone, Copy)]
struct Allowed {
    body: u64,
    timeout: Duration,
    /// The route says so itself.
    own_timeout: Option<Duration>,
}

impl Routes {
    /// As configured.
    pub(super) fn new(config: &Config) -> Self {
        let routes = config.routes.iter().map(|route| {
            let allowed = Allowed {
                body: route.body,
                timeout: route.timeout,
                own_timeout: route.own_timeout,
            };
            (route.name.as_str().into(), allowed)
        });
        let clusters = config.clusters.iter();
        let protocols = clusters.map(|cluster| (cluster.name.as_str().into(), cluster.protocol));
        Self {
            routes: routes.collect(),
            protocols: protocols.collect(),
        }
    }

    /// What plain requests speak to the endpoints of a cluster.
    pub(super) fn protocol(&self, cluster: &ClusterName) -> Protocol {
        self.protocols
            .get(cluster.as_str())
            .copied()
            .unwrap_or_default()
    }

    /// Bytes of the longest body; nothing on a route that is not there any more.
    pub(super) fn body_max(&self, route: &RouteName) -> u64 {
        self.routes
            .get(route.as_str())
            .map_or(0, |allowed| allowed.body)
    }

    /// The longest silence of an endpoint that the route itself allows; the default aside.
    pub(super) fn own_timeout(&self, route: &RouteName) -> Option<Duration> {
        self.routes.get(route.as_str())?.own_timeout
    }

    /// The longest wait for an answer.
    pub(super) fn timeout(&self, route: &RouteName) -> Duration {
        self.routes
            .get(route.as_str())
            .map_or(Duration::from_secs(30), |allowed| allowed.timeout)
    }
}
