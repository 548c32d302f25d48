//! Endpoints behind a name.
//!
//! A plain name gives addresses (A and AAAA); an endpoint is then known by its address, which a
//! pod that is replaced does not keep. A service name (`_http._tcp.backend.ns.svc`) gives SRV
//! records; an endpoint is then known by the first label of its target, on a headless service
//! the pod's host name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use holdfast_core::EndpointId;
use holdfast_core::control::Member;

use super::Finder;

pub(super) struct Question {
    pub(super) name: String,
    /// Of every endpoint, unless an SRV record says.
    pub(super) port: u16,
    /// The longest time between two questions.
    pub(super) interval: Duration,
    /// Whom to ask; `None`: the system's name servers.
    pub(super) server: Option<SocketAddr>,
}

/// Asks again when the answer is too old: after its TTL, within one second and the interval.
pub(super) async fn watch(finder: &Finder, question: &Question) {
    loop {
        let mut pause = question.interval.min(FAILED_PAUSE);
        // A resolver for each question: its cache would outlive the bounds on the TTL.
        let found = match resolver(question.server) {
            Ok(resolver) => match tokio::time::timeout(ASK_MAX, ask(&resolver, question)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("{}: no answer within {ASK_MAX:?}", question.name)),
            },
            Err(error) => Err(error),
        };
        let found = found.map(|(members, ttl)| {
            pause = ttl.clamp(TTL_MIN, question.interval.max(TTL_MIN));
            members
        });
        if !finder.tell(found).await {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let builder = match server {
        Some(server) => {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        None => TokioResolver::builder_tokio().map_err(|error| error.to_string())?,
    };
    builder.build().map_err(|error| error.to_string())
}

async fn ask(
    resolver: &TokioResolver,
    question: &Question,
) -> Result<(Vec<Member>, Duration), String> {
    let placed = |error: &dyn std::fmt::Display| format!("{}: {error}", question.name);
    let name = question.name.as_str();
    let (mut members, ttl) = if name.starts_with('_') {
        let services = resolver
            .srv_lookup(name)
            .await
            .map_err(|error| placed(&error))?;
        (targets(resolver, &services).await, ttl(&services))
    } else {
        let found = resolver
            .lookup_ip(name)
            .await
            .map_err(|error| placed(&error))?;
        let members = found
            .iter()
            .filter_map(|ip| by_address(ip, question.port))
            .collect();
        (members, ttl(found.as_lookup()))
    };
    members.sort_by(|a: &Member, b| a.id.cmp(&b.id));
    members.dedup_by(|a, b| a.id == b.id);
    members.truncate(MEMBERS_MAX);
    if members.is_empty() {
        return Err(placed(&"the answer names nobody"));
    }
    Ok((members, ttl))
}

/// The endpoints of SRV records, those whose target has an address.
async fn targets(resolver: &TokioResolver, services: &Lookup) -> Vec<Member> {
    let mut members = Vec::new();
    for record in services.answers().iter().take(MEMBERS_MAX) {
        let RData::SRV(service) = &record.data else {
            continue;
        };
        let target = service.target.to_utf8();
        let label = target.split('.').next().unwrap_or_default();
        let Ok(found) = resolver.lookup_ip(target.as_str()).await else {
            continue;
        };
        let (Some(ip), Ok(id)) = (found.iter().next(), EndpointId::parse(label)) else {
            continue;
        };
        let address = SocketAddr::new(ip, service.port);
        // Weight 0 means "small" here (RFC 2782), and is what headless services may give.
        members.push(Member {
            id,
            address,
            weight: u32::from(service.weight).max(1),
        });
    }
    members
}

fn by_address(ip: IpAddr, port: u16) -> Option<Member> {
    let id = EndpointId::parse(&ip.to_string()).ok()?;
    Some(Member {
        id,
        address: SocketAddr::new(ip, port),
        weight: 1,
    })
}

fn ttl(answer: &Lookup) -> Duration {
    let shortest = answer.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(u64::from(shortest.unwrap_or(0)))
}

const TTL_MIN: Duration = Duration::from_secs(1);
pub(super) const FAILED_PAUSE: Duration = Duration::from_secs(2);
/// For all questions of one round.
pub(super) const ASK_MAX: Duration = Duration::from_secs(10);
/// Endpoints of one cluster that are taken from an answer.
const MEMBERS_MAX: usize = 1024;
