//! One connection's requests, one after the other, through Pingora's HTTP proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;

use super::gate::{Gate, Refusal};
use crate::access_log::Ending;
use crate::edge::Edge;
use crate::limits::Refused;

/// What carries the requests of connections; cheap to clone.
#[derive(Clone)]
pub struct Http {
    /// Pingora's proxy with our edge inside.
    pub proxy: Arc<HttpProxy<Edge>>,
    /// True once this process leaves: connections are not kept after their request.
    pub leaving: ShutdownWatch,
    /// Seconds a connection is kept without a request.
    pub keepalive: u64,
    /// Requests on one connection.
    pub requests_max: Option<u32>,
    /// For what happens before and between requests.
    pub edge: Edge,
}

impl Http {
    /// HTTP/1.1, request after request.
    pub(super) async fn http1(&self, stream: Stream, gate: Arc<Gate>) {
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive((!*self.leaving.borrow()).then_some(self.keepalive));
        session.set_keepalive_reuses_remaining(self.requests_max);
        loop {
            session.set_connection_user_context(Some(Box::new(gate.clone())));
            let served = self.proxy.process_new_http(session, &self.leaving).await;
            let Some((stream, settings)) = served.map(|served| served.consume()) else {
                break;
            };
            gate.idle();
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        self.account(&gate);
    }

    /// HTTP/2: Pingora serves the streams side by side.
    pub(super) async fn http2(&self, stream: Stream) {
        self.proxy.process_new(stream, &self.leaving).await;
    }

    /// A connection that was not let in.
    pub(super) fn refused(&self, client: SocketAddr, refused: Refused) {
        let ending = match refused {
            Refused::Address => Ending::ConnectionsPerAddress,
            Refused::All => Ending::Connections,
        };
        self.edge.turned_away(client, None, ending);
    }

    /// A head that never became a request is an exchange too.
    fn account(&self, gate: &Gate) {
        let (status, ending) = match gate.refusal() {
            Some(Refusal::HeadTime) => (408, Ending::HeadTimeout),
            Some(Refusal::HeadSize) => (431, Ending::HeadTooLarge),
            Some(Refusal::Malformed) => (400, Ending::Malformed),
            Some(Refusal::Tunnel) => (405, Ending::Edge),
            Some(Refusal::Silent | Refusal::BodyTime) | None => return,
        };
        self.edge.turned_away(gate.client, Some(status), ending);
    }
}
