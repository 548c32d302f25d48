//! The search for an endpoint that takes a connection or request which already exists.

use std::sync::Arc;

use super::Forward;
use crate::affinity::AffinityKey;
use crate::cluster::{Admin, Client, Cluster, ClusterName, Endpoint, EndpointId, Health};
use crate::pick;
use crate::snapshot::Snapshot;

/// How many `421` are followed in one search.
pub const HOPS_MAX: u8 = 3;

/// What one connection or request learnt while it looks for an endpoint. One search lasts from
/// the loss of an endpoint (or the first dial) until an endpoint takes it.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The endpoint it comes from: of the previous leg, or named by its cookie.
    from: Option<EndpointId>,
    /// Whether it is to leave that endpoint although it may be admitted there.
    leaving: bool,
    /// What was tried, latest last.
    tried: Vec<Tried>,
    /// Whom the last answer named as owner, until it is tried.
    owner: Option<EndpointId>,
    /// It was named as owner although the dial said that it is not admitted: it was asked for
    /// the session and holds on to it, so it is there.
    holds: bool,
    /// Whom the last `421` named.
    named: Option<EndpointId>,
    /// `421` answers followed.
    hops: u8,
    /// Grows when everybody was asked and all are asked again.
    round: u32,
}

#[derive(Clone, Debug)]
struct Tried {
    endpoint: EndpointId,
    /// The dial failed, or nobody knows it: to be named in `Holdfast-Moved-From`.
    dead: bool,
    /// It is said to own the session, and does not take it: whoever is asked next may.
    unable: bool,
    round: u32,
}

/// Where to dial, and what to say there.
#[derive(Clone, Debug)]
pub struct Next {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// For `Holdfast-Moved-From`.
    pub moved_from: Vec<EndpointId>,
    /// Whether it goes back to the endpoint it was to leave, since nobody else takes it.
    pub back: bool,
}

impl Search {
    /// A connection lost its upstream leg at `from`, or `from` ended it: it may be dialled
    /// again, once, while it admits its own clients.
    pub fn lost(from: EndpointId) -> Self {
        Self {
            from: Some(from),
            ..Self::default()
        }
    }

    /// A connection is to leave `from`.
    pub fn leaving(from: EndpointId) -> Self {
        Self {
            from: Some(from),
            leaving: true,
            ..Self::default()
        }
    }

    /// A request was sent where `forward` says; what became of that is told next.
    pub fn of(forward: &Forward) -> Self {
        Self {
            from: forward.claimed.clone(),
            ..Self::default()
        }
    }

    /// The dial failed, or broke before it was answered: `endpoint` is not admitted for this
    /// search any more.
    pub fn dial_failed(&mut self, endpoint: &EndpointId) {
        self.note(endpoint, true);
    }

    /// It answered that it does not take it now (`503`, `429`, another 5xx). An owner that says
    /// so, such as one that the store does not answer, is named from now on: whoever is dialled
    /// next asks it for the session, and it has the last word.
    pub fn refused(&mut self, endpoint: &EndpointId) {
        self.note(endpoint, false);
        let owns = self.named.as_ref() == Some(endpoint);
        let mut tried = self.tried.iter_mut();
        if let Some(tried) = tried.find(|tried| owns && tried.endpoint == *endpoint) {
            tried.unable = true;
        }
    }

    /// `endpoint` answered `421` and named `owner`, to a dial that named `moved_from` as not
    /// admitted. False: one hop too many; give up.
    #[must_use]
    pub fn redirected(
        &mut self,
        endpoint: &EndpointId,
        owner: EndpointId,
        moved_from: &[EndpointId],
    ) -> bool {
        self.note(endpoint, false);
        self.hops += 1;
        self.holds = moved_from.contains(&owner);
        self.named = Some(owner.clone());
        self.owner = Some(owner);
        self.hops <= HOPS_MAX
    }

    /// How many `421` it has followed.
    pub const fn hops(&self) -> u8 {
        self.hops
    }

    /// Everybody was asked and nobody took it. After a pause, ask all again: one may have been
    /// restarted meanwhile.
    pub fn again(&mut self) {
        self.round += 1;
        self.hops = 0;
    }

    fn note(&mut self, endpoint: &EndpointId, dead: bool) {
        let round = self.round;
        match self
            .tried
            .iter_mut()
            .find(|tried| tried.endpoint == *endpoint)
        {
            Some(tried) => {
                *tried = Tried {
                    dead,
                    round,
                    ..tried.clone()
                }
            }
            None => {
                if self.tried.len() == TRIED_MAX {
                    self.tried.remove(0);
                }
                self.tried.push(Tried {
                    endpoint: endpoint.clone(),
                    dead,
                    unable: false,
                    round,
                });
            }
        }
    }

