//! A cluster's rules: endpoints with names and addresses, probes that can finish, deadlines that
//! fit into the shutdown's.

use std::collections::BTreeSet;

use holdfast_core::health::{ProbeKind, ProbeSettings};
use holdfast_core::{ClusterName, EndpointId};

use super::{Checker, affinity, file};
use crate::config::{Cluster, Discovery, Drain, Eject, Endpoint, Handoff, HandoffContract};

pub(super) fn clusters(checker: &mut Checker<'_>, file: &file::Config) -> Vec<Cluster> {
    if file.clusters.is_empty() {
        checker.wrong("clusters", "is empty; routes need at least one cluster");
    }
    let mut shapes: Vec<_> = file.clusters.iter().collect();
    shapes.sort_by_key(|(name, _)| checker.positions.key(&format!("clusters.{name}")));
    let mut clusters: Vec<Cluster> = Vec::new();
    for (name, shape) in shapes {
        let path = format!("clusters.{name}");
        if let Err(wrong) = ClusterName::parse(name) {
            checker.wrong(&path, format!("{name:?} is no cluster name: {wrong}"));
        }
        let cluster = cluster(checker, file, &path, name, shape, clusters.is_empty());
        let taken = |other: &Cluster| other.cookie == cluster.cookie;
        if let Some(other) = clusters.iter().find(|other| taken(other)) {
            let message = format!(
                "the cookie {:?} is that of cluster {}; each cluster needs its own",
                cluster.cookie, other.name
            );
            checker.wrong(&format!("{path}.affinity.cookie"), message);
        }
        clusters.push(cluster);
    }
    clusters
}

fn cluster(
    checker: &mut Checker<'_>,
    file: &file::Config,
    path: &str,
    name: &str,
    shape: &file::Cluster,
    first: bool,
) -> Cluster {
    percent(checker, &format!("{path}.fail_open"), shape.fail_open);
    if shape.sessions_max == Some(0) {
        checker.wrong(
            &format!("{path}.sessions_max"),
            "0 lets nobody in; at least 1, or no key",
        );
    }
    let own = |cookie: &str| match first {
        true => cookie.to_owned(),
        false => format!("{cookie}-{name}"),
    };
    if let Some(cookie) = &shape.affinity.cookie {
        affinity::cookie_name(checker, &format!("{path}.affinity.cookie"), cookie);
    }
    let cookie = shape
        .affinity
        .cookie
        .clone()
        .unwrap_or_else(|| own(&file.affinity.cookie));
    let by = shape.affinity.by.as_ref();
    Cluster {
        name: name.to_owned(),
        discovery: discovery(checker, &format!("{path}.discovery"), &shape.discovery),
        balance: shape.balance,
        probes: probes(checker, path, &shape.probes),
        eject: eject(checker, &format!("{path}.eject"), &shape.eject),
        fail_open_percent: shape.fail_open,
        slow_start: shape.slow_start.0,
        sessions_max: shape.sessions_max,
        drain: drain(checker, file, &format!("{path}.drain"), &shape.drain),
        handoff: handoff(checker, file, &format!("{path}.handoff"), &shape.handoff),
        cookie,
        cookie_cross_site: file
            .affinity
            .cross_site
            .as_ref()
            .map(|twin| own(&twin.cookie)),
        affinity_by: by.and_then(|by| affinity::by(checker, &format!("{path}.affinity.by"), by)),
        protocol: shape.protocol,
        expose_endpoint: shape.expose_endpoint.unwrap_or(file.expose_endpoint),
    }
}

