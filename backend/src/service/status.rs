//! A failure as a gRPC status, with its code and hints in the metadata.

use holdfast_proto::error::CODE_KEY;
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::failure::{Failure, Hint};

/// What a failure is in gRPC.
pub(crate) fn status(failure: Failure) -> Status {
    let mut status = Status::new(failure.class.grpc_code(), failure.detail);
    let metadata = status.metadata_mut();
    let mut tell = |key: &'static str, value: &str| {
        if let Ok(value) = MetadataValue::try_from(value) {
            metadata.insert(key, value);
        }
    };
    tell(CODE_KEY, &failure.code);
    tell(
        "holdfast-retryable",
        if failure.retryable { "true" } else { "false" },
    );
    match failure.hint {
        Hint::Owner(endpoint) => tell("holdfast-owner", &endpoint),
        Hint::RetryAfter(span) => tell("retry-after-ms", &span.as_millis().to_string()),
        Hint::Attempt(highest) => tell("holdfast-attempt", &highest.to_string()),
        Hint::Allow(_) | Hint::None => {}
    }
    status
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        status(failure)
    }
}
