//! What surrounds Holdfast without being part of it: a whole edge on one machine, an
//! opaque application that needs stickiness, and the benchmark beside nginx and HAProxy.
//!
//! This crate imports neither the proxy nor the backend. It starts their binaries and speaks
//! to them over sockets, so whatever it proves holds for any other client as well.
//!
//! - [`lab`] starts backends, sticky applications and a proxy as child processes, restarts
//!   what dies as a ReplicaSet would, and says in `lab.json` where everything is.
//! - [`sticky`] is the opaque application of the affinity demonstration: its state lives in
//!   one process, so a client that is sent elsewhere loses it.
//! - [`bench`] measures the proxy's CPU time per operation and memory per connection.
//! - [`profile`] loads a lab while backends are drained and killed; [`ledger`] keeps the accounts
//!   of every connection and finds what is missing, doubled or late.
//! - [`conformance`] plays the proxy towards any backend and says which rules of the handoff
//!   contract it breaks.
//! - [`process`] starts children that never outlive this process; [`client`] asks them over HTTP.

pub mod bench;
pub mod cli;
pub mod client;
pub mod clock;
pub mod conformance;
mod keys;
pub mod lab;
pub mod ledger;
mod machine;
pub mod process;
pub mod profile;
pub mod sticky;
mod template;
pub mod terminal;
