//! From the file's shape to `Config`: every rule that one key alone cannot keep.
//!
//! All problems are collected, so that one run of `check` shows them all. A part that has a
//! problem is still turned into something, which nobody ever sees.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::decisions::decisions;
use super::error::{ConfigError, Problem, suggestion};
use super::position::Positions;
use super::unit::Span;
use super::{Admin, Config, Limits, Listener, Retry, Shutdown, Timeouts, Tls, file, secret};

mod affinity;
mod cluster;
mod identity;
mod route;

pub(super) fn config(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let positions = Positions::of(text);
    let read: Result<file::Config, _> = serde_saphyr::from_str(text);
    let file = read.map_err(|error| ConfigError::yaml(path, &positions, &error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let mut checker = Checker {
        positions,
        folder: &folder,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let config = whole(&mut checker, path, file);
    let Checker {
        mut problems,
        mut warnings,
        ..
    } = checker;
    problems.sort_by_key(|problem| problem.position);
    warnings.sort_by_key(|problem| problem.position);
    match problems.is_empty() {
        true => Ok(Config { warnings, ..config }),
        false => Err(ConfigError {
            file: path.to_owned(),
            problems,
        }),
    }
}

/// Collects what is wrong while the parts are turned over.
pub(super) struct Checker<'a> {
    positions: Positions,
    folder: &'a Path,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Checker<'_> {
    /// The value at this path is wrong.
    pub(super) fn wrong(&mut self, path: &str, message: impl Into<String>) {
        let position = self.positions.value(path);
        self.problems.push(Problem {
            position,
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// The value at this path is allowed, and probably not meant.
    fn warn(&mut self, path: &str, message: impl Into<String>) {
        let position = self.positions.value(path);
        self.warnings.push(Problem {
            position,
            path: path.to_owned(),
            message: message.into(),
        });
    }

    fn address(&mut self, path: &str, text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| {
            self.wrong(
                path,
                format!("{text:?} is not an address; write for example 127.0.0.1:80"),
            );
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn positive(&mut self, path: &str, span: Span) {
        if span.0.is_zero() {
            self.wrong(path, "must be longer than 0s");
        }
    }
}

fn whole(checker: &mut Checker<'_>, path: &Path, file: file::Config) -> Config {
    let written = Arc::new(file.clone());
    let affinity = affinity::affinity(checker, &file.affinity);
    let clusters = cluster::clusters(checker, &file);
    let routes = route::routes(checker, &file, &clusters);
    let timeouts = timeouts(checker, &file.timeouts);
    let retry = retry(checker, &file.retry);
    let dials = timeouts.connect * u32::try_from(retry.attempts).unwrap_or(u32::MAX);
    if dials > timeouts.request {
        let (attempts, connect) = (retry.attempts, file.timeouts.connect);
        let message = format!(
            "{attempts} dials of {connect} each outlast timeouts.request {}; an endpoint that \
             does not answer uses up the whole request",
            file.timeouts.request
        );
        checker.warn("timeouts.connect", message);
    }
    let cluster_key = file.cluster_key.as_ref().and_then(|key| {
        secret::key(key, checker.folder)
            .map_err(|message| checker.wrong("cluster_key", message))
            .ok()
    });
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    if file.threads == Some(0) {
        checker.wrong("threads", "0 threads carry nothing; at least 1");
    }
    // what is wrong already would only be said twice
    let decisions = match checker.problems.is_empty() {
        true => decisions(checker, &affinity, &clusters, &routes),
        false => holdfast_core::control::Config::default(),
    };
    Config {
        decisions,
        path: path.to_owned(),
        written,
        threads: file.threads.unwrap_or_else(cores),
        work_stealing: file.work_stealing,
        listeners: listeners(checker, &file),
        clusters,
        affinity,
        routes,
        timeouts,
        limits: limits(checker, &file.limits),
        retry,
        shutdown: shutdown(checker, &file.shutdown),
        admin: admin(checker, &file),
        identity: file
            .identity
            .as_ref()
            .map(|shape| identity::identity(checker, shape)),
        cluster_key,
        forwarded: file.forwarded.trusted.clone(),
        access_log: file.access_log.to,
        warnings: Vec::new(),
    }
}

fn listeners(checker: &mut Checker<'_>, file: &file::Config) -> Vec<Listener> {
    if file.listeners.is_empty() {
        checker.wrong("listeners", "is empty; clients need at least one address");
    }
    let mut listeners: Vec<Listener> = Vec::new();
    for (index, shape) in file.listeners.iter().enumerate() {
        let path = format!("listeners[{index}]");
        let address = checker.address(&format!("{path}.address"), &shape.address);
        if address.port() != 0 && listeners.iter().any(|other| other.address == address) {
            checker.wrong(
                &format!("{path}.address"),
                format!("{address} is listed twice"),
            );
        }
        if shape.h2c && shape.tls.is_some() {
            let message = "is HTTP/2 without TLS; with tls, HTTP/2 is agreed upon by itself";
            checker.wrong(&format!("{path}.h2c"), message);
        }
        if shape.tls.is_some() {
            let message = "this version does not end TLS; end it at the load balancer, and leave \
                           the key out";
            checker.wrong(&format!("{path}.tls"), message);
        }
        let tls = shape.tls.as_ref().map(|tls| {
            let mut file = |key: &str, file: &Path| {
                let file = checker.folder.join(file);
                if let Err(cause) = std::fs::metadata(&file) {
                    let message = format!("{} cannot be read: {cause}", file.display());
                    checker.wrong(&format!("{path}.tls.{key}"), message);
                }
                file
            };
            Tls {
                certificate: file("certificate", &tls.certificate),
                key: file("key", &tls.key),
            }
        });
        let proxy_protocol = shape.proxy_protocol.as_ref().map(|shape| {
            if shape.trusted.is_empty() {
                let path = format!("{path}.proxy_protocol.trusted");
                checker.wrong(&path, "is empty; name the networks of the load balancer");
            }
            shape.trusted.clone()
        });
        listeners.push(Listener {
            address,
            h2c: shape.h2c,
            tls,
            proxy_protocol,
        });
    }
    listeners
}

/// heartbeat < ping < edge_idle < the load balancer's idle limit: each of them is the next one's
/// reason never to fire on a connection that lives.
fn timeouts(checker: &mut Checker<'_>, shape: &file::Timeouts) -> Timeouts {
    for (key, span) in [
        ("connect", shape.connect),
        ("request", shape.request),
        ("keepalive", shape.keepalive),
        ("upstream_idle", shape.upstream_idle),
        ("edge_idle", shape.edge_idle),
        ("heartbeat", shape.heartbeat),
        ("ping", shape.ping),
        ("write", shape.write),
    ] {
        checker.positive(&format!("timeouts.{key}"), span);
    }
    if shape.heartbeat >= shape.ping {
        let message = format!(
            "{} is not below timeouts.ping {}; a client would be given up before it was asked; \
             below {}",
            shape.heartbeat, shape.ping, shape.ping
        );
        checker.wrong("timeouts.heartbeat", message);
    }
    if shape.ping >= shape.edge_idle {
        let message = format!(
            "{} is not below timeouts.edge_idle {}; the connection would end before its client \
             could answer; below {}",
            shape.ping, shape.edge_idle, shape.edge_idle
        );
        checker.wrong("timeouts.ping", message);
    }
    for (key, span) in [
        ("edge_idle", shape.edge_idle),
        ("keepalive", shape.keepalive),
    ] {
        if span.0 >= LOAD_BALANCER_IDLE.0 {
            let message = format!(
                "{span} is not below {LOAD_BALANCER_IDLE}, after which an AWS NLB forgets a silent \
                 connection without telling either side"
            );
            checker.warn(&format!("timeouts.{key}"), message);
        }
    }
    if shape.connect > shape.request {
        let message = format!(
            "{} exceeds timeouts.request {}; less",
            shape.connect, shape.request
        );
        checker.wrong("timeouts.connect", message);
    }
    Timeouts {
        connect: shape.connect.0,
        request: shape.request.0,
        keepalive: shape.keepalive.0,
        upstream_idle: shape.upstream_idle.0,
        edge_idle: shape.edge_idle.0,
        heartbeat: shape.heartbeat.0,
        ping: shape.ping.0,
        write: shape.write.0,
    }
}

fn limits(checker: &mut Checker<'_>, shape: &file::Limits) -> Limits {
    let head = shape.head;
    if !(1 << 10..=1 << 19).contains(&head.0) {
        checker.wrong(
            "limits.head",
            format!("{head} is out of range; 1KiB to 512KiB"),
        );
    }
    if !(1..=HEADERS_MAX).contains(&shape.headers) {
        let message = format!("{} is out of range; 1 to {HEADERS_MAX}", shape.headers);
        checker.wrong("limits.headers", message);
    }
    checker.positive("limits.head_timeout", shape.head_timeout);
    checker.positive("limits.body_timeout", shape.body_timeout);
    for (key, number) in [
        ("connections_per_address", shape.connections_per_address),
        ("connections", shape.connections),
        ("h2_streams", shape.h2_streams as usize),
    ] {
        if number == 0 {
            checker.wrong(&format!("limits.{key}"), "0 lets nobody in; at least 1");
        }
    }
    if shape.parked == 0 {
        let message = "0 loses every connection whose endpoint leaves; at least 1";
        checker.wrong("limits.parked", message);
    }
    let held = shape.held;
    if held.0 < 1 << 20 {
        checker.wrong(
            "limits.held",
            format!("{held} is too little; at least 1MiB"),
        );
    }
    Limits {
        head: head.bytes(),
        head_timeout: shape.head_timeout.0,
        headers: shape.headers,
        body_timeout: shape.body_timeout.0,
        connections_per_address: shape.connections_per_address,
        connections: shape.connections,
        requests_per_connection: Some(shape.requests_per_connection).filter(|n| *n > 0),
        h2_streams: shape.h2_streams,
        held: held.bytes(),
        parked: shape.parked,
    }
}

fn retry(checker: &mut Checker<'_>, shape: &file::Retry) -> Retry {
    if !(1..=16).contains(&shape.attempts) {
        checker.wrong(
            "retry.attempts",
            format!("{} is out of range; 1 to 16", shape.attempts),
        );
    }
    if shape.hops > 3 {
        let message = format!(
            "{} is more than the handoff contract allows; at most 3",
            shape.hops
        );
        checker.wrong("retry.hops", message);
    }
    if shape.buffer.0 > 64 << 10 {
        let message = format!("{} exceeds what can be kept; at most 64KiB", shape.buffer);
        checker.wrong("retry.buffer", message);
    }
    Retry {
        attempts: shape.attempts,
        hops: shape.hops,
        buffer: shape.buffer.bytes(),
    }
}

fn shutdown(checker: &mut Checker<'_>, shape: &file::Shutdown) -> Shutdown {
    if shape.spread > shape.deadline {
        let message = format!(
            "{} exceeds shutdown.deadline {}; at most {}",
            shape.spread, shape.deadline, shape.deadline
        );
        checker.wrong("shutdown.spread", message);
    }
    Shutdown {
        propagation: shape.propagation.0,
        spread: shape.spread.0,
        deadline: shape.deadline.0,
    }
}

fn admin(checker: &mut Checker<'_>, file: &file::Config) -> Admin {
    let address = checker.address("admin.address", &file.admin.address);
    let same = |listener: &file::Listener| listener.address == file.admin.address;
    if address.port() != 0 && file.listeners.iter().any(same) {
        let message = format!("{address} is a listener's address too; operators need their own");
        checker.wrong("admin.address", message);
    }
    let loopback = address.ip().is_loopback();
    if file.admin.commands == Some(true) && !loopback {
        let message = "lets whoever reaches this address drain endpoints; prefer 127.0.0.1";
        checker.warn("admin.commands", message);
    }
    let health = file.admin.health.as_ref();
    Admin {
        address,
        commands: file.admin.commands.unwrap_or(loopback),
        health: health.map(|text| checker.address("admin.health", text)),
    }
}

const LOAD_BALANCER_IDLE: Span = Span::seconds(350);

/// The HTTP parser reads no more (`MAX_HEADERS` in Pingora).
const HEADERS_MAX: usize = 256;
