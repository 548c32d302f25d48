//! A route's rules: it leads somewhere, can be reached, and asks only for what is configured.

use super::{Checker, file, suggestion};
use crate::config::{AffinityBy, Cluster, IdentityNeed, RelayKind, Route};

pub(super) fn routes(
    checker: &mut Checker<'_>,
    file: &file::Config,
    clusters: &[Cluster],
) -> Vec<Route> {
    if file.routes.is_empty() {
        checker.wrong(
            "routes",
            "is empty; write for example [{ path: /, cluster: NAME }]",
        );
    }
    let mut routes: Vec<Route> = Vec::new();
    for (index, shape) in file.routes.iter().enumerate() {
        let path = format!("routes[{index}]");
        let route = route(checker, file, &path, shape);
        if let Some(earlier) = routes.iter().position(|other| same_match(other, &route)) {
            let message = format!("matches what routes[{earlier}] matches and is never reached");
            checker.wrong(&path, message);
        }
        leads_somewhere(checker, file, &path, shape, clusters);
        routes.push(route);
    }
    routes
}

fn route(checker: &mut Checker<'_>, file: &file::Config, path: &str, shape: &file::Route) -> Route {
    let plain = |c: char| c.is_ascii_graphic() && !"?#".contains(c);
    if !shape.path.starts_with('/') || !shape.path.chars().all(plain) {
        let message = format!("{:?} is no path; it begins with \"/\"", shape.path);
        checker.wrong(&format!("{path}.path"), message);
    }
    if shape.path.starts_with("/holdfast") && shape.path.trim_end_matches('/') == "/holdfast" {
        let message = "\"/holdfast/\" belongs to the proxy and is never forwarded";
        checker.wrong(&format!("{path}.path"), message);
    }
    for (index, method) in shape.method.0.iter().enumerate() {
        if method.is_empty() || !method.chars().all(|c| c.is_ascii_uppercase()) {
            let message = format!("{method:?} is no method; capital letters, as in GET");
            checker.wrong(&format!("{path}.method[{index}]"), message);
        }
    }
    Route {
        name: shape.name.clone().unwrap_or_else(|| default_name(shape)),
        path: shape.path.clone(),
        host: shape.host.as_ref().map(|host| host.to_ascii_lowercase()),
        methods: shape.method.0.clone(),
        headers: shape
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect(),
        cluster: shape.cluster.clone(),
        relay: shape.relay,
        affinity: shape.affinity == file::Switch::On,
        identity: shape.identity,
        body: shape.body.unwrap_or(file.limits.body).0,
        timeout: shape.timeout.unwrap_or(file.timeouts.request).0,
        own_timeout: shape.timeout.map(|own| own.0),
    }
}

fn leads_somewhere(
    checker: &mut Checker<'_>,
    file: &file::Config,
    path: &str,
    shape: &file::Route,
    clusters: &[Cluster],
) {
    let Some(cluster) = clusters
        .iter()
        .find(|cluster| cluster.name == shape.cluster)
    else {
        let known: Vec<&str> = clusters
            .iter()
            .map(|cluster| cluster.name.as_str())
            .collect();
        let near = suggestion(&shape.cluster, &known);
        let message = format!("there is no cluster {:?}; {near}", shape.cluster);
        checker.wrong(&format!("{path}.cluster"), message);
        return;
    };
    if cluster.affinity_by == Some(AffinityBy::Subject) && shape.identity == IdentityNeed::Off {
        let message = format!(
            "affinity of cluster {} is by subject, which this route does not ask for; required or \
             optional",
            cluster.name
        );
        checker.wrong(&format!("{path}.identity"), message);
    }
    if shape.identity != IdentityNeed::Off && file.identity.is_none() {
        let message =
            "nobody's tokens are believed; add `identity:` with issuer, audience and keys";
        checker.wrong(&format!("{path}.identity"), message);
    }
    if shape.relay == RelayKind::Grpc && !file.listeners.iter().any(|l| l.h2c || l.tls.is_some()) {
        let message = "no listener speaks HTTP/2; add one with `h2c: true` or tls";
        checker.wrong(&format!("{path}.relay"), message);
    }
}

fn same_match(a: &Route, b: &Route) -> bool {
    a.path == b.path && a.host == b.host && a.methods == b.methods && a.headers == b.headers
}

/// What tells it from its neighbours: methods, host and path as far as they are given.
fn default_name(shape: &file::Route) -> String {
    let mut name = shape.method.0.join(",");
    if !name.is_empty() {
        name.push(' ');
    }
    name.push_str(shape.host.as_deref().unwrap_or_default());
    name.push_str(&shape.path);
    for (field, value) in &shape.headers {
        name.push_str(&format!(" {field}={value}"));
    }
    name
}
