//! The request as the endpoint sees it: what is added, replaced and removed on the way.

use std::net::IpAddr;

use holdfast_core::cluster::Contract;
use holdfast_core::{Cluster, EndpointId};
use holdfast_wire::cookie;
use http::header::{self, HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::RequestHeader;

use super::affinity::Cookies;
use super::answer::REQUEST_ID;
use crate::identity::Subject;
use crate::upstream::sanitize::remove_contract_fields;

/// What the edge tells the endpoint about a request.
pub(super) struct Onward<'a> {
    /// The cluster it goes to.
    pub cluster: &'a Cluster,
    /// The client.
    pub client: IpAddr,
    /// Did it come over TLS?
    pub secure: bool,
    /// Are the forwarding fields it brought believed?
    pub trusted: bool,
    /// The request id.
    pub request_id: &'a HeaderValue,
    /// The verified user.
    pub subject: Option<&'a Subject>,
    /// By what the endpoint knows us.
    pub cluster_key: Option<HeaderValue>,
}

impl Onward<'_> {
    /// Dress a head that has been sanitized of hop-by-hop fields.
    pub(super) fn dress(&self, head: &mut RequestHeader, cookies: &Cookies) -> Result<()> {
        remove_contract_fields(head);
        self.forwarding(head)?;
        head.insert_header(REQUEST_ID, self.request_id)?;
        self.cookies(head, cookies)?;
        if let Some(subject) = self.subject {
            head.insert_header(SUBJECT, subject.as_str())?;
        }
        let opaque = self.cluster.settings.handoff.contract == Contract::Off;
        if let Some(key) = self.cluster_key.as_ref().filter(|_| !opaque) {
            head.insert_header(CLUSTER_KEY, key)?;
        }
        Ok(())
    }

    /// What an untrusted client says about itself is replaced, never extended.
    fn forwarding(&self, head: &mut RequestHeader) -> Result<()> {
        let client = self.client.to_string();
        let before = head.headers.get_all(FORWARDED_FOR).iter();
        let mut chain = String::new();
        if self.trusted {
            for hop in before.filter_map(|value| value.to_str().ok()) {
                chain.push_str(hop);
                chain.push_str(", ");
            }
        }
        chain.push_str(&client);
        head.insert_header(FORWARDED_FOR, chain)?;
        if !self.trusted || !head.headers.contains_key(FORWARDED_PROTO) {
            head.insert_header(FORWARDED_PROTO, if self.secure { "https" } else { "http" })?;
        }
        if !self.trusted || !head.headers.contains_key(FORWARDED_HOST) {
            let host = match head.uri.authority() {
                Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
                None => head.headers.get(header::HOST).cloned(),
            };
            match host {
                Some(host) => head.insert_header(FORWARDED_HOST, host)?,
                None => drop(head.remove_header(&FORWARDED_HOST)),
            }
        }
        for field in [header::FORWARDED, REAL_IP] {
            head.remove_header(&field);
        }
        Ok(())
    }

    /// The application never sees the affinity cookie, nor the user's token.
    fn cookies(&self, head: &mut RequestHeader, cookies: &Cookies) -> Result<()> {
        for name in cookies.names(self.cluster.name()) {
            let fields = || {
                head.headers
                    .get_all(header::COOKIE)
                    .iter()
                    .map(|v| v.as_bytes())
            };
            if cookie::values(fields(), name).next().is_none() {
                continue;
            }
            let kept: Vec<HeaderValue> = fields()
                .filter_map(|field| HeaderValue::from_bytes(&cookie::without(field, name)?).ok())
                .collect();
            head.remove_header(&header::COOKIE);
            for field in kept {
                head.append_header(header::COOKIE, field)?;
            }
        }
        Ok(())
    }
}

/// The value of `Holdfast-Moved-From`; `None` when nobody is named.
pub(super) fn moved_from(endpoints: &[EndpointId]) -> Option<HeaderValue> {
    let mut names = endpoints.iter().map(EndpointId::as_str);
    let mut text = names.next()?.to_owned();
    for name in names {
        text.push_str(", ");
        text.push_str(name);
    }
    HeaderValue::try_from(text).ok()
}

/// Endpoints that are not admitted for a request.
pub(super) const MOVED_FROM: HeaderName = HeaderName::from_static("holdfast-moved-from");

const SUBJECT: HeaderName = HeaderName::from_static("holdfast-subject");
const CLUSTER_KEY: HeaderName = HeaderName::from_static("holdfast-cluster-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
