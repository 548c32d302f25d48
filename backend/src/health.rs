//! How this endpoint is, as values.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Backend;
use crate::clock;

/// How this endpoint is, with everything it depends on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `degraded`.
    pub status: &'static str,
    /// The machine's name.
    pub hostname: String,
    /// The name that outlives the address.
    pub endpoint: String,
    /// This start of the process.
    pub incarnation: String,
    /// Of the program.
    pub version: &'static str,
    /// What proxies should know.
    pub state: State,
    /// Sessions owned and run here; at a front, those with a connection through it.
    pub sessions: usize,
    /// WebSockets and event streams.
    pub connections: usize,
    /// Clients that have one.
    pub active_clients: usize,
    /// Seconds since the process began to serve.
    pub uptime_s: u64,
    /// Everything this endpoint leans on.
    pub dependencies: Dependencies,
    /// What does not work as it should; empty when `ok`.
    pub degraded: Vec<String>,
}

/// Everything this endpoint leans on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dependencies {
    /// What runs the sessions: `in_process`, or `remote` at a front.
    pub exchange: Dependency,
    /// Where sessions live when no process holds them; `off` at a front.
    pub store: Dependency,
    /// Where what must last is written.
    pub ledger: LedgerDependency,
}

/// Where what must last is written; it degrades the status, never the state: nobody waits for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerDependency {
    /// `ok`, `failing` or `off`.
    pub status: &'static str,
    /// `postgres`, `sqlite` or `off`.
    pub kind: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Facts that are known to wait for it.
    pub lag_facts: u64,
    /// How long the oldest of them has waited, in seconds.
    pub lag_s: u64,
    /// Sessions that have no room for more: of theirs only numbers are kept.
    pub full: usize,
}

/// One thing this endpoint leans on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dependency {
    /// `ok`, `failing` or `off`.
    pub status: &'static str,
    /// What it is.
    pub kind: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether to send clients here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// What proxies should know.
    pub state: State,
    /// Sessions owned and run here; at a front, those with a connection through it.
    pub sessions: usize,
}

/// What proxies should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Send clients here.
    Ready,
    /// It leaves: send nobody new, and move those that are here.
    Draining,
    /// It serves, but a dependency fails: prefer others.
    Degraded,
}

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// Always `live`.
    pub status: &'static str,
}

/// What WebSockets can do here.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebSocketHealth {
    /// `ok` or `draining`.
    pub status: &'static str,
    /// The name that outlives the address.
    pub endpoint: String,
    /// What they can do, and what is switched on in the configuration's `features`.
    pub features: Vec<&'static str>,
    /// Streams open now.
    pub connections: usize,
}

impl Backend {
    /// How this endpoint is.
    pub fn health(&self) -> Health {
        let counts = self.sessions.counts();
        let trouble = self.sessions.store_trouble();
        let (front, away) = (self.is_front(), self.sessions.exchange_trouble());
        let ledger = self.ledger_dependency();
        let told = |name: &str, detail: &Option<String>| {
            detail.as_ref().map(|detail| format!("{name}: {detail}"))
        };
        let degraded = [
            told("exchange", &away),
            told("store", &trouble),
            told("ledger", &ledger.detail),
        ];
        let degraded: Vec<_> = degraded.into_iter().flatten().collect();
        let me = self.sessions.me();
        Health {
            status: if degraded.is_empty() {
                "ok"
            } else {
                "degraded"
            },
            hostname: self.hostname.clone(),
            endpoint: me.endpoint.to_string(),
            incarnation: me.incarnation.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            state: self.state(),
            sessions: counts.sessions,
            connections: counts.connections,
            active_clients: counts.clients,
            uptime_s: clock::now().duration_since(self.started).as_secs(),
            dependencies: Dependencies {
                exchange: Dependency {
                    status: status(&away),
                    kind: if front { "remote" } else { "in_process" },
                    detail: away,
                },
                store: Dependency {
                    status: if front { "off" } else { status(&trouble) },
                    kind: self.config.exchanges.store(),
                    detail: trouble,
                },
                ledger,
            },
            degraded,
        }
    }

    fn ledger_dependency(&self) -> LedgerDependency {
        let kind = self.config.ledger.kind.name();
        let Some(ledger) = &self.ledger else {
            return LedgerDependency {
                status: "off",
                kind,
                detail: None,
                lag_facts: 0,
                lag_s: 0,
                full: 0,
            };
        };
        let (detail, lag) = (ledger.trouble(), ledger.lag());
        LedgerDependency {
            status: if detail.is_some() { "failing" } else { "ok" },
            kind,
            detail,
            lag_facts: lag.facts,
            lag_s: lag.age.as_secs(),
            full: lag.full,
        }
    }

    fn is_front(&self) -> bool {
        self.sessions.here().is_none()
    }

    /// Whether to send clients here.
    pub fn readiness(&self) -> Readiness {
        Readiness {
            state: self.state(),
            sessions: self.sessions.counts().sessions,
        }
    }

    /// What WebSockets can do here.
    pub fn websocket_health(&self) -> WebSocketHealth {
        WebSocketHealth {
            status: if self.sessions.is_draining() {
                "draining"
            } else {
                "ok"
            },
            endpoint: self.sessions.me().endpoint.to_string(),
            features: self.features(),
            connections: self.sessions.counts().connections,
        }
    }

    /// What is always there, and what is switched on.
    fn features(&self) -> Vec<&'static str> {
        let on = &self.config.features;
        let switched = [
            ("batch", on.batch),
            ("clock", on.clock),
            ("fork", on.fork),
            ("restart", on.restart),
            ("shocks", on.shocks),
        ];
        let switched = switched.into_iter().filter(|(_, on)| *on);
        let switched = switched.map(|(name, _)| name);
        FEATURES.into_iter().chain(switched).collect()
    }

    fn state(&self) -> State {
        if self.sessions.is_draining() {
            State::Draining
        } else if self.sessions.store_trouble().is_some()
            || self.sessions.exchange_trouble().is_some()
        {
            State::Degraded
        } else {
            State::Ready
        }
    }
}

const fn status(trouble: &Option<String>) -> &'static str {
    match trouble {
        Some(_) => "failing",
        None => "ok",
    }
}

const FEATURES: [&str; 7] = [
    "ping",
    "quality",
    "resume",
    "idempotency",
    "coalesce",
    "handoff",
    "cancel_on_disconnect",
];
