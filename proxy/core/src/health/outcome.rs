//! What an exchange says about its endpoint.

/// How an exchange with an endpoint went, as the data plane saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It could not be reached: refused, unreachable, or no answer to the dial in time.
    DialFailed,
    /// It answered with this status.
    Answered {
        /// The HTTP status.
        status: u16,
    },
    /// It keeps the handoff contract and does not take this now: shedding load, or handing the
    /// session over.
    NotTaken,
    /// Somebody would have been sent there, were it not believed to drain.
    Missed,
    /// It took the request and then broke the connection, or let the answer run out of time.
    Broken,
    /// A WebSocket ended.
    Closed {
        /// The endpoint's close code; `None` if it just vanished (1006 of RFC 6455 7.1.5).
        code: Option<u16>,
    },
    /// An event stream ended in good order.
    StreamEnded,
    /// Whether its answer carried the handoff contract.
    Contract {
        /// It did.
        kept: bool,
    },
}

/// What that says of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It serves.
    Good,
    /// It serves badly.
    Bad,
    /// Nothing.
    Silent,
}

impl Kind {
    /// It answered with this status; `kept`: by the contract.
    pub const fn answered(status: u16, kept: bool) -> Self {
        match (status, kept) {
            (503, true) => Self::NotTaken,
            _ => Self::Answered { status },
        }
    }

    /// Whether it shows that what is known of the cluster may be old: an endpoint sends away
    /// what others think is its own, or nobody is left who is not believed to drain.
    pub const fn is_doubt(self) -> bool {
        matches!(
            self,
            Self::NotTaken | Self::Missed | Self::Answered { status: 421 }
        )
    }

    /// What it says of the endpoint. A graceful close is no failure: 1000, 1001 and 1012 are
    /// how servers say goodbye, 4000 and up is the application's own word. 1006, 1011 and 1013
    /// are how broken or overloaded ones do. 502 to 504 say that it cannot serve; any other
    /// status is the application's own, also 500, which one bad address can give for ever: an
    /// endpoint whose clients keep their state there must not be taken out for that.
    pub const fn service(self) -> Service {
        match self {
            Self::DialFailed | Self::Broken => Service::Bad,
            Self::Answered { status: 502..=504 } => Service::Bad,
            Self::Answered { status: 500..=599 } => Service::Silent,
            Self::Answered { .. } | Self::StreamEnded => Service::Good,
            Self::Closed {
                code: None | Some(1006 | 1011 | 1013..=1014),
            } => Service::Bad,
            Self::Closed {
                code: Some(1000 | 1001 | 1012),
            } => Service::Good,
            Self::Closed { .. } | Self::Contract { .. } | Self::NotTaken | Self::Missed => {
                Service::Silent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broken_endpoints_count_as_failing() {
        use Service::{Bad, Good, Silent};
        let closed = |code| Kind::Closed { code: Some(code) };
        let cases = [
            (Kind::DialFailed, Bad),
            (Kind::Broken, Bad),
            (Kind::Closed { code: None }, Bad),
            (closed(1006), Bad),
            (closed(1011), Bad),
            (closed(1013), Bad),
            (closed(1000), Good),
            (closed(1001), Good),
            (closed(1012), Good),
            (closed(1002), Silent),
            (closed(1008), Silent),
            (closed(4000), Silent),
            (closed(4999), Silent),
            (Kind::Answered { status: 101 }, Good),
            (Kind::Answered { status: 200 }, Good),
            (Kind::Answered { status: 404 }, Good),
            (Kind::Answered { status: 421 }, Good),
            (Kind::Answered { status: 500 }, Silent),
            (Kind::Answered { status: 501 }, Silent),
            (Kind::Answered { status: 502 }, Bad),
            (Kind::Answered { status: 503 }, Bad),
            (Kind::Answered { status: 504 }, Bad),
            (Kind::Answered { status: 505 }, Silent),
            (Kind::answered(503, false), Bad),
            (Kind::answered(503, true), Silent),
            (Kind::answered(502, true), Bad),
            (Kind::StreamEnded, Good),
            (Kind::Contract { kept: true }, Silent),
        ];
        for (kind, service) in cases {
            assert_eq!(kind.service(), service, "{kind:?}");
        }
    }
}
