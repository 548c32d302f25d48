//! From the file's shape to `Config`: every rule that one key alone cannot keep.
//!
//! All problems are collected, so that one run of `check` shows them all. A part that has a
//! problem is still turned into something, which nobody ever sees.

use std::net::SocketAddr;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::error::{ConfigError, Problem};
use super::position::Positions;
use super::secret::{self, SecretBytes};
use super::unit::{Size, Span};
use super::{Config, DemoIssuer, Heartbeat, Limits, Timeouts, TokenKey, Tokens, file};
use crate::sessions::Settings;

/// What a variable of the environment says.
pub(super) type Environment = fn(&str) -> Option<String>;

pub(super) fn config(
    path: &Path,
    text: &str,
    environment: Environment,
) -> Result<Config, ConfigError> {
    let positions = Positions::of(text);
    let read: Result<file::Config, _> = serde_saphyr::from_str(text);
    let file = read.map_err(|error| ConfigError::yaml(path, &positions, &error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut checker = Checker {
        positions,
        folder,
        environment,
        problems: Vec::new(),
    };
    let config = checker.whole(&file);
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| problem.position);
    match problems.is_empty() {
        true => Ok(config),
        false => Err(ConfigError {
            file: path.to_owned(),
            problems,
        }),
    }
}

/// Collects what is wrong while the parts are turned over.
pub(super) struct Checker<'a> {
    positions: Positions,
    pub(super) folder: &'a Path,
    environment: Environment,
    problems: Vec<Problem>,
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

    fn whole(&mut self, file: &file::Config) -> Config {
        let exchanges = self.exchanges(file);
        Config {
            endpoint: self.endpoint(file.endpoint.as_deref()),
            listen: self.address("listen", &file.listen),
            advertise: self.advertise(file),
            ledger: self.ledger(&file.ledger, &exchanges),
            exchanges,
            cluster_key: self.cluster_key(file.cluster_key.as_ref()),
            demo_issuer: file
                .demo_issuer
                .as_ref()
                .and_then(|shape| self.demo_issuer(shape)),
            tokens: file.tokens.as_ref().map(|shape| self.tokens(shape)),
            limits: self.limits(&file.limits),
            timeouts: self.timeouts(&file.timeouts),
            heartbeat: self.heartbeat(&file.heartbeat),
            sessions: self.sessions(file),
            shutdown: file.shutdown.deadline.0,
            features: file.features,
        }
    }

    fn endpoint(&mut self, named: Option<&str>) -> String {
        let from_environment = || (self.environment)("HOLDFAST_ENDPOINT");
        let name = named
            .map(str::to_owned)
            .or_else(from_environment)
            .unwrap_or_else(super::host_name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 253 || !name.chars().all(allowed) {
            let message = "is not a name; 1 to 253 letters, digits, dots, - and _";
            self.wrong("endpoint", format!("{name:?} {message}"));
        }
        name
    }

    fn address(&mut self, path: &str, text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| {
            let example = "write for example 127.0.0.1:9001";
            self.wrong(path, format!("{text:?} is not an address; {example}"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    /// A name is as good as an address here: other backends dial it.
    fn advertise(&mut self, file: &file::Config) -> Option<String> {
        let from_environment = || (self.environment)("HOLDFAST_ADVERTISE");
        let Some(text) = file.advertise.clone().or_else(from_environment) else {
            let unspecified = |address: SocketAddr| address.ip().is_unspecified();
            if file.listen.parse().is_ok_and(unspecified) {
                let message = "cannot be dialled by others; say in `advertise` where they reach it";
                self.wrong("listen", format!("{} {message}", file.listen));
            }
            return None;
        };
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            let example = "write for example 10.0.3.7:9001";
            self.wrong("advertise", format!("{text:?} is not host:port; {example}"));
        }
        Some(text)
    }

    fn cluster_key(&mut self, shape: Option<&file::Secret>) -> Option<SecretBytes> {
        let key = secret::key(shape?, self.folder);
        key.map_err(|message| self.wrong("cluster_key", message))
            .ok()
    }

    fn demo_issuer(&mut self, shape: &file::DemoIssuer) -> Option<DemoIssuer> {
        self.between(
            "demo_issuer.ttl",
            shape.ttl,
            Span::seconds(60),
            Span::seconds(30 * 86_400),
        );
        let key = secret::raw(&shape.key, self.folder).and_then(|pem| {
            EncodingKey::from_ed_pem(&pem).map_err(|_| {
                let make = "openssl genpkey -algorithm ed25519";
                format!("is no Ed25519 private key in PEM; make one with `{make}`")
            })
        });
        let key = key
            .map_err(|message| self.wrong("demo_issuer.key", message))
            .ok()?;
        Some(DemoIssuer {
            key,
            key_id: shape.key_id.clone(),
            issuer: shape.issuer.clone(),
            audience: shape.audience.clone(),
            ttl: shape.ttl.0,
        })
    }

    fn tokens(&mut self, shape: &file::Tokens) -> Tokens {
        self.between(
            "tokens.leeway",
            shape.leeway,
            Span::seconds(0),
            Span::seconds(300),
        );
        if shape.keys.is_empty() {
            self.wrong("tokens.keys", "is empty; no token could be good");
        }
        let mut keys: Vec<TokenKey> = Vec::new();
        for (index, key) in shape.keys.iter().enumerate() {
            let path = format!("tokens.keys[{index}]");
            if keys.iter().any(|other| other.id == key.id) {
                self.wrong(
                    &format!("{path}.id"),
                    format!("{:?} is listed twice", key.id),
                );
            }
            match decoding_key(key, self.folder) {
                Ok((algorithm, decoding)) => keys.push(TokenKey {
                    id: key.id.clone(),
                    algorithm,
                    key: decoding,
                }),
                Err(message) => self.wrong(&format!("{path}.file"), message),
            }
        }
        Tokens {
            issuer: shape.issuer.clone(),
            audience: shape.audience.clone(),
            leeway: shape.leeway.0,
            keys,
        }
    }

    fn limits(&mut self, shape: &file::Limits) -> Limits {
        self.size("limits.head", shape.head, Size::kib(8), Size::kib(1024));
        self.size(
            "limits.body",
            shape.body,
            Size::kib(1),
            Size::kib(16 * 1024),
        );
        self.size(
            "limits.message",
            shape.message,
            Size::kib(1),
            Size::kib(1024),
        );
        for (key, number) in [
            ("connections", shape.connections),
            ("sessions", shape.sessions),
            ("sessions_per_subject", shape.sessions_per_subject),
            ("streams_per_subject", shape.streams_per_subject),
            ("streams", shape.streams),
            ("orders_per_second", shape.orders_per_second as usize),
        ] {
            if number == 0 {
                self.wrong(&format!("limits.{key}"), "0 lets nobody in; at least 1");
            }
        }
        Limits {
            connections: shape.connections,
            head: shape.head.bytes(),
            body: shape.body.bytes(),
            message: shape.message.bytes(),
            streams_per_subject: shape.streams_per_subject,
            streams: shape.streams,
            orders_per_second: shape.orders_per_second,
        }
    }

    fn timeouts(&mut self, shape: &file::Timeouts) -> Timeouts {
        let (least, most) = (Span::millis(100), Span::seconds(3600));
        self.between("timeouts.head", shape.head, least, most);
        self.between("timeouts.request", shape.request, least, most);
        self.between("timeouts.write", shape.write, least, most);
        Timeouts {
            head: shape.head.0,
            request: shape.request.0,
            write: shape.write.0,
        }
    }

    fn heartbeat(&mut self, shape: &file::Heartbeat) -> Heartbeat {
        let (least, most) = (Span::millis(100), Span::seconds(300));
        self.between("heartbeat.interval", shape.interval, least, most);
        self.between("heartbeat.comment", shape.comment, least, most);
        if shape.timeout <= shape.interval {
            let (timeout, interval) = (shape.timeout, shape.interval);
            let message = format!(
                "{timeout} is not above heartbeat.interval {interval}; a silent client would be \
                 closed before it was asked; above {interval}"
            );
            self.wrong("heartbeat.timeout", message);
        }
        Heartbeat {
            interval: shape.interval.0,
            timeout: shape.timeout.0,
            comment: shape.comment.0,
        }
    }

    fn sessions(&mut self, file: &file::Config) -> Settings {
        let (least, most) = (Span::seconds(1), Span::seconds(3600));
        let grace = file
            .store
            .as_ref()
            .map_or_else(file::grace, |store| store.grace);
        for (path, span) in [
            ("store.grace", grace),
            ("simulator.catch_up", file.simulator.catch_up),
            ("simulator.idle", file.simulator.idle),
            ("handoff.snapshots", file.handoff.snapshots),
        ] {
            self.between(path, span, least, most);
        }
        self.between("handoff.hold", file.handoff.hold, Span::seconds(0), most);
        let pulse = file.simulator.pulse;
        self.between("simulator.pulse", pulse, Span::millis(10), least);
        Settings {
            pulse: pulse.0,
            catch_up: file.simulator.catch_up.0,
            snapshot_interval: file.handoff.snapshots.0,
            hold: file.handoff.hold.0,
            store_grace: grace.0,
            idle: file.simulator.idle.0,
            sessions_max: file.limits.sessions,
            sessions_per_subject: file.limits.sessions_per_subject,
            ..Settings::default()
        }
    }

    pub(super) fn between(&mut self, path: &str, span: Span, least: Span, most: Span) {
        if span < least || span > most {
            self.wrong(path, format!("{span} is out of range; {least} to {most}"));
        }
    }

    pub(super) fn size(&mut self, path: &str, size: Size, least: Size, most: Size) {
        if size < least || size > most {
            self.wrong(path, format!("{size} is out of range; {least} to {most}"));
        }
    }
}

fn decoding_key(shape: &file::TokenKey, folder: &Path) -> Result<(Algorithm, DecodingKey), String> {
    let name = shape.file.display();
    let text = std::fs::read(folder.join(&shape.file))
        .map_err(|cause| format!("{name} cannot be read: {cause}"))?;
    let (algorithm, key) = match shape.algorithm {
        file::Algorithm::EdDSA => (Algorithm::EdDSA, DecodingKey::from_ed_pem(&text)),
        file::Algorithm::ES256 => (Algorithm::ES256, DecodingKey::from_ec_pem(&text)),
        file::Algorithm::RS256 => (Algorithm::RS256, DecodingKey::from_rsa_pem(&text)),
        file::Algorithm::HS256 => {
            let secret = text.trim_ascii();
            if secret.len() < 32 {
                return Err(format!("{name} is a guessable secret; at least 32 bytes"));
            }
            (Algorithm::HS256, Ok(DecodingKey::from_secret(secret)))
        }
    };
    let key = key.map_err(|_| format!("{name} holds no public key for {algorithm:?} in PEM"))?;
    Ok((algorithm, key))
}
