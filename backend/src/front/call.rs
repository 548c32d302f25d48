//! How a front reaches other backends: their gRPC, the headers of each request, the time each may
//! take, and what its failing means.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use holdfast_proto::error::{CODE_KEY, Code};
use holdfast_proto::exchange::v1::AskRequest;
use holdfast_proto::exchange::v1::ask_response::Answer;
use holdfast_proto::exchange::v1::fronts_client::FrontsClient;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use super::route::Route;
use super::{Front, wire};
use crate::identity::CLUSTER_KEY;
use crate::sessions::{Ask, Refusal};

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was not processed.
    Unreached(String),
    /// Nobody knows whether it was.
    Unknown(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreached(why) | Self::Unknown(why)) = self;
        f.write_str(why)
    }
}

impl Front {
    /// Asks once, where the route leads.
    pub(super) async fn put(
        &self,
        route: &Route,
        ask: &Ask,
        question: &str,
    ) -> Result<Result<String, Refusal>, Lost> {
        let address = route.address(&self.inner.home);
        let message = AskRequest {
            question_json: question.to_owned(),
        };
        let request = self.request(route, ask, message)?;
        let channel = self.inner.channels.lock().get(address, Instant::now())?;
        let asked = async {
            FrontsClient::new(channel)
                .max_decoding_message_size(ANSWER_MAX)
                .ask(request)
                .await
        };
        let answered = match timeout(ANSWERED, asked).await {
            Ok(answered) => answered.map_err(|status| lost(address, &status)),
            Err(_) => Err(Lost::Unknown(format!(
                "{address}: no answer within {ANSWERED:?}"
            ))),
        };
        let answered = answered.inspect_err(|_| self.inner.forget(address))?;
        match answered.into_inner().answer {
            Some(Answer::ViewJson(view)) => Ok(Ok(view)),
            Some(Answer::Refused(refused)) => {
                wire::refusal(refused).map(Err).ok_or_else(other_version)
            }
            None => Err(other_version()),
        }
    }

    /// A message with who asks in its metadata, and whom not to wait for.
    pub(super) fn request<T>(
        &self,
        route: &Route,
        ask: &Ask,
        message: T,
    ) -> Result<Request<T>, Lost> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(key) = &self.inner.key {
            metadata.insert(CLUSTER_KEY, key.clone());
        }
        if let Some(subject) = &ask.subject {
            // never asked without it: that would be somebody else's question
            metadata.insert("holdfast-subject", value(subject)?);
        }
        if !route.gone().is_empty() {
            let names: Vec<&str> = route.gone().iter().map(|name| name.as_str()).collect();
            metadata.insert("holdfast-moved-from", value(&names.join(", "))?);
        }
        Ok(request)
    }
}

fn value(text: &str) -> Result<MetadataValue<Ascii>, Lost> {
    text.parse()
        .map_err(|_| Lost::Unreached("a name is not plain text".to_owned()))
}

/// What a failed call means.
pub(super) fn lost(address: &str, status: &Status) -> Lost {
    let why = format!("{address}: {}", chain(status));
    let code = status.metadata().get(CODE_KEY);
    let told = code.and_then(|code| code.to_str().ok());
    // a handler that tells its code has processed nothing, unless it ran out of time
    let refused = told.is_some_and(|code| code != Code::Timeout.as_str());
    match refused || never_sent(status) || status.code() == tonic::Code::Unimplemented {
        true => Lost::Unreached(why),
        false => Lost::Unknown(why),
    }
}

pub(super) fn other_version() -> Lost {
    Lost::Unknown("an answer of another version".to_owned())
}

/// Whether the request cannot have left this process.
fn never_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let canceled = error.downcast_ref::<hyper::Error>();
        let canceled = canceled.is_some_and(hyper::Error::is_canceled);
        if canceled || error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Above the 5 s that a session may take, so that its own word comes first.
const ANSWERED: Duration = Duration::from_secs(7);
/// Bytes of one answer: a page of the log is the longest.
const ANSWER_MAX: usize = 64 << 20;