fn discovery(checker: &mut Checker<'_>, path: &str, shape: &file::Discovery) -> Discovery {
    let nothing = Discovery::Static(Vec::new());
    match (&shape.r#static, &shape.file, &shape.dns) {
        (Some(endpoints), None, None) => {
            Discovery::Static(endpoints_of(checker, &format!("{path}.static"), endpoints))
        }
        (None, Some(file), None) => {
            checker.positive(&format!("{path}.file.interval"), file.interval);
            let path = checker.folder.join(&file.path);
            Discovery::File {
                path,
                interval: file.interval.0,
            }
        }
        (None, None, Some(dns)) => {
            checker.positive(&format!("{path}.dns.interval"), dns.interval);
            let server = dns.server.as_ref();
            let server = server.map(|at| checker.address(&format!("{path}.dns.server"), at));
            let (name, interval) = (dns.name.clone(), dns.interval.0);
            Discovery::Dns {
                name,
                port: dns.port,
                interval,
                server,
            }
        }
        (None, None, None) => {
            checker.wrong(path, "finds nothing; one of static, file, dns");
            nothing
        }
        _ => {
            checker.wrong(path, "is given twice; one of static, file, dns");
            nothing
        }
    }
}

fn endpoints_of(checker: &mut Checker<'_>, path: &str, shapes: &[file::Endpoint]) -> Vec<Endpoint> {
    if shapes.is_empty() {
        checker.wrong(path, "is empty; at least one endpoint");
    }
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if let Err(wrong) = EndpointId::parse(&shape.id) {
            let message = format!("{:?} is no endpoint id: {wrong}", shape.id);
            checker.wrong(&format!("{path}.id"), message);
        }
        if !seen.insert(&shape.id) {
            let message = format!("{:?} is the id of another endpoint too", shape.id);
            checker.wrong(&format!("{path}.id"), message);
        }
        let address = endpoint_address(checker, &format!("{path}.address"), &shape.address);
        endpoints.push(Endpoint {
            id: shape.id.clone(),
            address,
            weight: shape.weight,
        });
    }
    endpoints
}

fn endpoint_address(checker: &mut Checker<'_>, path: &str, text: &str) -> std::net::SocketAddr {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if text.parse::<std::net::SocketAddr>().is_err() && host.starts_with(char::is_alphabetic) {
        let message = format!(
            "{text:?} is a name; a static endpoint needs an IP address, or use discovery.dns"
        );
        checker.wrong(path, message);
        return std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    }
    checker.address(path, text)
}

fn probes(checker: &mut Checker<'_>, path: &str, shapes: &[file::Probe]) -> Vec<ProbeSettings> {
    let mut probes = Vec::new();
    for (index, shape) in shapes.iter().enumerate() {
        let path = format!("{path}.probes[{index}]");
        let (interval, timeout) = (shape.interval, shape.timeout);
        checker.positive(&format!("{path}.interval"), interval);
        checker.positive(&format!("{path}.timeout"), timeout);
        if timeout > interval {
            let message = format!(
                "{timeout} exceeds the interval {interval}, so probes would pile up; at most \
                 {interval}"
            );
            checker.wrong(&format!("{path}.timeout"), message);
        }
        let (rise, fall) = (shape.rise, shape.fall);
        for (key, count) in [("rise", rise), ("fall", fall)] {
            if count == 0 {
                checker.wrong(
                    &format!("{path}.{key}"),
                    "0 answers decide nothing; at least 1",
                );
            }
        }
        if let Some(kind) = probe_kind(checker, &path, shape) {
            let (interval, timeout) = (interval.0, timeout.0);
            probes.push(ProbeSettings {
                kind,
                port: shape.port,
                interval,
                timeout,
                rise,
                fall,
            });
        }
    }
    probes
}

fn probe_kind(checker: &mut Checker<'_>, path: &str, shape: &file::Probe) -> Option<ProbeKind> {
    let mut kinds = Vec::new();
    if let Some(http) = &shape.http {
        absolute_path(checker, &format!("{path}.http.path"), &http.path);
        let (status_min, status_max) = (
            http.status_min.unwrap_or(200),
            http.status_max.unwrap_or(299),
        );
        if !(100..=status_max).contains(&status_min) || status_max > 599 {
            let message = format!("{status_min} to {status_max} is no range; 100 to 599");
            checker.wrong(&format!("{path}.http.status_min"), message);
        }
        let (path, host) = (http.path.clone(), http.host.clone());
        kinds.push(ProbeKind::Http {
            path,
            host,
            status_min,
            status_max,
        });
    }
    if let Some(grpc) = &shape.grpc {
        kinds.push(ProbeKind::Grpc {
            service: grpc.service.clone(),
        });
    }
    if shape.tcp.is_some() {
        kinds.push(ProbeKind::Tcp);
    }
    if let Some(websocket) = &shape.websocket {
        absolute_path(checker, &format!("{path}.websocket.path"), &websocket.path);
        let (path, host) = (websocket.path.clone(), websocket.host.clone());
        kinds.push(ProbeKind::WebSocket { path, host });
    }
    if kinds.len() != 1 {
        let many = if kinds.is_empty() {
            "asks nothing"
        } else {
            "asks several things"
        };
        checker.wrong(path, format!("{many}; one of http, grpc, tcp, websocket"));
    }
    kinds.pop()
}

