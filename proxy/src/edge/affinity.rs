//! The affinity cookie as text: the core says what to claim, this writes `Set-Cookie`.

use std::collections::BTreeMap;

use holdfast_core::affinity::{AffinityPolicy, Claim};
use holdfast_core::{ClusterName, WallTime};
use holdfast_wire::cookie::{Attributes, SameSite, SetCookie};
use http::HeaderValue;

use crate::chance;
use crate::config::{self, Config};

/// The cookies of each cluster, ready to be given values.
pub(super) struct Cookies {
    of_clusters: BTreeMap<Box<str>, Templates>,
    /// The user's token, which is the edge's to read: endpoints are told the subject.
    token: Option<String>,
}

struct Templates {
    plain: SetCookie,
    /// The same for clients that came over TLS.
    secure: SetCookie,
    cross_site: Option<SetCookie>,
}

impl Cookies {
    /// Templates of all clusters. The configuration has been checked, so none is refused.
    pub(super) fn new(config: &Config) -> Self {
        let of = |cluster: &config::Cluster| {
            Some((
                cluster.name.as_str().into(),
                Templates::new(&config.affinity, cluster)?,
            ))
        };
        let identity = config.identity.as_ref();
        Self {
            of_clusters: config.clusters.iter().filter_map(of).collect(),
            token: identity.map(|identity| identity.cookie.clone()),
        }
    }

    /// The values of `Set-Cookie` that make a client claim this.
    pub(super) fn set(
        &self,
        cluster: &ClusterName,
        policy: &AffinityPolicy,
        claim: &Claim,
        wall: WallTime,
        secure: bool,
    ) -> Vec<HeaderValue> {
        let Some(templates) = self.of_clusters.get(cluster.as_str()) else {
            return Vec::new();
        };
        let sealed = policy.keys.seal(cluster, claim, chance::bytes());
        let age = policy.max_age(claim, wall);
        let own = if secure {
            &templates.secure
        } else {
            &templates.plain
        };
        let all = std::iter::once(own).chain(&templates.cross_site);
        all.filter_map(|cookie| {
            let mut text = cookie.with_value(&sealed).ok()?;
            if let Some(age) = age {
                text.push_str("; Max-Age=");
                text.push_str(&age.to_string());
            }
            HeaderValue::try_from(text).ok()
        })
        .collect()
    }

    /// The names of the cookies that stay between client and edge: a cluster's own, and the
    /// user's token.
    pub(super) fn names(&self, cluster: &ClusterName) -> impl Iterator<Item = &str> {
        let templates = self.of_clusters.get(cluster.as_str());
        let own = templates.into_iter().flat_map(|templates| {
            let cross_site = templates.cross_site.as_ref().map(SetCookie::name);
            std::iter::once(templates.plain.name()).chain(cross_site)
        });
        own.chain(self.token.as_deref())
    }
}

impl Templates {
    fn new(affinity: &config::Affinity, cluster: &config::Cluster) -> Option<Self> {
        let attributes = |secure: bool| Attributes {
            path: Some(affinity.path.clone()),
            domain: affinity.domain.clone(),
            max_age: None,
            same_site: Some(match affinity.same_site {
                config::SameSite::Strict => SameSite::Strict,
                config::SameSite::Lax => SameSite::Lax,
                config::SameSite::None => SameSite::None,
            }),
            secure,
            http_only: affinity.http_only,
            partitioned: false,
        };
        let twin = Attributes {
            same_site: Some(SameSite::None),
            partitioned: affinity.partitioned,
            ..attributes(true)
        };
        let cookie = |name: &str, attributes: &Attributes| SetCookie::new(name, attributes).ok();
        let cross_site = cluster.cookie_cross_site.as_ref();
        Some(Self {
            plain: cookie(
                &cluster.cookie,
                &attributes(affinity.secure.unwrap_or(false)),
            )?,
            secure: cookie(
                &cluster.cookie,
                &attributes(affinity.secure.unwrap_or(true)),
            )?,
            cross_site: cross_site.and_then(|name| cookie(name, &twin)),
        })
    }
}
