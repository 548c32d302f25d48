//! One short list of error codes, mapped once to HTTP and once to gRPC.
//!
//! A code is what a program may branch on; the sentence beside it is for people. Clients need no
//! list of what to repeat: every error says `retryable`.

use std::fmt;
use std::str::FromStr;

/// Metadata key under which a gRPC error names its [`Code`].
pub const CODE_KEY: &str = "holdfast-code";

/// What went wrong, on every transport alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is not well formed: JSON, a parameter, a header.
    BadRequest,
    /// Well formed, but a field has a value that is not allowed; the sentence says which.
    InvalidArgument,
    /// The identity may not do this; another user's session answers so, never its data.
    Forbidden,
    /// There is no such thing: path, order, symbol.
    NotFound,
    /// There is no such session, or its time is up.
    SessionNotFound,
    /// The session was ended.
    SessionEnded,
    /// The exchange refused the command; it tells its own, more precise code, such as
    /// `insufficient_balance`.
    Rejected,
    /// Commands of a client are numbered without gaps; send again from the one after the last.
    Gap,
    /// The number or key was used for another command.
    KeyReused,
    /// The command was done and answered, and its answer is kept no more: 256 of a client are,
    /// 64 KiB of a session.
    AnswerForgotten,
    /// The place in the log is no longer kept, or belongs to another log.
    Trimmed,
    /// A numbered message of a type that is no command.
    UnknownType,
    /// The feature is switched off here.
    FeatureOff,
    /// A later leg of this connection, or a higher attempt, was already seen.
    StaleAttempt,
    /// The body or message is larger than allowed.
    TooLarge,
    /// A quota is used up: sessions, streams, commands per second.
    QuotaExceeded,
    /// Another endpoint owns the session; it is named beside the error.
    WrongEndpoint,
    /// The backend is leaving, or the session is between two owners.
    Unavailable,
    /// The store does not answer, so nothing can be made durable.
    StoreUnavailable,
    /// Another version wrote the session's state; an endpoint that can read it may take it.
    UnreadableState,
    /// Not done within the time allowed; whether it was executed is unknown.
    Timeout,
    /// The request's body did not come within the time allowed; nothing was executed.
    BodyTimeout,
    /// A path or method that is not served here.
    MethodNotAllowed,
    /// The body is of a type that is not understood.
    UnsupportedMediaType,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// All codes, in the order of the documentation.
    pub const ALL: [Self; 25] = [
        Self::BadRequest,
        Self::InvalidArgument,
        Self::Forbidden,
        Self::NotFound,
        Self::SessionNotFound,
        Self::SessionEnded,
        Self::Rejected,
        Self::Gap,
        Self::KeyReused,
        Self::AnswerForgotten,
        Self::Trimmed,
        Self::UnknownType,
        Self::FeatureOff,
        Self::StaleAttempt,
        Self::TooLarge,
        Self::QuotaExceeded,
        Self::WrongEndpoint,
        Self::Unavailable,
        Self::StoreUnavailable,
        Self::UnreadableState,
        Self::Timeout,
        Self::BodyTimeout,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::Internal,
    ];

    /// The code as clients read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::InvalidArgument => "invalid_argument",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::SessionNotFound => "session_not_found",
            Self::SessionEnded => "session_ended",
            Self::Rejected => "rejected",
            Self::Gap => "gap",
            Self::KeyReused => "key_reused",
            Self::AnswerForgotten => "answer_forgotten",
            Self::Trimmed => "trimmed",
            Self::UnknownType => "unknown_type",
            Self::FeatureOff => "feature_off",
            Self::StaleAttempt => "stale_attempt",
            Self::TooLarge => "too_large",
            Self::QuotaExceeded => "quota_exceeded",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::Unavailable => "unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::UnreadableState => "unreadable_state",
            Self::Timeout => "timeout",
            Self::BodyTimeout => "body_timeout",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Internal => "internal",
        }
    }

    /// A short title, the same for every occurrence (RFC 9457, section 3.1.3).
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request cannot be read",
            Self::InvalidArgument => "A value is not allowed",
            Self::Forbidden => "Not yours",
            Self::NotFound => "No such thing",
            Self::SessionNotFound => "No such session",
            Self::SessionEnded => "The session has ended",
            Self::Rejected => "The exchange refused",
            Self::Gap => "A command is missing before this one",
            Self::KeyReused => "Used for another command",
            Self::AnswerForgotten => "Answered long ago",
            Self::Trimmed => "No longer kept",
            Self::UnknownType => "No such command",
            Self::FeatureOff => "Switched off",
            Self::StaleAttempt => "A later attempt was already seen",
            Self::TooLarge => "Too large",
            Self::QuotaExceeded => "A quota is used up",
            Self::WrongEndpoint => "Another endpoint owns the session",
            Self::Unavailable => "Not now",
            Self::StoreUnavailable => "The store does not answer",
            Self::UnreadableState => "Written by another version",
            Self::Timeout => "Not done in time",
            Self::BodyTimeout => "The body did not come in time",
            Self::MethodNotAllowed => "Not with this method",
            Self::UnsupportedMediaType => "Not in this format",
            Self::Internal => "A fault of ours",
        }
    }

    /// The HTTP status of an answer with this code.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest | Self::UnknownType => 400,
            Self::InvalidArgument | Self::Rejected | Self::KeyReused => 422,
            Self::Forbidden | Self::FeatureOff => 403,
            Self::NotFound | Self::SessionNotFound | Self::Trimmed => 404,
            Self::SessionEnded => 410,
            Self::Gap | Self::StaleAttempt | Self::AnswerForgotten => 409,
            Self::TooLarge => 413,
            Self::QuotaExceeded => 429,
            Self::WrongEndpoint => 421,
            Self::Unavailable | Self::StoreUnavailable | Self::UnreadableState => 503,
            Self::Timeout => 504,
            Self::BodyTimeout => 408,
            Self::MethodNotAllowed => 405,
            Self::UnsupportedMediaType => 415,
            Self::Internal => 500,
        }
    }

    /// The gRPC code of an answer with this code.
    pub const fn grpc_code(self) -> tonic::Code {
        match self {
            Self::BadRequest
            | Self::InvalidArgument
            | Self::UnsupportedMediaType
            | Self::UnknownType => tonic::Code::InvalidArgument,
            Self::Forbidden | Self::FeatureOff => tonic::Code::PermissionDenied,
            Self::NotFound | Self::SessionNotFound | Self::SessionEnded => tonic::Code::NotFound,
            Self::Rejected | Self::WrongEndpoint => tonic::Code::FailedPrecondition,
            Self::Gap | Self::StaleAttempt => tonic::Code::Aborted,
            Self::KeyReused | Self::AnswerForgotten => tonic::Code::AlreadyExists,
            Self::TooLarge | Self::Trimmed => tonic::Code::OutOfRange,
            Self::QuotaExceeded => tonic::Code::ResourceExhausted,
            Self::Unavailable | Self::StoreUnavailable | Self::UnreadableState => {
                tonic::Code::Unavailable
            }
            Self::Timeout | Self::BodyTimeout => tonic::Code::DeadlineExceeded,
            Self::MethodNotAllowed => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// Whether the same request, said again later, may succeed.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::QuotaExceeded
                | Self::WrongEndpoint
                | Self::Unavailable
                | Self::StoreUnavailable
                | Self::UnreadableState
                | Self::Timeout
                | Self::BodyTimeout
                | Self::Gap
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found.copied().ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_text() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("no_such_code".parse::<Code>(), Err(UnknownCode));
    }

    #[test]
    fn what_is_retryable_is_never_blamed_on_the_request() {
        for code in Code::ALL.into_iter().filter(|code| code.retryable()) {
            assert!(
                matches!(code.http_status(), 408 | 409 | 421 | 429 | 503 | 504),
                "{code}"
            );
        }
    }

    #[test]
    fn only_faults_of_the_service_are_5xx() {
        let ours: Vec<_> = Code::ALL
            .into_iter()
            .filter(|code| code.http_status() >= 500)
            .map(Code::as_str)
            .collect();
        let expected = [
            "unavailable",
            "store_unavailable",
            "unreadable_state",
            "timeout",
            "internal",
        ];
        assert_eq!(ours, expected);
    }

    #[test]
    fn every_code_is_documented_with_its_mapping() {
        let page = include_str!("../../docs/errors.md");
        for code in Code::ALL {
            let grpc = format!("{:?}", code.grpc_code());
            let grpc = grpc
                .chars()
                .enumerate()
                .fold(String::new(), |mut all, (at, c)| {
                    if at > 0 && c.is_uppercase() {
                        all.push('_');
                    }
                    all.extend(c.to_uppercase());
                    all
                });
            let again = if code.retryable() { "yes" } else { "no" };
            let row = format!("| `{code}` | {} | {grpc} | {again} |", code.http_status());
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
    }
}
