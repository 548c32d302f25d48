//! Sessions that change hands, by gRPC: answering other backends, and asking them.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_proto::error::Code;
use holdfast_proto::session::v1::handoff_client::HandoffClient;
use holdfast_proto::session::v1::handoff_server;
use holdfast_proto::session::v1::{ReleaseOutcome, ReleaseRequest, ReleaseResponse};
use holdfast_session::id::Incarnation;
use holdfast_session::ownership::Owner;
use parking_lot::Mutex;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::{Service, is_backend};
use crate::clock::{self, Instant};
use crate::config::SecretBytes;
use crate::failure::Failure;
use crate::handoff::{Handoff, ReleaseAsk, Released, Unreachable};
use crate::identity::CLUSTER_KEY;

#[tonic::async_trait]
impl handoff_server::Handoff for Service {
    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseResponse>, Status> {
        if !is_backend(&request) {
            let detail = "only backends that know the cluster's key may ask for a session";
            return Err(Failure::new(Code::Forbidden, detail).into());
        }
        let request = request.into_inner();
        let ask = ReleaseAsk {
            session: parsed("session_id", &request.session_id)?,
            to: parsed("to_endpoint", &request.to_endpoint)?,
            to_incarnation: parsed("to_incarnation", &request.to_incarnation)?,
            generation: request.generation,
        };
        let (outcome, generation, retry_after) = match self.0.sessions.release(&ask).await {
            Released::Released { generation } => (ReleaseOutcome::Released, generation, None),
            Released::Held {
                generation,
                retry_after,
            } => (ReleaseOutcome::Held, generation, Some(retry_after)),
            Released::NotOwner { generation } => (ReleaseOutcome::NotOwner, generation, None),
        };
        let wait = retry_after.unwrap_or_default().as_millis();
        Ok(Response::new(ReleaseResponse {
            outcome: outcome.into(),
            generation,
            retry_after_ms: u32::try_from(wait).unwrap_or(u32::MAX),
        }))
    }
}

/// Asks other backends for sessions. A connection is made for each ask: they are rare, and an
/// address that a pod has left must not be remembered.
pub struct Handoffs {
    key: Option<MetadataValue<Ascii>>,
    dead: Dead,
}

impl Handoffs {
    /// Shows the cluster's key with every ask.
    pub fn new(key: Option<&SecretBytes>) -> Self {
        let text = key.map(SecretBytes::hex);
        Self {
            key: text.and_then(|text| text.parse().ok()),
            dead: Dead::default(),
        }
    }

    async fn ask(&self, owner: &Owner, ask: &ReleaseAsk) -> Result<ReleaseResponse, String> {
        let endpoint = Endpoint::from_shared(format!("http://{}", owner.address));
        let endpoint = endpoint
            .map_err(|error| error.to_string())?
            .connect_timeout(CONNECT);
        let channel = endpoint.connect().await.map_err(|error| {
            if is_refused(&error) {
                self.dead.note(owner.incarnation, clock::now());
            }
            chain(&error)
        })?;
        let mut request = Request::new(ReleaseRequest {
            session_id: ask.session.to_string(),
            to_endpoint: ask.to.to_string(),
            to_incarnation: ask.to_incarnation.to_string(),
            generation: ask.generation,
        });
        if let Some(key) = &self.key {
            request.metadata_mut().insert(CLUSTER_KEY, key.clone());
        }
        let answer = HandoffClient::new(channel).release(request).await;
        answer
            .map(Response::into_inner)
            .map_err(|status| status.to_string())
    }
}

#[async_trait]
impl Handoff for Handoffs {
    async fn release(&self, owner: &Owner, ask: &ReleaseAsk) -> Result<Released, Unreachable> {
        let unreachable = |reason: String| Unreachable {
            address: owner.address.clone(),
            reason,
        };
        if self.dead.knows(owner.incarnation, clock::now()) {
            return Err(unreachable("its process refused connections".into()));
        }
        let asked = timeout(IN_ALL, self.ask(owner, ask)).await;
        let asked = asked.unwrap_or_else(|_| Err("no answer within 1 s".to_owned()));
        let answer = asked.map_err(unreachable)?;
        let generation = answer.generation;
        match answer.outcome() {
            ReleaseOutcome::Released => Ok(Released::Released { generation }),
            ReleaseOutcome::Held => Ok(Released::Held {
                generation,
                retry_after: Duration::from_millis(answer.retry_after_ms.into()),
            }),
            ReleaseOutcome::NotOwner => Ok(Released::NotOwner { generation }),
            ReleaseOutcome::Unspecified => Err(unreachable("an answer of another version".into())),
        }
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, Failure> {
    let wrong = |error| Failure::bad_request(format!("{name} {text:?}: {error}"));
    text.parse().map_err(wrong)
}

/// Processes that refused connections a moment ago. After a crash hundreds of sessions are wanted
/// from the same one, and a process that does not listen any more never does again: who comes back
/// at its address is another incarnation.
#[derive(Debug, Default)]
struct Dead(Mutex<HashMap<Incarnation, Instant>>);

impl Dead {
    fn note(&self, incarnation: Incarnation, now: Instant) {
        let mut known = self.0.lock();
        known.retain(|_, since| now.duration_since(*since) < DEAD_FOR);
        known.insert(incarnation, now);
    }

    fn knows(&self, incarnation: Incarnation, now: Instant) -> bool {
        let known = self.0.lock();
        let since = known.get(&incarnation);
        since.is_some_and(|since| now.duration_since(*since) < DEAD_FOR)
    }
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Asked again after this, should it have been a passing thing.
const DEAD_FOR: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_millis(250);
const IN_ALL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_refused_connections_is_not_asked_again_for_a_while() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let owner = Owner {
            endpoint: "a".parse().expect("a name"),
            incarnation: Incarnation::new(1),
            address,
        };
        let ask = ReleaseAsk {
            session: holdfast_session::id::SessionId::new(1),
            to: "b".parse().expect("a name"),
            to_incarnation: Incarnation::new(2),
            generation: 1,
        };
        let handoffs = Handoffs::new(None);
        let first = handoffs.release(&owner, &ask).await.expect_err("nobody");
        assert!(first.reason.contains("refused"), "{first:?}");
        let now = clock::now();
        assert!(handoffs.dead.knows(owner.incarnation, now));
        assert!(!handoffs.dead.knows(Incarnation::new(3), now), "another");
        assert!(!handoffs.dead.knows(owner.incarnation, now + DEAD_FOR));
        let second = handoffs.release(&owner, &ask).await.expect_err("nobody");
        assert!(second.reason.contains("its process refused"), "{second:?}");
    }
}
