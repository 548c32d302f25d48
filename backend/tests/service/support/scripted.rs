//! What a front asks, answered by a test in the place of an exchange: for moments that a real one
//! cannot be held at, such as between a command and the look at what it led to.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_proto::exchange::v1::ask_response::Answer;
use holdfast_proto::exchange::v1::fronts_server::{Fronts, FrontsServer};
use holdfast_proto::exchange::v1::refused::Why;
use holdfast_proto::exchange::v1::{
    AskRequest, AskResponse, AttachRequest, AttachResponse, NotNow, Problem, Refused,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Answers each question, which is given as the one name and value of its JSON.
type Script = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// An exchange that answers by a script.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Script>,
    /// The names of what was asked and who asked, but for whether it answers at all.
    asked: Arc<Mutex<Vec<(String, SocketAddr)>>>,
}

impl Scripted {
    /// Starts one on a port of its own.
    pub(crate) async fn start(
        script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static,
    ) -> (Self, SocketAddr) {
        let scripted = Self {
            script: Arc::new(script),
            asked: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Server::builder().add_service(FrontsServer::new(scripted.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (scripted, address)
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked_by().into_iter().map(|(name, _)| name).collect()
    }

    /// The same, and the other end of the connection over which it was asked.
    pub(crate) fn asked_by(&self) -> Vec<(String, SocketAddr)> {
        std::mem::take(&mut self.asked.lock())
    }
}

#[tonic::async_trait]
impl Fronts for Scripted {
    type AttachStream = ReceiverStream<Result<AttachResponse, Status>>;

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskResponse>, Status> {
        let question: Value = serde_json::from_str(&request.get_ref().question_json)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let named = question.as_object().and_then(|named| named.iter().next());
        let (name, value) = named.ok_or_else(|| Status::invalid_argument("names nothing"))?;
        let answer = match name.as_str() {
            "endpoint" => Answer::ViewJson("\"x\"".into()),
            name => {
                let peer = request.remote_addr().expect("a connection");
                self.asked.lock().push((name.to_owned(), peer));
                (self.script)(name, value)
            }
        };
        let answer = Some(answer);
        Ok(Response::new(AskResponse { answer }))
    }

    async fn attach(
        &self,
        _: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("questions only"))
    }
}

/// Not processed.
pub(crate) fn not_now() -> Answer {
    let problem = Problem {
        code: "unavailable".into(),
        message: "the session is changing hands".into(),
        retryable: true,
    };
    Answer::Refused(Refused {
        why: Some(Why::NotNow(NotNow {
            problem: Some(problem),
            retry_after_ms: 1_000,
        })),
    })
}
