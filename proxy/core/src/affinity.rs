//! Which endpoint does this client claim, and do we believe it?
//!
//! A client's [`Claim`] travels in a sealed cookie ([`seal`]): it says where the client's
//! state is, never who the client is. Ages are enforced here and not left to the browser.
//! Clients without cookies can be kept by the value of a header field, a query parameter or
//! their token's subject: then the place follows from the value alone.

pub mod seal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use seal::Keyring;

use crate::cluster::{ClusterName, EndpointId};
use crate::route::Fields;
use crate::time::WallTime;

/// How the clients of a cluster are kept at their endpoint.
#[derive(Clone, Debug)]
pub struct AffinityPolicy {
    /// What the client shows.
    pub source: Source,
    /// A claim not used for so long ends; `None`: never for that reason.
    pub idle: Option<Duration>,
    /// A claim so long after it was first made ends; `None`: never for that reason.
    pub absolute: Option<Duration>,
    /// What seals and opens claims.
    pub keys: Arc<Keyring>,
    /// How the cookie is set.
    pub cookie: CookieSettings,
}

/// What a client shows to be brought back to its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Our own cookie.
    Cookie,
    /// Our own cookie; a client that has none yet is placed by the application's cookie of
    /// this name, so that whoever shares an application session starts at the same place.
    AppCookie(String),
    /// A header field of this name, lower case.
    Field(String),
    /// A query parameter of this name.
    Query(String),
    /// The subject of the client's verified token.
    Subject,
}

/// The attributes of the affinity cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSettings {
    /// Its name.
    pub name: String,
    /// Name of a second cookie of the same value with `SameSite=None; Secure`, for pages of
    /// other sites that embed ours.
    pub cross_site: Option<String>,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Secure`.
    pub secure: Secure,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `Domain`; `None`: this host alone.
    pub domain: Option<String>,
    /// `Path`.
    pub path: String,
}

impl CookieSettings {
    /// The defaults under this name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cross_site: None,
            same_site: SameSite::Lax,
            secure: Secure::Auto,
            http_only: true,
            domain: None,
            path: "/".to_owned(),
        }
    }
}

/// Which requests of other sites bring the cookie (RFC 6265bis 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Those that follow a link.
    Lax,
    /// All.
    None,
}

/// Whether the cookie comes back over TLS alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secure {
    /// If the client came over TLS.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// 128 bits that place a client: connections of one key go to one endpoint, on every proxy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AffinityKey(u128);

impl AffinityKey {
    /// The key of these bits, random or out of a cookie.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The key of a value that a client of `cluster` shows; the same on every proxy.
    pub fn of_value(cluster: &ClusterName, value: &str) -> Self {
        let text = [cluster.as_str().as_bytes(), b"\0", value.as_bytes()].concat();
        let mut bits = [0; 16];
        bits.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
        Self(u128::from_be_bytes(bits))
    }
}

impl fmt::Debug for AffinityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where its connections go together.
    pub key: AffinityKey,
    /// Where its state is.
    pub endpoint: EndpointId,
    /// When it was first made.
    pub issued: WallTime,
    /// When it was last renewed.
    pub seen: WallTime,
}

/// What became of a client's claim; the label of `holdfast_affinity_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AffinityVerdict {
    /// It showed nothing.
    None,
    /// Believed, and its endpoint admits it.
    Valid,
    /// Ours, but too old.
    Expired,
    /// Not ours: forged, damaged, of another cluster or sealed with a key we do not have.
    Invalid,
    /// Believed, but its endpoint is gone or does not admit it.
    Down,
}

impl AffinityVerdict {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Valid,
        Self::Expired,
        Self::Invalid,
        Self::Down,
    ];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Down => "down",
        }
    }
}

