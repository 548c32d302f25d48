//! The YAML shape of affinity: the cookie, its keys, and what stands in for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::config::unit::Span;

/// The cookie that brings a client back to its endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    /// Its name; further clusters get `<cookie>-<cluster>`.
    pub cookie: String,
    /// A client that stays away for so long starts anew.
    pub idle: Span,
    /// A cookie ends so long after it was first given, however busy the client. Default: never.
    pub absolute: Option<Span>,
    /// 32 bytes as 64 hex digits each. The first seals, all open, so keys can be changed.
    pub keys: Vec<Secret>,
    /// When a browser sends it along from other sites.
    pub same_site: SameSite,
    /// Only over TLS. Default: where the client itself came over TLS.
    pub secure: Option<bool>,
    /// Out of reach for scripts of the page.
    pub http_only: bool,
    /// The domain it is valid for. Default: the host that set it, and no other.
    pub domain: Option<String>,
    /// The path it is valid under.
    pub path: String,
    /// A second cookie with the same value for pages that are framed by, or call from, other
    /// sites. Browsers take it over TLS alone.
    pub cross_site: Option<CrossSite>,
}

impl Default for Affinity {
    fn default() -> Self {
        Self {
            cookie: "holdfast".to_owned(),
            idle: Span::seconds(86_400),
            absolute: None,
            keys: Vec::new(),
            same_site: SameSite::Lax,
            secure: None,
            http_only: true,
            domain: None,
            path: "/".to_owned(),
            cross_site: None,
        }
    }
}

/// The cookie's twin for cross-site use: `SameSite=None; Secure`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossSite {
    /// Its name.
    pub cookie: String,
    /// Bind it to the site that frames the page (the attribute `Partitioned`).
    #[serde(default)]
    pub partitioned: bool,
}

/// The attribute of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// Never from other sites, not even when a link is followed.
    Strict,
    /// When a link is followed.
    #[default]
    Lax,
    /// Always; needs `secure: true`.
    None,
}

/// What names the client where there is no cookie of ours. Exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AffinityBy {
    /// The value of this request header.
    pub header: Option<String>,
    /// The value of this query parameter.
    pub query: Option<String>,
    /// The value of this cookie of the application.
    pub cookie: Option<String>,
    /// The token's subject: all devices of a user come to one endpoint.
    pub subject: Option<bool>,
}