fn eject(checker: &mut Checker<'_>, path: &str, shape: &file::Eject) -> Eject {
    percent(checker, &format!("{path}.share"), shape.share);
    if shape.base > shape.max {
        let message = format!(
            "{} exceeds max {}; at most {}",
            shape.base, shape.max, shape.max
        );
        checker.wrong(&format!("{path}.base"), message);
    }
    let (base, max) = (shape.base.0, shape.max.0);
    Eject {
        failures: shape.failures,
        base,
        max,
        share_percent: shape.share,
    }
}

fn drain(checker: &mut Checker<'_>, file: &file::Config, path: &str, shape: &file::Drain) -> Drain {
    if shape.rate == 0 {
        checker.wrong(
            &format!("{path}.rate"),
            "0 a second moves nobody; at least 1",
        );
    }
    let most = file.shutdown.deadline;
    // A default that a shorter shutdown outruns is nobody's mistake.
    let written = checker.positions.has(&format!("{path}.deadline"));
    if shape.deadline > most && written {
        let message = format!(
            "{} exceeds shutdown.deadline {most}; at most {most}",
            shape.deadline
        );
        checker.wrong(&format!("{path}.deadline"), message);
    }
    Drain {
        rate: shape.rate,
        deadline: shape.deadline.0,
    }
}

fn handoff(
    checker: &mut Checker<'_>,
    file: &file::Config,
    path: &str,
    shape: &file::Handoff,
) -> Handoff {
    checker.positive(&format!("{path}.deadline"), shape.deadline);
    if shape.close_timeout >= shape.deadline {
        let message = format!(
            "{} leaves no time to dial before handoff.deadline {}; below {}",
            shape.close_timeout, shape.deadline, shape.deadline
        );
        checker.wrong(&format!("{path}.close_timeout"), message);
    }
    if shape.dials == 0 {
        checker.wrong(&format!("{path}.dials"), "0 dials move nobody; at least 1");
    }
    if shape.message_buffer > shape.unaccepted_buffer {
        let message = format!(
            "{} exceeds unaccepted_buffer {}, which has to hold such a message; at most {}",
            shape.message_buffer, shape.unaccepted_buffer, shape.unaccepted_buffer
        );
        checker.wrong(&format!("{path}.message_buffer"), message);
    }
    if shape.contract == HandoffContract::Required && file.cluster_key.is_none() {
        let message = "without cluster_key, endpoints that are not on this machine believe no \
                       handoff header";
        checker.warn(&format!("{path}.contract"), message);
    }
    Handoff {
        contract: shape.contract,
        deadline: shape.deadline.0,
        close_timeout: shape.close_timeout.0,
        hold: shape.hold.0,
        dials: shape.dials,
        message_buffer: shape.message_buffer.bytes(),
        unaccepted_buffer: shape.unaccepted_buffer.bytes(),
    }
}

fn absolute_path(checker: &mut Checker<'_>, path: &str, text: &str) {
    if !text.starts_with('/') || !text.chars().all(|c| c.is_ascii_graphic()) {
        checker.wrong(
            path,
            format!("{text:?} is no path; it begins with \"/\" and has no spaces"),
        );
    }
}

fn percent(checker: &mut Checker<'_>, path: &str, number: u8) {
    if number > 100 {
        checker.wrong(path, format!("{number} is no percentage; 0 to 100"));
    }
}
