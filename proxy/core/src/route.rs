//! Which cluster and relay does this request belong to?
//!
//! Routes are tried from the most specific to the least: an exact host before a wildcard before
//! any, then the longer path, then the one with more further conditions, then the order of the
//! file. What a path means is decided once, in [`path`], before anything is compared.

mod matcher;
pub mod path;

use std::fmt;
use std::sync::Arc;

pub use matcher::{FieldMatch, FieldValue, HostMatch, Match, PathPrefix, PathPrefixError};
use thiserror::Error;

use crate::cluster::ClusterName;

/// One entry of the routing table.
#[derive(Clone, Debug)]
pub struct Route {
    /// What it is called in logs and metrics; unique.
    pub name: RouteName,
    /// Which requests are its.
    pub matches: Match,
    /// Where they go.
    pub cluster: ClusterName,
    /// How they are carried; `None`: as each request asks to be.
    pub relay: Option<Relay>,
    /// Whether clients are kept at their endpoint here.
    pub affinity: bool,
    /// What a client must show.
    pub identity: Identity,
}

/// The name of a route: what configuration calls it, or its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteName(Arc<str>);

impl RouteName {
    /// Any text will do: it is only ever compared and printed.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an exchange is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relay {
    /// A request and its answer.
    Http,
    /// An upgraded connection: messages both ways.
    WebSocket,
    /// An event stream: events one way.
    Sse,
    /// A call with trailers.
    Grpc,
}

impl Relay {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Http, Self::WebSocket, Self::Sse, Self::Grpc];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Grpc => "grpc",
        }
    }
}

/// What a client of a route must show to be let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Nothing; what it shows is not looked at.
    #[default]
    Off,
    /// Nothing, but what it shows must be right.
    Optional,
    /// A valid token.
    Required,
}

/// What a request says of itself, as far as routing asks.
pub trait Fields {
    /// The first value of a header field; `name` is lower case.
    fn field(&self, name: &str) -> Option<&str>;

    /// Offers the values of all cookies of this name, in order, until one is accepted.
    fn cookies(&self, name: &str, accept: &mut dyn FnMut(&str) -> bool);
}

/// The routing table.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// Most specific first.
    routes: Vec<Arc<Route>>,
}

impl Router {
    /// Puts the routes in order of precedence.
    pub fn new(mut routes: Vec<Route>) -> Result<Self, RouteError> {
        for (at, route) in routes.iter().enumerate() {
            for earlier in &routes[..at] {
                if earlier.name == route.name {
                    return Err(RouteError::SameName {
                        name: route.name.clone(),
                    });
                }
                if earlier.matches == route.matches {
                    let (first, second) = (earlier.name.clone(), route.name.clone());
                    return Err(RouteError::SameMatch { first, second });
                }
            }
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.matches.specificity()));
        Ok(Self {
            routes: routes.into_iter().map(Arc::new).collect(),
        })
    }

    /// The most specific route for such a request.
    ///
    /// `host` has no port; `path` has no query. A path that a server might read as another
    /// one (dot segments, encoded slashes) belongs to no route.
    pub fn route(
        &self,
        host: &str,
        path: &str,
        method: &str,
        fields: &dyn Fields,
    ) -> Option<&Arc<Route>> {
        let path = path::normal(path)?;
        self.routes
            .iter()
            .find(|route| route.matches.accepts(host, &path, method, fields))
    }

    /// All routes, most specific first.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }
}

/// A table that cannot be meant so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// Two routes have one name, so metrics could not tell them apart.
    #[error("two routes are named {name}; give one of them another name")]
    SameName {
        /// The name.
        name: RouteName,
    },
    /// Two routes match the same requests, so the second could never be reached.
    #[error("routes {first} and {second} match the same requests; narrow or remove one")]
    SameMatch {
        /// The one that would win.
        first: RouteName,
        /// The one that would never be reached.
        second: RouteName,
    },
}

#[cfg(test)]
mod tests;
