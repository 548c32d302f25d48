//! Where does this request go; where does this connection go next?
//!
//! [`decide`] answers the first question for each request, [`next`] the second whenever a dial
//! failed, was refused or redirected, or a live connection has to leave its endpoint. Both only
//! read the snapshot, so that every proxy that knows the same comes to the same answer.

mod candidates;
mod search;

use std::sync::Arc;

use candidates::{leaving, newcomers};
pub use search::{HOPS_MAX, Next, Search, next};

use crate::affinity::{AffinityKey, AffinityPolicy, AffinityVerdict, Claim, Shown};
use crate::cluster::{Client, Cluster, Endpoint, EndpointId, Open};
use crate::pick;
use crate::route::{Fields, Relay, Route};
use crate::snapshot::Snapshot;
use crate::time::{Instant, WallTime};

/// What a request says of itself, as far as deciding asks.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The host asked for, without port.
    pub host: &'a str,
    /// The path, without query.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: &'a str,
    /// The method.
    pub method: &'a str,
    /// How it asks to be carried.
    pub asks: Relay,
    /// Its header fields and cookies.
    pub fields: &'a dyn Fields,
    /// The subject of its verified token, if it has one.
    pub subject: Option<&'a str>,
    /// The time of day, for the age of its cookie.
    pub wall: WallTime,
}

/// A random number, made anew by the caller for each decision.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u128);

impl Draw {
    /// 128 random bits; they become the affinity key of a new client.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    const fn key(self) -> AffinityKey {
        AffinityKey::from_bits(self.0)
    }

    const fn number(self) -> u64 {
        pick::mix(self.0 as u64 ^ (self.0 >> 64) as u64)
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Send it there.
    Forward(Forward),
    /// Answer it here.
    Reject {
        /// The reason.
        reject: Reject,
        /// The route, if there is one.
        route: Option<Arc<Route>>,
    },
}

/// Where a request goes, and what to do about it.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The route it took.
    pub route: Arc<Route>,
    /// The cluster, as it was known then.
    pub cluster: Arc<Cluster>,
    /// The endpoint, as it was known then.
    pub endpoint: Arc<Endpoint>,
    /// How to carry it.
    pub relay: Relay,
    /// Where its connections go together.
    pub key: AffinityKey,
    /// What to do with its cookie.
    pub cookie: CookieAction,
    /// Goes into the access log as it is.
    pub why: Why,
    /// The endpoint its claim named, wherever it goes now.
    pub claimed: Option<EndpointId>,
    /// For `Holdfast-Moved-From`: the endpoints it named that are not admitted.
    pub moved_from: Vec<EndpointId>,
}

impl Forward {
    /// Counts it at its endpoint until the guard is dropped. To be called once, when it is
    /// really sent there.
    pub fn enter(&self) -> Open {
        if self.cookie.is_new(self.why) {
            self.endpoint.load.place();
        }
        self.endpoint.load.open(self.relay)
    }

    /// Pins its cookie to the endpoint that really answered, after a redirection or a dial
    /// elsewhere.
    pub fn repin(&mut self, answered: &EndpointId, wall: WallTime) {
        let claim = match &self.cookie {
            CookieAction::None => return,
            CookieAction::Keep(claim) | CookieAction::Set(claim) => claim,
        };
        if claim.endpoint != *answered {
            let endpoint = answered.clone();
            self.cookie = CookieAction::Set(Claim {
                endpoint,
                seen: wall,
                ..claim.clone()
            });
        }
    }
}

/// What to do with the client's cookie on the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieAction {
    /// It has none and gets none.
    None,
    /// What it has says this, and is good for a while.
    Keep(Claim),
    /// Seal this and send it.
    Set(Claim),
}

impl CookieAction {
    /// The claim to seal and send, if any.
    pub const fn to_set(&self) -> Option<&Claim> {
        match self {
            Self::Set(claim) => Some(claim),
            Self::None | Self::Keep(_) => None,
        }
    }

    fn is_new(&self, why: Why) -> bool {
        matches!(self, Self::Set(_)) && why != Why::Valid
    }
}

/// Why an endpoint was chosen: the verdict on the client's affinity, or that it was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Affinity is off here.
    Off,
    /// What became of the client's claim.
    Affinity(AffinityVerdict),
}

#[expect(
    non_upper_case_globals,
    reason = "they read as the variants they stand for"
)]
impl Why {
    /// Its claim was followed.
    pub const Valid: Self = Self::Affinity(AffinityVerdict::Valid);
    /// Its endpoint is gone or does not admit it.
    pub const Down: Self = Self::Affinity(AffinityVerdict::Down);

