//! The answer as the client sees it.

use holdfast_core::{EndpointId, Forward, WallTime, Why};
use http::header::{self, HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::ResponseHeader;

use super::Edge;
use super::answer::REQUEST_ID;
use super::attempt::is_public;
use super::exchange::Exchange;
use crate::clock;

impl Edge {
    pub(super) fn dress_answer(
        &self,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        remove_contract_fields(head);
        head.insert_header(REQUEST_ID, &exchange.request_id)?;
        let (Some(forward), Some(endpoint)) = (&mut exchange.forward, &exchange.endpoint) else {
            return Ok(());
        };
        // a cookie that is merely renewed can wait for an answer that is the client's alone
        let wait = forward.why == Why::Valid && is_public(head);
        let fields = self.fields(forward, &endpoint.id, exchange.secure);
        for (name, value) in fields
            .into_iter()
            .filter(|(name, _)| !wait || name != SET_COOKIE)
        {
            head.append_header(name, value)?;
        }
        if forward.cluster.settings.expose_endpoint && exchange.attempts > 1 {
            head.insert_header(HOPS, HeaderValue::from(exchange.attempts - 1))?;
        }
        Ok(())
    }

    /// The edge's own fields on the answer of this endpoint.
    pub(super) fn fields(
        &self,
        forward: &mut Forward,
        answered: &EndpointId,
        secure: bool,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let wall = WallTime::from_unix(clock::wall().as_secs());
        let mut fields = Vec::new();
        forward.repin(answered, wall);
        let settings = &forward.cluster.settings;
        if let (Some(policy), Some(claim)) = (&settings.affinity, forward.cookie.to_set()) {
            let cookies = &self.settings().cookies;
            let values = cookies.set(forward.cluster.name(), policy, claim, wall, secure);
            fields.extend(values.into_iter().map(|value| (SET_COOKIE, value)));
        }
        if settings.expose_endpoint
            && let Ok(id) = HeaderValue::from_str(answered.as_str())
        {
            fields.push((ENDPOINT, id));
        }
        fields
    }
}

/// What endpoints say to the edge is not the client's to read.
fn remove_contract_fields(head: &mut ResponseHeader) {
    let ours = |name: &&HeaderName| name.as_str().starts_with("holdfast-");
    while let Some(name) = head.headers.keys().find(ours).cloned() {
        head.remove_header(&name);
    }
}

const SET_COOKIE: HeaderName = header::SET_COOKIE;
/// How many endpoints were asked before the one that answered; absent when it was the first.
const HOPS: HeaderName = HeaderName::from_static("holdfast-hops");
const ENDPOINT: HeaderName = HeaderName::from_static("holdfast-endpoint");
