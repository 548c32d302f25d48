//! The edge itself: a thin shell on Pingora around the decisions of `holdfast-core`.
//!
//! The modules are the stages of a connection's way: `listener` accepts it, `edge` reads a
//! request and asks the core where it goes, `upstream` or a relay carries it there. `app` wires
//! them; nobody else knows every part.

pub mod access_log;
pub mod admin;
pub mod app;
pub mod chance;
pub mod clock;
pub mod config;
pub mod control;
pub mod drain;
pub mod edge;
pub mod explain;
pub mod identity;
pub mod limits;
pub mod listener;
pub mod operator;
pub mod relay;
pub mod signals;
pub mod telemetry;
pub mod upgrade;
pub mod upstream;
pub mod witness;
