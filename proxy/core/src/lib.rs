//! Values in, decisions out: the whole policy of the edge, without I/O.
//!
//! Nothing here is async, opens a socket, asks a clock or rolls dice: time and chance are
//! arguments, so the same code runs in production, in the simulator and in a table of tests.
//!
//! The data plane asks one question, [`decide()`], and its sibling for a connection that must
//! go somewhere else, [`next()`]. Both read one immutable [`Snapshot`].
//! The control plane is one state machine, [`Controller`]: events go in, commands come out,
//! and among the commands is the next snapshot.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`time`] | what is an instant, and what is the time of day? |
//! | [`cluster`] | which endpoints are there, and whom do they admit? |
//! | [`route`] | which cluster and relay does this request belong to? |
//! | [`affinity`] | which endpoint does this client claim, and do we believe it? |
//! | [`pick`] | who takes a client that has no claim? |
//! | [`decide`](mod@decide) | where does this request go; where does this connection go next? |
//! | [`health`] | is this endpoint fit to serve? |
//! | [`drain`] | who leaves a draining endpoint, and when? |
//! | [`snapshot`] | what does the data plane know at this moment? |
//! | [`connection`] | what becomes of a connection when its endpoint goes? |
//! | [`control`] | what follows from what the world just told us? |

#![warn(missing_docs)]

pub mod affinity;
pub mod cluster;
pub mod connection;
pub mod control;
pub mod decide;
pub mod drain;
pub mod health;
pub mod pick;
pub mod route;
pub mod snapshot;
pub mod time;

pub use affinity::AffinityKey;
pub use cluster::{Admin, Client, Cluster, ClusterName, Endpoint, EndpointId, Health};
pub use control::{Command, Controller, Event};
pub use decide::{Draw, Forward, Reject, Request, Verdict, Why, decide, next};
pub use route::{Relay, Router};
pub use snapshot::Snapshot;
pub use time::{Instant, WallTime};
