//! The configuration as the core decides by it.
//!
//! The last step of checking: what the core refuses (a path with two readings, two routes of one
//! name) is a problem of the file like any other.

use std::sync::Arc;

use holdfast_core::ClusterName;
use holdfast_core::affinity::seal::Keyring;
use holdfast_core::affinity::{AffinityPolicy, CookieSettings, Secure, Source};
use holdfast_core::cluster::{Balance, ClusterSettings, Contract, HandoffSettings, Percent};
use holdfast_core::control;
use holdfast_core::drain::DrainSettings;
use holdfast_core::health::EjectSettings;
use holdfast_core::route::{self, FieldMatch, FieldValue, HostMatch, Match, PathPrefix, RouteName};
use holdfast_core::{Relay, Router};

use super::check::Checker;
use super::{Affinity, AffinityBy, Cluster, Route};

/// Turns checked parts into what the core decides by.
pub(super) fn decisions(
    checker: &mut Checker<'_>,
    affinity: &Affinity,
    clusters: &[Cluster],
    routes: &[Route],
) -> control::Config {
    let keys: Vec<[u8; 32]> = affinity.keys.iter().map(|key| *key.bytes()).collect();
    let keys = match Keyring::new(&keys) {
        Ok(keys) => Arc::new(keys),
        Err(wrong) => {
            checker.wrong("affinity.keys", wrong.to_string());
            return control::Config::default();
        }
    };
    let settings = clusters
        .iter()
        .filter_map(|cluster| settings(affinity, cluster, &keys));
    let clusters = settings.collect();
    let mut table = Vec::new();
    for (index, shape) in routes.iter().enumerate() {
        match route(shape) {
            Ok(route) => table.push(route),
            Err(wrong) => checker.wrong(&format!("routes[{index}].path"), wrong),
        }
    }
    let router = Router::new(table).unwrap_or_else(|wrong| {
        checker.wrong("routes", wrong.to_string());
        Router::default()
    });
    control::Config { router, clusters }
}

fn settings(
    affinity: &Affinity,
    cluster: &Cluster,
    keys: &Arc<Keyring>,
) -> Option<ClusterSettings> {
    let percent = |number: u8| Percent::new(number).unwrap_or_default();
    let eject = cluster.eject;
    Some(ClusterSettings {
        name: ClusterName::parse(&cluster.name).ok()?,
        balance: match cluster.balance {
            super::Balance::LeastSessions => Balance::LeastSessions,
            super::Balance::RoundRobin => Balance::RoundRobin,
            super::Balance::Random => Balance::Random,
            super::Balance::Rendezvous => Balance::Rendezvous,
        },
        slow_start: cluster.slow_start,
        sessions_max: cluster
            .sessions_max
            .map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        fail_open: percent(cluster.fail_open_percent),
        probes: cluster.probes.clone(),
        eject: (eject.failures > 0).then(|| EjectSettings {
            failures: eject.failures,
            base: eject.base,
            max: eject.max,
            share: percent(eject.share_percent),
        }),
        drain: DrainSettings {
            rate: cluster.drain.rate,
            deadline: cluster.drain.deadline,
        },
        handoff: handoff(cluster),
        affinity: Some(policy(affinity, cluster, keys)),
        expose_endpoint: cluster.expose_endpoint,
    })
}

fn handoff(cluster: &Cluster) -> HandoffSettings {
    let handoff = cluster.handoff;
    HandoffSettings {
        contract: match handoff.contract {
            super::HandoffContract::Required => Contract::Required,
            super::HandoffContract::Auto => Contract::Auto,
            super::HandoffContract::Off => Contract::Off,
        },
        deadline: handoff.deadline,
        close_timeout: handoff.close_timeout,
        hold: handoff.hold,
        dials: handoff.dials,
        message_buffer: handoff.message_buffer,
        unaccepted_buffer: handoff.unaccepted_buffer,
    }
}

fn policy(affinity: &Affinity, cluster: &Cluster, keys: &Arc<Keyring>) -> AffinityPolicy {
    AffinityPolicy {
        source: match &cluster.affinity_by {
            None => Source::Cookie,
            Some(AffinityBy::Header(name)) => Source::Field(name.clone()),
            Some(AffinityBy::Query(name)) => Source::Query(name.clone()),
            Some(AffinityBy::Cookie(name)) => Source::AppCookie(name.clone()),
            Some(AffinityBy::Subject) => Source::Subject,
        },
        idle: Some(affinity.idle),
        absolute: affinity.absolute,
        keys: keys.clone(),
        cookie: CookieSettings {
            cross_site: cluster.cookie_cross_site.clone(),
            same_site: match affinity.same_site {
                super::SameSite::Strict => holdfast_core::affinity::SameSite::Strict,
                super::SameSite::Lax => holdfast_core::affinity::SameSite::Lax,
                super::SameSite::None => holdfast_core::affinity::SameSite::None,
            },
            secure: match affinity.secure {
                None => Secure::Auto,
                Some(true) => Secure::Always,
                Some(false) => Secure::Never,
            },
            http_only: affinity.http_only,
            domain: affinity.domain.clone(),
            path: affinity.path.clone(),
            ..CookieSettings::new(&cluster.cookie)
        },
    }
}

fn route(shape: &Route) -> Result<route::Route, String> {
    let path = PathPrefix::parse(&shape.path).map_err(|wrong| wrong.to_string())?;
    let cluster = ClusterName::parse(&shape.cluster).map_err(|wrong| wrong.to_string())?;
    let fields = shape.headers.iter().map(|(name, value)| FieldMatch {
        name: name.clone(),
        value: FieldValue::Exact(value.clone()),
    });
    Ok(route::Route {
        name: RouteName::new(&shape.name),
        matches: Match {
            host: shape
                .host
                .as_deref()
                .map_or(HostMatch::Any, HostMatch::parse),
            path,
            methods: shape.methods.clone(),
            fields: fields.collect(),
        },
        cluster,
        relay: match shape.relay {
            super::RelayKind::Auto => None,
            super::RelayKind::Http => Some(Relay::Http),
            super::RelayKind::WebSocket => Some(Relay::WebSocket),
            super::RelayKind::Sse => Some(Relay::Sse),
            super::RelayKind::Grpc => Some(Relay::Grpc),
        },
        affinity: shape.affinity,
        identity: match shape.identity {
            super::IdentityNeed::Required => route::Identity::Required,
            super::IdentityNeed::Optional => route::Identity::Optional,
            super::IdentityNeed::Off => route::Identity::Off,
        },
    })
}