    fn tried_now(&self, id: &EndpointId) -> bool {
        self.tried
            .iter()
            .any(|tried| tried.round == self.round && tried.endpoint == *id)
    }

    /// Whether a dial to it failed in this round: it may be back in the next.
    fn dead(&self, id: &EndpointId) -> bool {
        self.tried
            .iter()
            .any(|tried| tried.dead && tried.round == self.round && tried.endpoint == *id)
    }

    fn unable(&self, id: &EndpointId) -> bool {
        let mut tried = self.tried.iter();
        tried.any(|tried| tried.unable && tried.endpoint == *id)
    }

    /// All endpoints it came across that are not admitted for it, without `target`.
    fn moved_from(
        &self,
        cluster: &Cluster,
        key: AffinityKey,
        target: &EndpointId,
    ) -> Vec<EndpointId> {
        let ids = self
            .from
            .iter()
            .chain(self.tried.iter().map(|tried| &tried.endpoint));
        let mut named: Vec<EndpointId> = Vec::new();
        for id in ids.chain(&self.owner) {
            let admitted = !self.dead(id)
                && !self.unable(id)
                && cluster
                    .endpoint(id)
                    .is_some_and(|e| cluster.admits_own(e, key));
            if !admitted && id != target && !named.contains(id) {
                named.push(id.clone());
            }
        }
        named
    }
}

/// Where does this connection go next? `None`: nobody takes it at this moment; wait a little,
/// then [`Search::again`], until the deadline.
///
/// In this order: the owner that a `421` named, even if it drains; the endpoint it comes from,
/// while that admits it; the one its key says among those that take newcomers, with room
/// first; back to where it comes from, if that can keep it; whoever is only out for what went
/// wrong before; whoever leaves and keeps the contract.
pub fn next(
    snapshot: &Snapshot,
    cluster: &ClusterName,
    key: AffinityKey,
    search: &mut Search,
) -> Option<Next> {
    let cluster = snapshot.cluster(cluster)?;
    let to = |search: &Search, endpoint: &Arc<Endpoint>, back| {
        let moved_from = search.moved_from(cluster, key, &endpoint.id);
        Some(Next {
            endpoint: endpoint.clone(),
            moved_from,
            back,
        })
    };
    if let Some(id) = search.owner.take() {
        // Ejected for what went wrong before: that it owns the session weighs more, and the dial
        // tells. Down by probes it may hang, and is not waited for, unless it has just been heard
        // to hold on to the session: then nobody else can have it.
        let holds = search.holds;
        let ejected = |e: &Endpoint| e.health == Health::Ejected;
        let fit = |e: &Endpoint| cluster.failing_open || e.health.fit() || ejected(e) || holds;
        match cluster.endpoint(&id) {
            Some(owner) if fit(owner) && owner.admin != Admin::Maint && !search.dead(&id) => {
                return to(search, owner, false);
            }
            // It cannot be dialled: from now on it is named until somebody takes over.
            _ => search.note(&id, true),
        }
    }
    let from = search.from.as_ref().and_then(|id| cluster.endpoint(id));
    let from = from.filter(|e| !search.tried_now(&e.id));
    if let Some(own) = from.filter(|e| !search.leaving && cluster.admits_own(e, key)) {
        return to(search, own, false);
    }
    let untried = |e: &&Arc<Endpoint>| {
        let stays = search.leaving && search.from.as_ref() == Some(&e.id);
        cluster.admits(e, Client::New) && !search.tried_now(&e.id) && !stays
    };
    let others = || cluster.endpoints().iter().filter(untried);
    let up = |e: &&Arc<Endpoint>| e.health == Health::Up && !e.is_full();
    let other = pick::rendezvous(others().filter(up), key)
        .or_else(|| pick::rendezvous(others().filter(|e| !e.is_full()), key))
        .or_else(|| pick::rendezvous(others(), key));
    if let Some(endpoint) = other {
        return to(search, endpoint, false);
    }
    if let Some(back) = from.filter(|e| e.may_keep(cluster.failing_open)) {
        return to(search, back, true);
    }
    // One that served badly is better than nobody, and so is one that leaves: it may have the
    // session, and those that leave too do not say whose it is. The dial tells.
    let untried = || {
        let all = cluster.endpoints().iter();
        all.filter(|e| !search.tried_now(&e.id))
    };
    let ejected =
        |e: &&Arc<Endpoint>| e.health == Health::Ejected && e.admin == Admin::Ready && e.weight > 0;
    let last = pick::rendezvous(untried().filter(ejected), key).or_else(|| {
        let leaving = untried().filter(|e| e.may_have(cluster.failing_open));
        pick::rendezvous(leaving, key)
    })?;
    to(search, last, false)
}

/// Endpoints a search remembers; more than any search asks before its deadline.
const TRIED_MAX: usize = 32;