/// What a client shows, read and judged by its age; whether its endpoint admits it is for
/// [`decide`](mod@crate::decide) to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// A value that places it; our cookie may come with it later.
    Value(AffinityKey),
    /// A claim of good age.
    Claim(Claim),
    /// A claim that is too old: not followed, but where it pointed is known.
    Expired(Claim),
    /// Something that is not ours.
    Garbage,
}

impl AffinityPolicy {
    /// Reads what the client shows.
    pub fn read(
        &self,
        cluster: &ClusterName,
        query: &str,
        subject: Option<&str>,
        fields: &dyn Fields,
        wall: WallTime,
    ) -> Shown {
        let value = |text: Option<&str>| match text {
            Some(text) if !text.is_empty() => Shown::Value(AffinityKey::of_value(cluster, text)),
            _ => Shown::Nothing,
        };
        match &self.source {
            Source::Field(name) => value(fields.field(name)),
            Source::Query(name) => value(parameter(query, name)),
            Source::Subject => value(subject),
            Source::Cookie => self.read_cookie(cluster, fields, wall),
            Source::AppCookie(name) => match self.read_cookie(cluster, fields, wall) {
                Shown::Claim(claim) => Shown::Claim(claim),
                shown => {
                    let mut place = None;
                    fields.cookies(name, &mut |text| {
                        place = Some(value(Some(text)));
                        true
                    });
                    place
                        .filter(|place| *place != Shown::Nothing)
                        .unwrap_or(shown)
                }
            },
        }
    }

    /// Whether clients get our cookie.
    pub fn sets_cookie(&self) -> bool {
        matches!(self.source, Source::Cookie | Source::AppCookie(_))
    }

    /// The claim as it should be sent again, if it was last sent so long ago that its idle
    /// age would suffer: more than a tenth of it.
    pub fn renewed(&self, claim: &Claim, wall: WallTime) -> Option<Claim> {
        let idle = self.idle?;
        let due = wall.since(claim.seen) > idle / 10;
        due.then(|| Claim {
            seen: wall,
            ..claim.clone()
        })
    }

    /// Seconds until the browser may forget the cookie; `None`: at the end of its session.
    pub fn max_age(&self, claim: &Claim, wall: WallTime) -> Option<u64> {
        let left = self
            .absolute
            .map(|age| age.saturating_sub(wall.since(claim.issued)));
        let shorter = match (self.idle, left) {
            (Some(idle), Some(left)) => Some(idle.min(left)),
            (idle, left) => idle.or(left),
        };
        shorter.map(|age| age.as_secs())
    }

    /// Whether a claim of this age is still good.
    fn fresh(&self, claim: &Claim, wall: WallTime) -> bool {
        let within = |limit: Option<Duration>, age: Duration| limit.is_none_or(|max| age <= max);
        within(self.idle, wall.since(claim.seen)) && within(self.absolute, wall.since(claim.issued))
    }

    /// The first good claim among the cookies of our names; for want of one the best of the
    /// rest. Somebody else's cookie of our name must not hide ours (a neighbour's `Domain`).
    fn read_cookie(&self, cluster: &ClusterName, fields: &dyn Fields, wall: WallTime) -> Shown {
        let mut best = Shown::Nothing;
        let mut tried = 0;
        let names = std::iter::once(&self.cookie.name).chain(&self.cookie.cross_site);
        for name in names {
            fields.cookies(name, &mut |text| {
                tried += 1;
                match self.keys.open(cluster, text) {
                    Some(claim) if self.fresh(&claim, wall) => best = Shown::Claim(claim),
                    Some(claim) => best = Shown::Expired(claim),
                    None if best == Shown::Nothing => best = Shown::Garbage,
                    None => {}
                }
                matches!(best, Shown::Claim(_)) || tried >= COOKIES_MAX
            });
            if matches!(best, Shown::Claim(_)) {
                break;
            }
        }
        best
    }
}

/// The first value of a query parameter, as it stands.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Cookies of one name that are tried; more are noise.
const COOKIES_MAX: u32 = 8;

#[cfg(test)]
mod tests;
