//! What can be done in a world, as one line of text and as a value: scenarios are written in it,
//! and a seed's run can be written down in it.

mod text;

use holdfast_core::Admin;

use crate::store::{Loss, Mood};
pub(crate) use text::span;

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Wait,
    /// A session is founded at this endpoint.
    Session(usize),
    Opens {
        client: String,
        sse: bool,
        proxy: usize,
        /// By default the session founded last.
        session: Option<usize>,
    },
    Asks(String),
    Forges(String),
    Says {
        client: String,
        count: u64,
        words: Words,
    },
    /// The client takes nothing of what is sent to it, until it reads again.
    Stalls(String),
    Reads(String),
    Closes(String),
    Admin {
        proxy: usize,
        admin: Admin,
        endpoint: usize,
    },
    Badly {
        endpoint: usize,
        times: u32,
    },
    /// A fault, until it is undone, or for so many milliseconds.
    Deed(Deed, Option<u64>),
    /// The same, at the moment when an endpoint (this one, or any) comes to a step. Once.
    When {
        step: Step,
        at: Option<usize>,
        deed: Deed,
        span: Option<u64>,
    },
    /// Everything that was done to endpoints, store, network and clients is undone.
    Well,
    /// The account of all that was said and heard.
    End,
}

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Numbered, and answered.
    Commands,
    /// Only counted as accepted.
    Pongs,
    /// No command, and long.
    Novels,
}

/// A fault, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Kill(Who),
    Restart(Who),
    Pause(Who),
    Wake(Who),
    /// Its probes fail although it serves.
    Ail(Who),
    Recover(Who),
    /// Nothing passes between this proxy and the endpoint.
    Part(usize, Who),
    Join(usize, Who),
    /// The discovery of this proxy does not name the endpoint.
    Hide(usize, Who),
    Show(usize, Who),
    /// All connections of proxies to it are cut, with what is under way.
    Cut(Who),
    /// One connection is cut, whosever.
    CutOne,
    Store(Mood),
    /// The store, as this endpoint finds it.
    StoreOf(Who, Mood),
    Loses(Loss),
}

/// Whom a deed is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Named(usize),
    /// Who came to the step.
    It,
}

/// The steps of a dial, a handoff and a write, at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A dial has come.
    Dialled,
    /// It asks the owner to let the session go.
    Asks,
    /// The owner is asked.
    Asked,
    /// The owner begins to write everything.
    Stopping,
    /// Everything is written, and the legs are told to end.
    Stopped,
    /// The asker hears that the owner let go.
    Released,
    /// It is about to claim.
    Claims,
    /// The claim stands, and it is about to bring the session back.
    Claimed,
    /// A leg was taken, and nobody has heard of it yet.
    Taken,
    /// An append is on its way to the store.
    Appends,
    /// The append stands.
    Stands,
    /// A snapshot is on its way to the store.
    Snapshots,
    /// Nobody came for the session, and it is claimed back.
    ClaimsBack,
}

impl Step {
    pub(crate) const ALL: [Self; 13] = [
        Self::Dialled,
        Self::Asks,
        Self::Asked,
        Self::Stopping,
        Self::Stopped,
        Self::Released,
        Self::Claims,
        Self::Claimed,
        Self::Taken,
        Self::Appends,
        Self::Stands,
        Self::Snapshots,
        Self::ClaimsBack,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dialled => "dialled",
            Self::Asks => "asking",
            Self::Asked => "asked",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Released => "released",
            Self::Claims => "claiming",
            Self::Claimed => "claimed",
            Self::Taken => "taken",
            Self::Appends => "appending",
            Self::Stands => "appended",
            Self::Snapshots => "snapshotting",
            Self::ClaimsBack => "claiming-back",
        }
    }
}

impl Deed {
    /// What ends it.
    pub(crate) fn undone(&self) -> Option<Self> {
        Some(match self {
            Self::Kill(who) => Self::Restart(*who),
            Self::Pause(who) => Self::Wake(*who),
            Self::Ail(who) => Self::Recover(*who),
            Self::Part(proxy, who) => Self::Join(*proxy, *who),
            Self::Hide(proxy, who) => Self::Show(*proxy, *who),
            Self::Store(_) => Self::Store(Mood::Well),
            Self::StoreOf(who, _) => Self::StoreOf(*who, Mood::Well),
            _ => return None,
        })
    }

    /// With a name in place of `it`.
    pub(crate) fn named(&self, endpoint: usize) -> Self {
        let mut named = self.clone();
        match &mut named {
            Self::Kill(who)
            | Self::Restart(who)
            | Self::Pause(who)
            | Self::Wake(who)
            | Self::Ail(who)
            | Self::Recover(who)
            | Self::Part(_, who)
            | Self::Join(_, who)
            | Self::Hide(_, who)
            | Self::Show(_, who)
            | Self::Cut(who)
            | Self::StoreOf(who, _) => {
                if *who == Who::It {
                    *who = Who::Named(endpoint);
                }
            }
            Self::CutOne | Self::Store(_) | Self::Loses(_) => {}
        }
        named
    }
}

impl Who {
    /// Its place. Whoever is still `it` was never met.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Named(index) => index,
            Self::It => unreachable!("whoever came to the step is named first"),
        }
    }
}
