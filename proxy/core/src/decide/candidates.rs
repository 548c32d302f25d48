//! Who may be chosen: those that take newcomers, and for want of any those that leave.

use std::sync::Arc;

use super::Reject;
use crate::affinity::AffinityKey;
use crate::cluster::{Admin, Client, Cluster, Endpoint, Health};
use crate::pick;

/// The endpoints that take newcomers: those fully up, or for want of any those that are at
/// least not known to be down.
pub(super) fn newcomers(cluster: &Cluster) -> Newcomers<'_> {
    let up = cluster
        .endpoints()
        .iter()
        .any(|e| e.health == Health::Up && cluster.admits(e, Client::New) && !e.is_full());
    Newcomers {
        cluster,
        up_alone: up && !cluster.failing_open,
    }
}

pub(super) struct Newcomers<'a> {
    cluster: &'a Cluster,
    /// Whether those that are not fully up are passed over.
    up_alone: bool,
}

impl<'a> Newcomers<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a Arc<Endpoint>> + use<'a> {
        let Self { cluster, up_alone } = *self;
        cluster.endpoints().iter().filter(move |e| {
            cluster.admits(e, Client::New) && (!up_alone || e.health == Health::Up)
        })
    }

    /// By rendezvous among those with room.
    pub(super) fn by_key(&self, key: AffinityKey) -> Result<&'a Arc<Endpoint>, Reject> {
        pick::rendezvous(self.iter().filter(|e| !e.is_full()), key).ok_or_else(|| self.why_none())
    }

    /// By rendezvous among those with room, or else among all: a session that exists already
    /// is better crowded than lost.
    pub(super) fn by_key_even_full(&self, key: AffinityKey) -> Result<&'a Arc<Endpoint>, Reject> {
        self.by_key(key)
            .or_else(|reject| pick::rendezvous(self.iter(), key).ok_or(reject))
    }

    pub(super) fn why_none(&self) -> Reject {
        let fit = |e: &&Arc<Endpoint>| self.cluster.failing_open || e.health.fit();
        let mut fit = self
            .cluster
            .endpoints()
            .iter()
            .filter(fit)
            .map(|e| e.admin)
            .peekable();
        if self.iter().next().is_some() {
            Reject::Full
        } else if fit.any(|admin| admin == Admin::Drain) {
            Reject::Draining
        } else {
            Reject::NoEndpoint
        }
    }
}

/// Whoever leaves and may have a session that nobody else takes.
pub(super) fn leaving(cluster: &Cluster, key: AffinityKey) -> Option<&Arc<Endpoint>> {
    let all = cluster.endpoints().iter();
    pick::rendezvous(all.filter(|e| e.may_have(cluster.failing_open)), key)
}
