//! The rules of the contract, as far as an edge can see from outside whether they are kept.

/// What a connection is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    EventStream,
}

/// A rule; each is checked on its own, and named when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Taken,
    ContractHeader,
    Position,
    Generation,
    AcceptedHeader,
    NoCompression,
    Subprotocol,
    OtherConnection,
    MarkerForm,
    MarkerPlace,
    Ids,
    Accepts,
    AcceptedCount,
    CountsDataOnly,
    ForeignMarkers,
    Resume,
    PathId,
    CloseAnswered,
    Attempt,
    OlderLegEnds,
    OlderLegFenced,
    AcceptedAcross,
    Once,
    WithoutEdge,
    Owner,
    TakeOver,
    GenerationChanges,
    OldOwnerFenced,
    OldOwnerEnds,
    OldOwnerRedirects,
}

/// What is said about a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// On the command line's table and in JSON.
    pub(super) name: &'static str,
    /// Of `docs/handoff-contract.md`.
    pub(super) section: u8,
    /// The rule in a sentence.
    pub(super) says: &'static str,
}

impl Rule {
    /// Those of every connection, then those that take a second endpoint.
    pub(super) const ALL: [Self; 30] = [
        Self::Taken,
        Self::ContractHeader,
        Self::Position,
        Self::Generation,
        Self::AcceptedHeader,
        Self::NoCompression,
        Self::Subprotocol,
        Self::OtherConnection,
        Self::MarkerForm,
        Self::MarkerPlace,
        Self::Ids,
        Self::Accepts,
        Self::AcceptedCount,
        Self::CountsDataOnly,
        Self::ForeignMarkers,
        Self::Resume,
        Self::PathId,
        Self::CloseAnswered,
        Self::Attempt,
        Self::OlderLegEnds,
        Self::OlderLegFenced,
        Self::AcceptedAcross,
        Self::Once,
        Self::WithoutEdge,
        Self::Owner,
        Self::TakeOver,
        Self::GenerationChanges,
        Self::OldOwnerFenced,
        Self::OldOwnerEnds,
        Self::OldOwnerRedirects,
    ];

    /// Its name, its place in the contract, and what it wants.
    pub(super) const fn about(self) -> About {
        let (name, section) = match self {
            Self::Taken => ("taken", 5),
            Self::ContractHeader => ("contract-header", 2),
            Self::Position => ("position", 2),
            Self::Generation => ("generation", 2),
            Self::AcceptedHeader => ("accepted-header", 2),
            Self::NoCompression => ("no-compression", 2),
            Self::Subprotocol => ("subprotocol", 2),
            Self::OtherConnection => ("other-connection", 2),
            Self::MarkerForm => ("marker-form", 3),
            Self::MarkerPlace => ("marker-place", 3),
            Self::Ids => ("ids", 3),
            Self::Accepts => ("accepts", 3),
            Self::AcceptedCount => ("accepted-count", 3),
            Self::CountsDataOnly => ("counts-data-only", 3),
            Self::ForeignMarkers => ("foreign-markers", 3),
            Self::Resume => ("resume", 3),
            Self::PathId => ("path-id", 1),
            Self::CloseAnswered => ("close-answered", 4),
            Self::Attempt => ("attempt", 5),
            Self::OlderLegEnds => ("older-leg-ends", 2),
            Self::OlderLegFenced => ("older-leg-fenced", 2),
            Self::AcceptedAcross => ("accepted-across", 2),
            Self::Once => ("once", 3),
            Self::WithoutEdge => ("without-edge", 1),
            Self::Owner => ("owner", 6),
            Self::TakeOver => ("take-over", 6),
            Self::GenerationChanges => ("generation-changes", 2),
            Self::OldOwnerFenced => ("old-owner-fenced", 6),
            Self::OldOwnerEnds => ("old-owner-ends", 6),
            Self::OldOwnerRedirects => ("old-owner-redirects", 6),
        };
        About {
            name,
            section,
            says: self.says(),
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Taken => "a dial is answered with a proper 101 or event stream",
            Self::ContractHeader => "every answer says Holdfast-Contract: 1",
            Self::Position => "a leg says where it starts: where it was told to",
            Self::Generation => "a leg says its generation, the owner's",
            Self::AcceptedHeader => "a new connection has accepted 0",
            Self::NoCompression => "nothing is compressed",
            Self::Subprotocol => "each leg has the same subprotocol",
            Self::OtherConnection => "each connection is counted alone",
            Self::MarkerForm => "an hf1: Pong is a marker by the grammar",
            Self::MarkerPlace => "no marker stands inside a message",
            Self::Ids => "an id names one message",
            Self::Accepts => "what is sent is soon accepted",
            Self::AcceptedCount => "counts do not fall nor pass what was sent",
            Self::CountsDataOnly => "only whole data messages count",
            Self::ForeignMarkers => "a client's hf1: Pong means nothing",
            Self::Resume => "behind an id come exactly the messages after it",
            Self::PathId => "Last-Event-ID goes before ?last_event_id=",
            Self::CloseAnswered => "Close 1012 hf1:move is answered",
            Self::Attempt => "an old attempt is 409, with the highest seen",
            Self::OlderLegEnds => "a later leg ends the older one",
            Self::OlderLegFenced => "from an older leg nothing is accepted",
            Self::AcceptedAcross => "later legs count on",
            Self::Once => "each message is executed exactly once, whatever breaks",
            Self::WithoutEdge => "who is no edge is told no markers",
            Self::Owner => "another's session is 421, with the owner",
            Self::TakeOver => "Moved-From lets another endpoint take it",
            Self::GenerationChanges => "another owner, another generation",
            Self::OldOwnerFenced => "an owner of old accepts nothing",
            Self::OldOwnerEnds => "it closes what it has, with 1012 or 1001",
            Self::OldOwnerRedirects => "it answers 421 with the new one",
        }
    }

    /// Whether a backend that breaks it cannot have its connections moved.
    pub(super) const fn is_mandatory(self) -> bool {
        !matches!(self, Self::WithoutEdge)
    }

    /// Whether it takes a second endpoint to show it.
    pub(super) const fn takes_two(self) -> bool {
        matches!(
            self,
            Self::Owner
                | Self::TakeOver
                | Self::GenerationChanges
                | Self::OldOwnerFenced
                | Self::OldOwnerEnds
                | Self::OldOwnerRedirects
        )
    }

    /// Whether it is about what clients say, or about frames.
    pub(super) const fn is_of(self, transport: Transport) -> bool {
        matches!(transport, Transport::WebSocket)
            || matches!(
                self,
                Self::Taken
                    | Self::ContractHeader
                    | Self::Position
                    | Self::Generation
                    | Self::NoCompression
                    | Self::Ids
                    | Self::Resume
                    | Self::PathId
                    | Self::Attempt
                    | Self::OlderLegEnds
                    | Self::TakeOver
                    | Self::GenerationChanges
                    | Self::OldOwnerEnds
            )
    }
}