    /// Its name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Affinity(verdict) => verdict.as_str(),
        }
    }
}

/// Why a request is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// No route matches it, or its path has two readings.
    NoRoute,
    /// The cluster has no endpoint that could serve.
    NoEndpoint,
    /// All that could serve are being drained.
    Draining,
    /// All that could serve have all the sessions they may have.
    Full,
}

impl Reject {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::NoRoute, Self::NoEndpoint, Self::Draining, Self::Full];

    /// Its name in metrics, logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::NoEndpoint => "no_endpoint",
            Self::Draining => "draining",
            Self::Full => "full",
        }
    }
}

/// Where does this request go?
pub fn decide(snapshot: &Snapshot, request: &Request<'_>, draw: Draw, now: Instant) -> Verdict {
    let Request {
        host,
        path,
        method,
        fields,
        ..
    } = *request;
    match snapshot.router.route(host, path, method, fields) {
        Some(route) => decide_on(snapshot, route, request, draw, now),
        None => Verdict::Reject {
            reject: Reject::NoRoute,
            route: None,
        },
    }
}

/// The same for a request whose route is known already.
pub fn decide_on(
    snapshot: &Snapshot,
    route: &Arc<Route>,
    request: &Request<'_>,
    draw: Draw,
    now: Instant,
) -> Verdict {
    let Some(cluster) = snapshot.cluster(&route.cluster) else {
        let route = Some(route.clone());
        return Verdict::Reject {
            reject: Reject::NoEndpoint,
            route,
        };
    };
    let policy = cluster
        .settings
        .affinity
        .as_ref()
        .filter(|_| route.affinity);
    let placed = match policy {
        None => place_new(cluster, draw.key(), draw, now).map(|endpoint| Placed {
            endpoint,
            key: draw.key(),
            cookie: CookieAction::None,
            why: Why::Off,
            claimed: None,
            moved_from: Vec::new(),
        }),
        Some(policy) => place(cluster, policy, request, draw, now),
    };
    match placed {
        Ok(placed) => Verdict::Forward(Forward {
            relay: route.relay.unwrap_or(request.asks),
            route: route.clone(),
            cluster: cluster.clone(),
            endpoint: placed.endpoint.clone(),
            key: placed.key,
            cookie: placed.cookie,
            why: placed.why,
            claimed: placed.claimed,
            moved_from: placed.moved_from,
        }),
        Err(reject) => Verdict::Reject {
            reject,
            route: Some(route.clone()),
        },
    }
}

/// A place found in a cluster.
struct Placed<'a> {
    endpoint: &'a Arc<Endpoint>,
    key: AffinityKey,
    cookie: CookieAction,
    why: Why,
    claimed: Option<EndpointId>,
    moved_from: Vec<EndpointId>,
}

/// Finds the place of a client of this cluster by what it shows.
fn place<'a>(
    cluster: &'a Cluster,
    policy: &AffinityPolicy,
    request: &Request<'_>,
    draw: Draw,
    now: Instant,
) -> Result<Placed<'a>, Reject> {
    let Request {
        query,
        subject,
        fields,
        wall,
        ..
    } = *request;
    let shown = policy.read(cluster.name(), query, subject, fields, wall);
    let (verdict, key, lost) = match shown {
        Shown::Claim(claim) => return place_claim(cluster, policy, claim, request.wall),
        Shown::Value(key) if !policy.sets_cookie() => return place_value(cluster, key),
        Shown::Value(key) => {
            let endpoint = newcomers(cluster).by_key(key)?;
            let claim = new_claim(key, endpoint, request.wall);
            return Ok(Placed::new(endpoint, key, claim, AffinityVerdict::None));
        }
        Shown::Nothing => (AffinityVerdict::None, draw.key(), None),
        Shown::Garbage => (AffinityVerdict::Invalid, draw.key(), None),
        Shown::Expired(claim) => (AffinityVerdict::Expired, draw.key(), Some(claim.endpoint)),
    };
    let endpoint = place_new(cluster, key, draw, now)?;
    let claim = new_claim(key, endpoint, request.wall);
    let mut placed = Placed::new(endpoint, key, claim, verdict);
    if !policy.sets_cookie() {
        placed.cookie = CookieAction::None;
    }
    // Not followed any more, but if its state is still there somebody must fetch it.
    placed
        .moved_from
        .extend(lost.filter(|id| *id != endpoint.id && !admits_own(cluster, id)));
    Ok(placed)
}

