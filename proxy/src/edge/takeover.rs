//! Handing a WebSocket or an event stream to its relay, which may outlive its endpoint.

use pingora_core::Result;
use pingora_proxy::Session;

use super::Edge;
use super::answer::{Answer, Code, REQUEST_ID};
use super::credentials::without_ticket;
use super::exchange::Exchange;
use crate::access_log::Ending;
use crate::relay::{Admitted, Relayed};
use crate::upstream::sanitize::sanitize;
use holdfast_core::Relay;

impl Edge {
    pub(super) async fn take_over(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<bool> {
        let admitted = match self.admitted(session, exchange) {
            Ok(admitted) => admitted,
            Err(answer) => {
                self.answer(session, exchange, answer).await?;
                return Ok(true);
            }
        };
        if let Some(gate) = &exchange.gate {
            gate.open();
        }
        let relays = &self.shared.relays;
        let relayed = match exchange.relay() {
            Relay::WebSocket => relays.websocket(session, admitted).await,
            _ => relays.sse(session, admitted).await,
        };
        match relayed? {
            Relayed::Taken => exchange.taken = true,
            Relayed::Answered { status, endpoint } => {
                exchange.answered = Some(status);
                exchange.endpoint = Some(endpoint);
            }
            Relayed::Refused { status, code } => {
                self.shared.telemetry.refused(code);
                exchange.answered = Some(status);
                exchange.refused = Some(code);
            }
        }
        Ok(true)
    }

    /// A plain exchange whose answer turned out to be an event stream is one from its beginning.
    pub(super) async fn become_stream(&self, session: &mut Session, exchange: &mut Exchange) {
        exchange.open = None;
        exchange.endpoint = None;
        if let Some(forward) = &mut exchange.forward {
            forward.relay = Relay::Sse;
        }
        session.set_keepalive(None);
        if self.take_over(session, exchange).await.is_err() {
            exchange.ending.get_or_insert(Ending::ClientGone);
        }
    }

    fn admitted(&self, session: &Session, exchange: &Exchange) -> Result<Admitted, Answer> {
        let internal = |_| Answer::new(Code::Internal, "the edge could not prepare the stream");
        let mut head = session.req_header().clone();
        sanitize(&mut head)
            .map_err(|refused| Answer::new(Code::BadRequest, refused.to_string()))?;
        let missing = || Answer::new(Code::Internal, "the stream has no route");
        let onward = self.onward(exchange).ok_or_else(missing)?;
        onward
            .dress(&mut head, &self.settings().cookies)
            .map_err(internal)?;
        // where no tickets are given, the field is the application's
        if self.settings().identity.is_some() {
            strip_ticket(&mut head);
        }
        let forward = exchange.forward.clone().ok_or_else(missing)?;
        let (edge, mut own) = (self.clone(), forward.clone());
        let (request_id, secure) = (exchange.request_id.clone(), exchange.secure);
        Ok(Admitted {
            forward,
            head,
            fields: Box::new(move |answered| {
                let mut fields = match answered {
                    Some(endpoint) => edge.fields(&mut own, endpoint, secure),
                    None => Vec::new(),
                };
                fields.push((REQUEST_ID, request_id));
                fields
            }),
            client: exchange.client,
            request_id: exchange.request_id.to_str().unwrap_or_default().into(),
            snapshot: exchange.snapshot,
        })
    }
}

fn strip_ticket(head: &mut pingora_http::RequestHeader) {
    let Some(query) = head.uri.query().filter(|query| query.contains("ticket=")) else {
        return;
    };
    let target = match without_ticket(query) {
        query if query.is_empty() => head.uri.path().to_owned(),
        query => format!("{}?{query}", head.uri.path()),
    };
    if let Ok(uri) = target.parse() {
        head.set_uri(uri);
    }
}