/// A claim is followed while its endpoint admits it; else it goes where its key says; else,
/// if nobody takes it, it stays for as long as its endpoint can keep it, or asks one that
/// leaves whether it has the session.
fn place_claim<'a>(
    cluster: &'a Cluster,
    policy: &AffinityPolicy,
    claim: Claim,
    wall: WallTime,
) -> Result<Placed<'a>, Reject> {
    let own = cluster.endpoint(&claim.endpoint);
    let stay = |endpoint| {
        let cookie = match policy.renewed(&claim, wall) {
            Some(renewed) => CookieAction::Set(renewed),
            None => CookieAction::Keep(claim.clone()),
        };
        Placed {
            endpoint,
            key: claim.key,
            cookie,
            why: Why::Valid,
            claimed: Some(claim.endpoint.clone()),
            moved_from: Vec::new(),
        }
    };
    if let Some(endpoint) = own.filter(|e| cluster.admits_own(e, claim.key)) {
        return Ok(stay(endpoint));
    }
    let go = |endpoint: &'a Arc<Endpoint>| Placed {
        endpoint,
        key: claim.key,
        cookie: CookieAction::Set(Claim {
            endpoint: endpoint.id.clone(),
            seen: wall,
            ..claim.clone()
        }),
        why: Why::Down,
        moved_from: vec![claim.endpoint.clone()],
        claimed: Some(claim.endpoint.clone()),
    };
    newcomers(cluster)
        .by_key_even_full(claim.key)
        .map(go)
        .or_else(|reject| {
            let open = cluster.failing_open;
            let own = own.filter(|e| e.may_keep(open) || e.may_have(open));
            let other = || leaving(cluster, claim.key).map(go);
            own.map(stay).or_else(other).ok_or(reject)
        })
}

/// A value names a place on its own: its home is the same on every proxy, whoever is up. While
/// the home drains without keeping the contract its clients stay, since a value cannot tell
/// those that were there before from those that were not, and tearing a client from its
/// state is the worse mistake.
fn place_value(cluster: &Cluster, key: AffinityKey) -> Result<Placed<'_>, Reject> {
    let home = pick::rendezvous(cluster.endpoints().iter(), key).ok_or(Reject::NoEndpoint)?;
    let at = |endpoint, why, moved_from| Placed {
        endpoint,
        key,
        cookie: CookieAction::None,
        why,
        claimed: Some(home.id.clone()),
        moved_from,
    };
    if cluster.admits(home, Client::Own) {
        return Ok(at(home, Why::Valid, Vec::new()));
    }
    let open = cluster.failing_open;
    match newcomers(cluster).by_key_even_full(key) {
        Ok(endpoint) => Ok(at(endpoint, Why::Down, vec![home.id.clone()])),
        Err(_) if home.may_keep(open) || home.may_have(open) => {
            Ok(at(home, Why::Valid, Vec::new()))
        }
        Err(reject) => leaving(cluster, key)
            .map(|endpoint| at(endpoint, Why::Down, vec![home.id.clone()]))
            .ok_or(reject),
    }
}

/// A client without a claim goes where the cluster's balance says.
fn place_new(
    cluster: &Cluster,
    key: AffinityKey,
    draw: Draw,
    now: Instant,
) -> Result<&Arc<Endpoint>, Reject> {
    let newcomers = newcomers(cluster);
    let candidates: Vec<_> = newcomers.iter().filter(|e| !e.is_full()).collect();
    let chosen = pick::pick(cluster, &candidates, key, draw.number(), now);
    chosen.ok_or_else(|| newcomers.why_none())
}

impl<'a> Placed<'a> {
    fn new(
        endpoint: &'a Arc<Endpoint>,
        key: AffinityKey,
        claim: Claim,
        verdict: AffinityVerdict,
    ) -> Self {
        Self {
            endpoint,
            key,
            cookie: CookieAction::Set(claim),
            why: Why::Affinity(verdict),
            claimed: None,
            moved_from: Vec::new(),
        }
    }
}

fn new_claim(key: AffinityKey, endpoint: &Endpoint, wall: WallTime) -> Claim {
    Claim {
        key,
        endpoint: endpoint.id.clone(),
        issued: wall,
        seen: wall,
    }
}

fn admits_own(cluster: &Cluster, id: &EndpointId) -> bool {
    cluster
        .endpoint(id)
        .is_some_and(|e| cluster.admits(e, Client::Own))
}

#[cfg(test)]
pub(crate) mod tests;
